"""Derives a flow run's row from its transitions. Times are microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ...records import FlowRunTransition
from ...states import FINAL_STATES
from ..database.types import to_micros


@dataclass(slots=True)
class FlowRunFacts:
    """The columns of a flow run that are derived from its transitions."""

    id: UUID
    version: int = 0
    state_id: UUID | None = None
    state_type: str | None = None
    state_name: str | None = None
    state_timestamp: int | None = None
    run_count: int = 0
    total_run_time: float = 0.0
    expected_start_time: int | None = None
    next_scheduled_start_time: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    result_kind: str | None = None
    result: bytes | None = None
    error: str | None = None
    resuming: bool = False  # the next RUNNING continues after a pause and is not a new attempt


@dataclass(frozen=True, slots=True)
class StateEntry:
    """A transition in the history; its timestamp is later than that of the one before."""

    flow_run_id: UUID
    transition: FlowRunTransition
    timestamp: int


def fold(facts: FlowRunFacts, transitions: list[FlowRunTransition]) -> list[StateEntry]:
    """Apply transitions in order: changes `facts`, returns the history entries. A run that is being cancelled
    only takes its end: what its process wrote before it knew must not undo the request. Its
    start is still recorded.
    """
    entries: list[StateEntry] = []
    for transition in transitions:
        if _too_late(facts, transition):
            _note_beginning(facts, transition, to_micros(transition.at))
        else:
            entries.append(apply(facts, transition))
    return entries


def _too_late(facts: FlowRunFacts, new: FlowRunTransition) -> bool:
    return facts.state_type == "CANCELLING" and new.state_type not in FINAL_STATES


def _note_beginning(facts: FlowRunFacts, new: FlowRunTransition, at: int) -> None:
    if new.state_type == "RUNNING":
        facts.run_count += not facts.resuming
        facts.resuming = False
        if facts.start_time is None:
            facts.start_time = at


def apply(facts: FlowRunFacts, new: FlowRunTransition) -> StateEntry:
    """Apply one transition, whatever the state before it: changes `facts`, returns the history entry."""
    at = to_micros(new.at)
    if facts.state_timestamp is not None:
        # The standard needs unique state timestamps in a run, and clocks may stand still or step back.
        at = max(at, facts.state_timestamp + 1)
        if facts.state_type == "RUNNING":
            facts.total_run_time += (at - facts.state_timestamp) / 1e6
    _note_beginning(facts, new, at)
    if new.state_type not in FINAL_STATES:
        facts.end_time = None
    elif facts.end_time is None:  # else the run has ended before and only gets another end
        facts.start_time = facts.start_time or at
        facts.end_time = at
    scheduled = _moment(new.details.get("scheduled_time")) if new.state_type == "SCHEDULED" else None
    facts.next_scheduled_start_time = scheduled
    if facts.expected_start_time is None:
        facts.expected_start_time = scheduled or at
    facts.state_id, facts.state_type, facts.state_name = new.state_id, new.state_type, new.state_name
    facts.state_timestamp = at
    facts.result_kind, facts.result, facts.error = new.result_kind, new.result, new.error
    facts.version += 1
    return StateEntry(facts.id, new, at)


def _moment(value: Any) -> int | None:
    """A time in a state's details: epoch seconds, a datetime or ISO 8601 text."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return to_micros(value.timestamp() if isinstance(value, datetime) else float(value))
