"""The records of an earlier execution of a run, read from the database as the new execution needs them.

Ids of one call site are consecutive, so the calls of a fan-out are one range of the primary key. Which of the
recorded calls a new call is, `Matching` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from ..authoring.logging import FLOW_LOGGER, engine_logger
from ..foundation import ids
from ..foundation.errors import NondeterministicReplay
from ..foundation.settings import current_settings
from ..records import CallSite
from .matching import Claim, Matching

if TYPE_CHECKING:
    from ..store.database.rows import ReplayedTask
    from .outcomes import Outcome

_log = engine_logger(FLOW_LOGGER)
_DURABLE = ("none", "inline", "stored")
_AT_ONCE = 5_000
_INPUTS_AT_ONCE = 50_000
_NEAR = 32  # indexes that are closer than that are read together
_LAST_INDEX = (1 << 61) - 1

ReadRange = Callable[[UUID, UUID], "list[ReplayedTask]"]
ReadInputs = Callable[[UUID, UUID, int], "list[tuple[UUID, bytes | None]]"]


class AsksStore(Protocol):
    """Carries out store verbs for this process."""

    def call(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...


class Replay:
    """The recorded task runs of one flow run. `policy` says what to do with a call that the record does not
    know; `unreported` are outcomes that workers had noted, by the task run's id as a number.
    """

    def __init__(
        self,
        read_range: ReadRange,
        read_inputs: ReadInputs,
        policy: str,
        unreported: Mapping[int, Outcome] | None = None,
    ) -> None:
        self._read_range = read_range
        self._read_inputs = read_inputs
        self._policy = policy
        self.unreported = unreported or {}
        self._told: set[str] = set()  # tasks whose inputs cannot be compared

    def matching(self, site: CallSite) -> Matching:
        """A matching of the calls of a site to its records, from the first call on."""
        return Matching(lambda: self._inputs_of(site))

    def recorded(self, site: CallSite, start: int, stop: int) -> dict[int, ReplayedTask | Outcome]:
        """By index, what is known of the calls of a site from `start` to before `stop`."""
        found: dict[int, ReplayedTask | Outcome] = {}
        for first in range(start, stop, _AT_ONCE):
            last = min(first + _AT_ONCE, stop) - 1
            rows = self._read_range(ids.task_run_id(site.base, first), ids.task_run_id(site.base, last))
            found |= {row.id.int - site.base: row for row in rows}
        if self.unreported:
            found |= self._unreported_at(site, range(start, stop), found)
        return found

    def recorded_at(self, site: CallSite, indexes: Iterable[int]) -> dict[int, ReplayedTask | Outcome]:
        """By index, what is known of single calls of a site."""
        found: dict[int, ReplayedTask | Outcome] = {}
        wanted = sorted(indexes)
        while wanted:
            together = 1
            while together < len(wanted) and wanted[together] - wanted[together - 1] <= _NEAR:
                together += 1
            found |= self.recorded(site, wanted[0], wanted[together - 1] + 1)
            del wanted[:together]
        return found

    def found_no_record(self, name: str, task_name: str, claim: Claim, *, is_comparable: bool) -> None:
        """Warn that a call runs again unexpectedly. Raises NondeterministicReplay where that is to fail."""
        if claim.diverges and self._policy == "fail":
            raise NondeterministicReplay(
                f"{name} was called with other inputs than in the earlier execution of this run",
                hint="Make the flow's calls depend on its parameters and task results only, or set "
                "HELIOSTAT_REPLAY_DIVERGENCE=rerun to run such calls again.",
            )
        if claim.diverges:
            _log.warning("%s has other inputs than in the earlier execution: it runs again", name)
        if is_comparable or task_name in self._told:
            return
        self._told.add(task_name)
        _log.warning(
            "%s runs again: its inputs cannot be compared with those of the earlier execution of this run",
            name,
        )

    def _inputs_of(self, site: CallSite) -> list[tuple[int, bytes | None]]:
        """Index and input hash of all recorded calls of a site, in order."""
        inputs: dict[int, bytes | None] = {}
        first, last = ids.task_run_id(site.base, 0), ids.task_run_id(site.base, _LAST_INDEX)
        while True:
            page = self._read_inputs(first, last, _INPUTS_AT_ONCE)
            for task_run_id, hashed in page:
                inputs[task_run_id.int - site.base] = None if hashed is None else bytes(hashed)
            if len(page) < _INPUTS_AT_ONCE:
                break
            first = UUID(int=page[-1][0].int + 1)
        for number, outcome in self.unreported.items():
            index = number - site.base
            if 0 <= index <= _LAST_INDEX and inputs.get(index) is None:
                inputs[index] = outcome.input_hash
        return sorted(inputs.items())

    def _unreported_at(
        self, site: CallSite, indexes: range, rows: Mapping[int, ReplayedTask | Outcome]
    ) -> dict[int, Outcome]:
        known, base = self.unreported, site.base
        return {
            index: known[base + index]
            for index in indexes
            if base + index in known and not is_answer(rows.get(index))
        }


def is_answer(recorded: ReplayedTask | Outcome | None) -> bool:
    """Whether a recorded call completed with a value that can be read again."""
    state_type = getattr(recorded, "state_type", None)
    return state_type == "COMPLETED" and getattr(recorded, "result_kind", None) in _DURABLE


def replay_of(recording: AsksStore, run_id: UUID, unreported: Mapping[int, Outcome] | None = None) -> Replay:
    """The records of a run, read from the database as they are needed."""

    from ..store import (
        task_runs,  # here: a worker, which replays nothing, does not load the database's drivers
    )

    def read_range(first: UUID, last: UUID) -> list[ReplayedTask]:
        return recording.call(task_runs.recorded_range, run_id, first, last)

    def read_inputs(first: UUID, last: UUID, most: int) -> list[tuple[UUID, bytes | None]]:
        return recording.call(task_runs.recorded_inputs, run_id, first, last, most)

    return Replay(read_range, read_inputs, current_settings().replay_divergence, unreported)
