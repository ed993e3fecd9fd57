"""Store rows as the standard API's objects: plain dicts with its field names, ids and times as they are.

Fields of the standard that have no value here are present and None.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from ..runtime.foundation import clock
from ..runtime.foundation.ids import SUBFLOW_KEY, child_flow_run_id
from ..runtime.rules.deciding import Accept, Verdict, Wait
from ..runtime.states import FINAL_STATES, StateType
from ..runtime.store.database.rows import (
    NO_FLOW_RUN,
    FlowRow,
    FlowRunInputRow,
    FlowRunRow,
    FlowRunStateRow,
    LogRow,
    RuleDecisionRow,
    TaskRunRow,
    TaskRunState,
)

if TYPE_CHECKING:
    from ..runtime.store.run_history import HistoryInterval

Wire = dict[str, Any]

_STATE_DETAILS: Mapping[str, Any] = {
    "flow_run_id": None,
    "task_run_id": None,
    "child_flow_run_id": None,
    "scheduled_time": None,
    "cache_key": None,
    "cache_expiration": None,
    "deferred": False,
    "untrackable_result": False,
    "pause_timeout": None,
    "pause_reschedule": False,
    "pause_key": None,
    "run_input_keyset": None,
    "refresh_cache": None,
    "retriable": None,
    "transition_id": None,
    "task_parameters_id": None,
    "traceparent": None,
    "deployment_concurrency_lease_id": None,
}
_MOST_DERIVED = 32  # states of one task run whose ids are derived
_MOMENTS = frozenset({"scheduled_time", "pause_timeout", "cache_expiration"})
_FLOW_RUN_POLICY: Mapping[str, Any] = {
    "max_retries": 0,
    "retry_delay_seconds": 0,
    "retries": None,
    "retry_delay": None,
    "pause_keys": [],
    "resuming": False,
    "retry_type": None,
}
_TASK_RUN_POLICY: Mapping[str, Any] = {
    "max_retries": 0,
    "retry_delay_seconds": 0,
    "retries": None,
    "retry_delay": None,
    "retry_jitter_factor": None,
}


def flow(row: FlowRow) -> Wire:
    """Flow."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "tags": row.tags,
        "labels": row.labels,
    }


