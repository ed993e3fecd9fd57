"""The arguments and results of verbs: plain records, aware UTC times, no SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ...records import FlowRunTransition

NO_FLOW_RUN = UUID(int=0)
"""The id used as flow run by task runs and log lines without one."""

OCCUPYING = ("PENDING", "RUNNING")  # states in which a run takes a slot of its pool and queue
HOLDING = ("PENDING", "RUNNING", "CANCELLING")
"""States in which a run takes a slot of its deployment, also while it is being cancelled."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a run: appends carry its epoch. `last_seq` is the last event of the journal."""

    run_id: UUID
    epoch: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who holds a run's lease; `owner` is None when no process does."""

    run_id: UUID
    epoch: int
    owner: UUID | None
    until: datetime
    last_seq: int
    host: str | None
    pid: int | None
    process_started: float | None
    lapsed: bool  # by the database's clock
    left_s: float  # seconds until it lapses, by the database's clock


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow, known by its name."""

    id: UUID
    name: str
    tags: list[str]
    labels: dict[str, Any]
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class NewFlowRun:
    """A flow run to be recorded, with the states that it has already gone through (at least one)."""

    id: UUID
    flow_name: str
    name: str
    transitions: list[FlowRunTransition]
    expected_start: float | None = None  # epoch seconds; None: the time of the first state
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])  # for people: approximate JSON
    parameters_pickle: bytes | None = None  # for resume
    entrypoint: str | None = None  # "path:function"
    code_revision: str | None = None
    flow_version: str | None = None
    flow_tags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: dict[str, Any] = field(default_factory=dict[str, Any])
    context: dict[str, Any] = field(default_factory=dict[str, Any])
    empirical_policy: dict[str, Any] = field(default_factory=dict[str, Any])
    created_by: dict[str, Any] | None = None
    idempotency_key: str | None = None
    parent_task_run_id: UUID | None = None
    auto_scheduled: bool = False
    job_variables: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FlowRunRow:
    """A recorded flow run."""

    id: UUID
    flow_id: UUID
    flow_name: str
    name: str
    created: datetime
    updated: datetime
    version: int
    state_id: UUID | None
    state_type: str | None
    state_name: str | None
    state_timestamp: datetime | None
    run_count: int
    total_run_time: float  # seconds in Running, without the present period
    expected_start_time: datetime | None
    next_scheduled_start_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    parameters: dict[str, Any]
    context: dict[str, Any]
    tags: list[str]
    labels: dict[str, Any]
    empirical_policy: dict[str, Any]
    created_by: dict[str, Any] | None
    flow_version: str | None
    entrypoint: str | None
    code_revision: str | None
    idempotency_key: str | None
    parent_task_run_id: UUID | None
    auto_scheduled: bool
    infrastructure_pid: str | None
    job_variables: dict[str, Any] | None
    result_kind: str | None
    error: dict[str, Any] | None
    # For runs of deployments; schedule and slot for those that a schedule made.
    deployment_id: UUID | None = None
    deployment_version: str | None = None
    work_pool_id: UUID | None = None
    work_queue_id: UUID | None = None
    schedule_key: str | None = None
    slot_at: datetime | None = None
    # Bytes, which are None in lists.
    parameters_pickle: bytes | None = None
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """The result of beginning a run. `lease` is None when there is nothing to execute."""

    run: FlowRunRow
    lease: Lease | None
    existing: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """A recorded run, whatever its state, and the lease that was taken of it."""

    run: FlowRunRow
    lease: Lease


@dataclass(frozen=True, slots=True)
class FlowRunStateRow:
    """One entry of a flow run's history."""

    id: UUID
    flow_run_id: UUID
    type: str
    name: str
    timestamp: datetime
    message: str | None
    details: dict[str, Any]
    result_kind: str | None
    data: Any = None  # JSON: a remote client's description of the run's result


@dataclass(frozen=True, slots=True)
class RuleDecisionRow:
    """What a rule decided about a transition, and why."""

    id: int
    flow_run_id: UUID
    task_run_id: UUID | None
    timestamp: datetime
    rule: str
    outcome: str
    reason: str
    from_type: str | None
    to_type: str
    to_name: str


@dataclass(frozen=True, slots=True)
class TaskRunRow:
    """A task run. `name` is never None: the default is the task's name and its dynamic key."""

    id: UUID
    flow_run_id: UUID
    task_key: str
    dynamic_key: str
    task_name: str
    name: str
    state_type: str
    state_name: str
    message: str | None
    expected_start_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    run_count: int
    epoch: int
    seq: int
    tags: list[str]
    policy: dict[str, Any]
    task_version: str | None
    task_inputs: dict[str, Any]
    input_hash: bytes | None
    cache_key: str | None
    cache_expiration: datetime | None
    result_kind: str | None
    error: dict[str, Any] | None
    timeline: list[list[Any]] | None
    node: str | None
    pid: int | None
    labels: dict[str, Any] = field(default_factory=dict[str, Any])
    result: bytes | None = None  # None in lists


@dataclass(frozen=True, slots=True)
class ReplayedTask:
    """The fields of a recorded task run that a replay needs."""

    id: UUID
    state_type: str
    state_name: str
    result_kind: str | None
    result: bytes | None
    input_hash: bytes | None
    run_count: int


@dataclass(frozen=True, slots=True)
class TaskRunState:
    """One state of a task run, derived from its row."""

    type: str
    name: str
    timestamp: datetime
    message: str | None
    id: UUID | None = None  # None: the state has no id
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    data: Any = None  # JSON: a remote client's description of the result


@dataclass(frozen=True, slots=True)
class FlowRunInputRow:
    """An input that was sent to a flow run under a key."""

    id: UUID
    flow_run_id: UUID
    key: str
    value: str
    sender: str | None
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class LogRow:
    """A log line. `id` grows in the order in which a run's lines were written."""

    id: int
    flow_run_id: UUID
    task_run_id: UUID | None
    timestamp: datetime
    level: int
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class CacheHit:
    """A result that was kept under a cache key."""

    key: str
    result_kind: str
    result: bytes | None
    created: datetime
    expires: datetime | None
