"""Records of a run's calls for its journal: each is written before anyone hears of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..foundation import clock
from ..records import TaskRunBatch
from . import outcomes
from .fanout import Fanout
from .inputs import task_inputs_of
from .outcomes import Outcome, Timeline

if TYPE_CHECKING:
    from ..store.slot_rows import SlotAnswer


def running(
    fanout: Fanout, position: int, started: float, node: str | None = None, pid: int | None = None
) -> None:
    """A call has been running for a while, in that process."""
    if fanout.is_settled(position):
        return
    attempt = fanout.attempt_of(position)
    fanout.kind.desk.journal.append(
        TaskRunBatch(
            fanout.site,
            [fanout.index_of(position)],
            "RUNNING",
            "Running" if attempt == 1 else "Retrying",
            fanout.submitted_at,
            [started],
            [None],
            attempt,
            timelines=[_timeline_text(fanout.timelines.get(position))],
            task_inputs=task_inputs_of(fanout, [position]),
            node=node,
            pid=pid,
        )
    )


def waits_for_slot(fanout: Fanout, position: int, answer: SlotAnswer) -> None:
    """A call has been waiting for a slot of a limit on its tags."""
    message = f"waits for a slot of tag {answer.tag!r}, whose limit is {answer.limit}"
    entry = ("SCHEDULED", "AwaitingConcurrencySlot", clock.epoch_s(), message)
    passed = list(fanout.timelines.get(position, ()))
    if not passed or passed[0][0] != "PENDING":
        passed.insert(0, ("PENDING", "Pending", fanout.submitted_at, None))
    state_type, name, _, _ = entry
    fanout.kind.desk.journal.append(
        TaskRunBatch(
            fanout.site,
            [fanout.first_index + position],
            state_type,
            name,
            fanout.submitted_at,
            [None],
            [None],
            fanout.attempt_of(position) - 1,
            messages=[message],
            timelines=[_timeline_text(passed, entry)],
            task_inputs=task_inputs_of(fanout, [position]),
        )
    )
    fanout.timelines.setdefault(position, []).append(entry)


def is_plain(fanout: Fanout, outcome: Outcome) -> bool:
    """Whether there is nothing to tell of a call but that it completed at its first attempt."""
    return (
        outcome.status == outcomes.COMPLETED
        and outcome.extra is None
        and not fanout.cache_keys
        and not fanout.timelines
    )


def completed(
    fanout: Fanout,
    positions: Sequence[int],
    ended: Sequence[Outcome],
    node: str | None,
    pid: int | None,
) -> None:
    """First attempts that completed, without anything special to record."""
    _, starts, ends, counts, kinds, payloads, hashes, _ = zip(*ended, strict=True)
    fanout.kind.desk.journal.append(
        TaskRunBatch(
            fanout.site,
            fanout.indexes_of(positions),
            "COMPLETED",
            "Completed",
            fanout.submitted_at,
            starts,
            ends,
            counts,
            result_kinds=kinds,
            results=payloads,
            input_hashes=hashes,
            task_inputs=task_inputs_of(fanout, positions),
            node=node,
            pid=pid,
        )
    )


def ended(
    fanout: Fanout,
    entries: Sequence[tuple[int, Outcome]],
    node: str | None = None,
    pid: int | None = None,
) -> None:
    """Calls that ended (or wait for another attempt), each in its own way."""
    positions = [position for position, _ in entries]
    ended = [outcome for _, outcome in entries]
    extras = [outcome.extra or outcomes.NO_EXTRA for outcome in ended]
    states = [outcomes.state_of(outcome) for outcome in ended]
    cached = [fanout.cache_keys.get(position, (None, None)) for position in positions]
    has_keys = bool(fanout.cache_keys)
    fanout.kind.desk.journal.append(
        TaskRunBatch(
            fanout.site,
            fanout.indexes_of(positions),
            [state_type for state_type, _ in states],
            [name for _, name in states],
            fanout.submitted_at,
            [outcome.start_s for outcome in ended],
            [None if outcome.status == outcomes.RETRY else outcome.end_s for outcome in ended],
            [outcome.run_count for outcome in ended],
            messages=[extra.message for extra in extras],
            timelines=[
                _whole_timeline(fanout, position, outcome)
                for position, outcome in zip(positions, ended, strict=True)
            ],
            result_kinds=[outcome.kind for outcome in ended],
            results=[outcome.payload if outcome.kind in ("inline", "stored") else None for outcome in ended],
            input_hashes=[outcome.input_hash for outcome in ended],
            cache_keys=[key for key, _ in cached] if has_keys else None,
            cache_expirations=[expires for _, expires in cached] if has_keys else None,
            errors=[json.dumps(extra.error) if extra.error else None for extra in extras],
            names=[extra.name for extra in extras],
            task_inputs=task_inputs_of(fanout, positions),
            node=node,
            pid=pid,
        )
    )


def _timeline_text(
    timeline: Timeline | None, last: tuple[str, str, float, str | None] | None = None
) -> str | None:
    """A timeline as text for the record; None when the call took the ordinary path."""
    if not timeline:
        return None
    entries: list[Any] = [list(entry) for entry in timeline]
    if last is not None:
        entries.append(list(last))
    return json.dumps(entries)


def _whole_timeline(fanout: Fanout, position: int, outcome: Outcome) -> str | None:
    passed: Timeline = list(fanout.timelines.get(position, ()))
    extra = outcome.extra
    if extra is not None and extra.timeline:
        passed += extra.timeline
    elif passed and outcome.start_s is not None and outcome.run_count:
        name = "Running" if outcome.run_count == 1 else "Retrying"
        passed.append(("RUNNING", name, outcome.start_s, None))
    if not passed:
        return None
    if passed[0][0] != "PENDING":
        passed.insert(0, ("PENDING", "Pending", fanout.submitted_at, None))
    state_type, name = outcomes.state_of(outcome)
    at = outcome.end_s if outcome.end_s is not None else clock.epoch_s()
    return _timeline_text(passed, (state_type, name, at, extra.message if extra else None))