def flow_run(row: FlowRunRow, state: FlowRunStateRow | None = None) -> Wire:
    """FlowRun. `state` is the newest entry of its history, if the caller has it: it carries the message."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "flow_id": row.flow_id,
        "state_id": row.state_id,
        "deployment_id": row.deployment_id,
        "deployment_version": row.deployment_version,
        "work_queue_name": None,
        "flow_version": row.flow_version,
        "parameters": row.parameters,
        "idempotency_key": row.idempotency_key,
        "context": row.context,
        "empirical_policy": {**_FLOW_RUN_POLICY, **row.empirical_policy},
        "tags": row.tags,
        "labels": row.labels,
        "parent_task_run_id": row.parent_task_run_id,
        "state_type": row.state_type,
        "state_name": row.state_name,
        "run_count": row.run_count,
        "expected_start_time": row.expected_start_time,
        "next_scheduled_start_time": row.next_scheduled_start_time,
        "start_time": row.start_time,
        "end_time": row.end_time,
        "total_run_time": row.total_run_time,
        "estimated_run_time": running_s(row.state_type, row.state_timestamp, row.total_run_time),
        "estimated_start_time_delta": late_s(row.state_type, row.expected_start_time, row.start_time),
        "auto_scheduled": row.auto_scheduled,
        "infrastructure_document_id": None,
        "infrastructure_pid": row.infrastructure_pid,
        "created_by": row.created_by,
        "work_queue_id": row.work_queue_id,
        "state": flow_run_state(state, row.parent_task_run_id) if state else _bare_state(row),
        "job_variables": row.job_variables or {},
    }


def flow_run_response(
    row: FlowRunRow, state: FlowRunStateRow | None, pool_name: str | None, queue_name: str | None
) -> Wire:
    """FlowRunResponse: FlowRun, and the work pool that it goes to."""
    return {
        **flow_run(row, state),
        "work_queue_name": queue_name,
        "work_pool_id": row.work_pool_id,
        "work_pool_name": pool_name,
    }


def flow_run_state(row: FlowRunStateRow, parent_task_run_id: UUID | None = None) -> Wire:
    """State of a flow run; for a sub-flow run it names the task run that stands for it in its parent."""
    details = {**_STATE_DETAILS, **row.details, "flow_run_id": row.flow_run_id}
    if parent_task_run_id is not None:
        details["task_run_id"] = parent_task_run_id
    return _state(row.id, row.type, row.name, row.timestamp, row.message, details, row.data)


def task_run(row: TaskRunRow, states: Sequence[TaskRunState] = ()) -> Wire:
    """TaskRun. `states` are its history, if the caller has it: it tells when the newest state began."""
    newest = states[-1] if states else newest_state(row)
    state = task_run_state(row, newest)
    ran_s = _ran_s(row, states)
    return {
        "id": row.id,
        "created": min(row.expected_start_time, states[0].timestamp) if states else row.expected_start_time,
        "updated": newest.timestamp,
        "name": row.name,
        "flow_run_id": _known(row.flow_run_id),
        "task_key": row.task_key,
        "dynamic_key": row.dynamic_key,
        "cache_key": row.cache_key,
        "cache_expiration": row.cache_expiration,
        "task_version": row.task_version,
        "empirical_policy": {**_TASK_RUN_POLICY, **row.policy},
        "tags": row.tags,
        "labels": row.labels,
        "state_id": state["id"],
        "task_inputs": row.task_inputs,
        "state_type": row.state_type,
        "state_name": row.state_name,
        "run_count": row.run_count,
        "flow_run_run_count": row.epoch,
        "expected_start_time": row.expected_start_time,
        "next_scheduled_start_time": _next_start(newest) if row.state_type == StateType.SCHEDULED else None,
        "start_time": row.start_time,
        "end_time": row.end_time,
        "total_run_time": ran_s,
        "estimated_run_time": running_s(row.state_type, newest.timestamp, ran_s),
        "estimated_start_time_delta": late_s(row.state_type, row.expected_start_time, row.start_time),
        "state": state,
    }


def _ran_s(row: TaskRunRow, states: Sequence[TaskRunState]) -> float:
    """Seconds in RUNNING, without the present period."""
    if len(states) > 1:
        spells = (
            after.timestamp - state.timestamp
            for state, after in pairwise(states)
            if state.type == StateType.RUNNING
        )
        return max(sum(spells, timedelta()).total_seconds(), 0.0)
    if row.start_time and row.end_time:
        return max((row.end_time - row.start_time).total_seconds(), 0.0)
    return 0.0


def _next_start(scheduled: TaskRunState) -> Any:
    """When a scheduled task run is due."""
    return _in_utc("scheduled_time", scheduled.details.get("scheduled_time")) or scheduled.timestamp


def task_run_state(row: TaskRunRow, state: TaskRunState) -> Wire:
    """State of a task run. A state without a recorded id gets one that is equal on every request."""
    details = {**_STATE_DETAILS, **state.details}
    if state.id is None:  # recorded by Heliostat's engine: the row holds the details of all its states
        details |= {"cache_key": row.cache_key, "cache_expiration": row.cache_expiration}
        if row.task_key.startswith(SUBFLOW_KEY):
            details["child_flow_run_id"] = child_flow_run_id(row.id)
    details |= {"flow_run_id": _known(row.flow_run_id), "task_run_id": row.id}
    id = state.id or _derived_id(row, state)
    return _state(id, state.type, state.name, state.timestamp, state.message, details, state.data)


def task_run_of_state(state_id: UUID) -> list[UUID]:
    """The ids of task runs to which a state with a derived id may belong."""
    return [UUID(int=state_id.int ^ _mask(place)) for place in range(_MOST_DERIVED)]


def place_of_state(state_id: UUID, task_run_id: UUID) -> int:
    """The place, among the task run's states, of the one that has a derived id."""
    return next(place for place in range(_MOST_DERIVED) if state_id.int ^ _mask(place) == task_run_id.int)


def _derived_id(row: TaskRunRow, state: TaskRunState) -> UUID:
    """An id made from the task run's id, which can be read from it, and the state's place in the history."""
    from ..runtime.store.task_runs import states_of

    path = [(each.type, each.timestamp) for each in states_of(row)]
    own = (state.type, state.timestamp)
    place = path.index(own) if own in path else len(path) - 1
    return UUID(int=row.id.int ^ _mask(place % _MOST_DERIVED))


def _mask(place: int) -> int:
    """The bits of an id to flip, among them those of its version: no id of a task run has that version."""
    return 0xF << 76 | (place + 1) << 64


