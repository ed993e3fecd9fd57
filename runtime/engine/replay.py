"""What an earlier execution of the run has completed, read from the database as the new one gets there.

Ids of one call site are consecutive, so the calls of a fan-out are one range of the primary key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import ids
from ..caching import input_hash
from ..errors import NondeterministicReplay
from ..journal.records import CallSite
from ..logging import FLOW_LOGGER, engine_logger

if TYPE_CHECKING:
    from ..store.rows import ReplayedTask
    from .outcomes import Outcome

_log = engine_logger(FLOW_LOGGER)
_DURABLE = ("none", "inline", "stored")
_AT_ONCE = 5_000


class Replay:
    """The completed task runs of one flow run. `policy` says what to do with a call whose inputs changed;
    `unreported` are outcomes that workers had noted, by the task run's id as a number.
    """

    def __init__(
        self,
        read_range: Callable[[UUID, UUID], list[ReplayedTask]],
        policy: str,
        unreported: Mapping[int, Outcome] | None = None,
    ) -> None:
        self._read_range = read_range
        self._fails = policy == "fail"
        self._unreported = unreported or {}
        self.answered = 0
        self._counting = threading.Lock()

    @property
    def has_unreported(self) -> bool:
        """Whether workers have noted anything that the record may lack."""
        return bool(self._unreported)

    def completed(self, site: CallSite, start: int, stop: int) -> dict[int, ReplayedTask]:
        """By index, the calls of a site that completed with a value that can be had again."""
        found: dict[int, ReplayedTask] = {}
        for first in range(start, stop, _AT_ONCE):
            last = min(first + _AT_ONCE, stop) - 1
            rows = self._read_range(ids.task_run_id(site.base, first), ids.task_run_id(site.base, last))
            found |= {row.id.int - site.base: row for row in rows if row.result_kind in _DURABLE}
        self._count(len(found))
        return found

    def unreported(self, site: CallSite, indexes: Iterable[int]) -> dict[int, Outcome]:
        """By index, what completed although the record does not know: its worker had noted it."""
        known, base = self._unreported, site.base
        found = {index: known[base + index] for index in indexes if base + index in known}
        self._count(len(found))
        return found

    def diverges(
        self,
        name: str,
        task: ReplayedTask | Outcome,
        row: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]],
    ) -> bool:
        """Whether the call is another one than the record knows; raises NondeterministicReplay if that is to
        fail.

        Inputs that are not plain data have no hash and are not compared.
        """
        if task.input_hash is None:
            return False
        now = input_hash(*row())
        if now is None or now == bytes(task.input_hash):
            return False
        if self._fails:
            raise NondeterministicReplay(
                f"{name} was called with other inputs than in the earlier execution of this run",
                hint="Make the flow's calls depend on its parameters and task results only, or set "
                "HELIOSTAT_REPLAY_DIVERGENCE=rerun to run such calls again.",
            )
        self._count(-1)
        _log.warning("%s has other inputs than in the earlier execution of this run: it runs again", name)
        return True

    def _count(self, more: int) -> None:
        with self._counting:
            self.answered += more