def log(row: LogRow) -> Wire:
    """Log. Its id is derived from its place in the run's log."""
    return {
        "id": uuid5(row.flow_run_id, f"log {row.id}"),
        "created": row.timestamp,
        "updated": row.timestamp,
        "name": row.name,
        "level": row.level,
        "message": row.message,
        "timestamp": row.timestamp,
        "flow_run_id": _known(row.flow_run_id),
        "task_run_id": row.task_run_id,
    }


def flow_run_input(row: FlowRunInputRow) -> Wire:
    """FlowRunInput."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "flow_run_id": row.flow_run_id,
        "key": row.key,
        "value": row.value,
        "sender": row.sender,
    }


def history_interval(row: HistoryInterval) -> Wire:
    """HistoryResponse."""
    states = [
        {
            "state_type": tally.state_type,
            "state_name": tally.state_name,
            "count_runs": tally.count_runs,
            "sum_estimated_run_time": tally.sum_estimated_run_time,
            "sum_estimated_lateness": tally.sum_estimated_lateness,
        }
        for tally in row.states
    ]
    return {"interval_start": row.start, "interval_end": row.end, "states": states}


def orchestration(verdict: Verdict, state: Wire | None) -> Wire:
    """OrchestrationResult; `state` is the run's state after the decision."""
    said = verdict.decision
    details: Wire = {"type": f"{said.outcome.lower()}_details"}
    if not isinstance(said, Accept):
        details["reason"] = said.reason
    if isinstance(said, Wait):
        details["delay_seconds"] = math.ceil(said.delay_s)
    return {"state": state, "status": said.outcome, "details": details}


def page(results: Sequence[Wire], count: int, limit: int, number: int) -> Wire:
    """One page of a paginated list."""
    pages = math.ceil(count / limit) if limit else 0
    return {"results": results, "count": count, "limit": limit, "pages": pages, "page": number}


def decision(row: RuleDecisionRow) -> Wire:
    """A rule's decision on a transition (not in the standard). `status` is a SetStateStatus."""
    return {
        "timestamp": row.timestamp,
        "flow_run_id": row.flow_run_id,
        "task_run_id": row.task_run_id,
        "rule": row.rule,
        "status": row.outcome,
        "reason": row.reason,
        "from_type": row.from_type,
        "to_type": row.to_type,
        "to_name": row.to_name,
    }


def level_name(level: int) -> str:
    """A log level's name, or its number when it has none."""
    return logging.getLevelName(level).removeprefix("Level ")


def _state(
    state_id: UUID,
    kind: str,
    name: str | None,
    at: datetime,
    message: str | None,
    details: Mapping[str, Any],
    data: Any = None,
) -> Wire:
    return {
        "id": state_id,
        "type": kind,
        "name": name,
        "timestamp": at,
        "message": message,
        "data": data,
        "state_details": {name: _in_utc(name, value) for name, value in details.items()},
    }


def _in_utc(name: str, value: Any) -> Any:
    """A detail that is a time recorded as text, in UTC with Z; any other detail as it is."""
    if name in _MOMENTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _known(flow_run_id: UUID) -> UUID | None:
    return None if flow_run_id == NO_FLOW_RUN else flow_run_id


def _bare_state(row: FlowRunRow) -> Wire | None:
    """The state from the run's own row, which has everything but the message."""
    if row.state_id is None or row.state_type is None or row.state_timestamp is None:
        return None
    details = {**_STATE_DETAILS, "flow_run_id": row.id}
    return _state(row.state_id, row.state_type, row.state_name, row.state_timestamp, None, details)


def newest_state(row: TaskRunRow) -> TaskRunState:
    """The state that a task run is in, from its row alone."""
    at = row.end_time or row.start_time or row.expected_start_time
    return TaskRunState(row.state_type, row.state_name, at, row.message)


def running_s(state_type: str | None, since: datetime | None, total_s: float) -> float:
    """Seconds in RUNNING, with the present period."""
    if state_type != StateType.RUNNING or since is None:
        return total_s
    return total_s + max((clock.now() - since).total_seconds(), 0.0)


def late_s(state_type: str | None, expected: datetime | None, started: datetime | None) -> float:
    """By how many seconds a run started, or still waits, after its expected start."""
    if expected is None or (started is None and state_type in FINAL_STATES):
        return 0.0
    return max(((started or clock.now()) - expected).total_seconds(), 0.0)
