"""The arguments and results of the verbs of deployments, schedules, work pools and queues: plain records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from .concurrency_limits import LimitRow

ReadyStatus = Literal["READY", "NOT_READY"]
PoolStatus = Literal["READY", "NOT_READY", "PAUSED"]
WorkerStatus = Literal["ONLINE", "OFFLINE"]


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule as a client sends it. None means "unchanged" for an existing one, and the default for a new
    one.

    `definition` is the standard's form, whose key tells the kind: `{"cron": ...}`, `{"interval": ...}` or
    `{"rrule": ...}`. `replaces` names the slug of the schedule that becomes this one.
    """

    definition: dict[str, Any] | None = None
    active: bool | None = None
    parameters: dict[str, Any] | None = None
    max_scheduled_runs: int | None = None
    slug: str | None = None
    replaces: str | None = None
    catchup: str | None = None
    by: dict[str, Any] | None = None  # the author of the change


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule. `revision` grows with every edit; `key` is part of its runs."""

    id: UUID
    deployment_id: UUID
    key: str
    slug: str | None
    definition: dict[str, Any]
    revision: int
    active: bool
    parameters: dict[str, Any]
    max_scheduled_runs: int | None
    catchup: str | None
    next_at: datetime | None
    reserved_until: datetime | None
    created: datetime
    updated: datetime
    created_by: dict[str, Any] | None = None
    updated_by: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to be created, or to replace the one of that flow and name."""

    flow_id: UUID
    name: str
    version: str | None = None
    description: str | None = None
    paused: bool = False
    tags: Sequence[str] = ()
    labels: dict[str, Any] = field(default_factory=dict[str, Any])
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    parameter_openapi_schema: dict[str, Any] | None = None
    enforce_parameter_schema: bool = True
    entrypoint: str | None = None
    path: str | None = None
    pull_steps: list[dict[str, Any]] | None = None
    code_revision: str | None = None
    work_pool_name: str | None = (
        None  # None without a queue name: no pool, so a serving process polls its runs
    )
    work_queue_name: str | None = None  # None: the pool's default queue
    job_variables: dict[str, Any] = field(default_factory=dict[str, Any])
    concurrency_limit: int | None = None
    concurrency_options: dict[str, Any] | None = None  # {"collision_strategy": "ENQUEUE" | "CANCEL_NEW"}
    global_concurrency_limit_id: UUID | None = None
    storage_document_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    created_by: dict[str, Any] | None = None  # becomes updated_by of an existing deployment
    schedules: Sequence[ScheduleSpec] = ()


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """A deployment; `schedules` are newest first. `active_slots`: None without a limit."""

    id: UUID
    flow_id: UUID
    flow_name: str
    name: str
    created: datetime
    updated: datetime
    version: str | None
    description: str | None
    paused: bool
    tags: list[str]
    labels: dict[str, Any]
    parameters: dict[str, Any]
    parameter_openapi_schema: dict[str, Any] | None
    enforce_parameter_schema: bool
    entrypoint: str | None
    path: str | None
    pull_steps: list[dict[str, Any]] | None
    code_revision: str | None
    work_pool_id: UUID | None
    work_pool_name: str | None
    work_queue_id: UUID | None
    work_queue_name: str | None
    job_variables: dict[str, Any]
    concurrency_limit: int | None
    concurrency_options: dict[str, Any] | None
    global_concurrency_limit_id: UUID | None
    storage_document_id: UUID | None
    infrastructure_document_id: UUID | None
    last_polled: datetime | None
    status: ReadyStatus
    created_by: dict[str, Any] | None
    updated_by: dict[str, Any] | None
    paused_by: dict[str, Any] | None = None
    active_slots: int | None = None
    shared_limit: LimitRow | None = None  # set when deployments are read or listed
    schedules: list[ScheduleRow] = field(default_factory=list[ScheduleRow])

    def columns(self) -> dict[str, Any]:
        """The columns by name, as in a row of the table."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class NewWorkPool:
    """A work pool to be made."""

    name: str
    type: str
    description: str | None = None
    base_job_template: dict[str, Any] = field(default_factory=dict[str, Any])
    is_paused: bool = False
    concurrency_limit: int | None = None
    storage_configuration: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class WorkPoolRow:
    """A work pool. `active_slots`: its runs in PENDING or RUNNING; None without a limit."""

    id: UUID
    name: str
    type: str
    description: str | None
    base_job_template: dict[str, Any]
    is_paused: bool
    concurrency_limit: int | None
    default_queue_id: UUID
    storage_configuration: dict[str, Any]
    created: datetime
    updated: datetime
    status: PoolStatus
    active_slots: int | None


@dataclass(frozen=True, slots=True)
class NewWorkQueue:
    """A queue to be made. `priority` None: behind all others."""

    name: str
    description: str | None = ""
    priority: int | None = None
    is_paused: bool = False
    concurrency_limit: int | None = None


@dataclass(frozen=True, slots=True)
class WorkQueueRow:
    """A work queue. Priority 1 goes first."""

    id: UUID
    work_pool_id: UUID
    work_pool_name: str
    name: str
    description: str | None
    priority: int
    is_paused: bool
    concurrency_limit: int | None
    last_polled: datetime | None
    created: datetime
    updated: datetime
    status: PoolStatus
    active_slots: int | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker of a pool: ONLINE until it has missed three heartbeats."""

    id: UUID
    work_pool_id: UUID
    name: str
    last_heartbeat_time: datetime
    heartbeat_interval_seconds: int
    status: WorkerStatus
    created: datetime
    updated: datetime


class RunnableDeployment(NamedTuple):
    """A deployment, without its schedules, and the base job template of its pool (None: it has no pool)."""

    deployment: DeploymentRow
    job_template: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A claimed run, with what is needed to start it. `epoch` and `last_seq` belong to its new lease."""

    run_id: UUID
    epoch: int
    last_seq: int
    flow_id: UUID
    name: str
    deployment_id: UUID | None
    work_queue_id: UUID
    due_at: datetime
    run_count: int
    entrypoint: str | None
    code_revision: str | None
    job_variables: dict[str, Any] | None  # the run's own, which override the deployment's
    deployment_variables: dict[str, Any] | None  # None: no deployment
    path: str | None  # the deployment's code, and how it is fetched
    pull_steps: list[dict[str, Any]] | None
    pool_updated: datetime  # when the pool was last changed


@dataclass(frozen=True, slots=True)
class LapsedLease:
    """A run that is not final and whose owner has been silent for longer than its lease."""

    run_id: UUID
    epoch: int
    owner: UUID
    until: datetime
    host: str | None
    pid: int | None
    state_type: str
    state_name: str
    run_count: int
    deployment_id: UUID | None
    work_pool_id: UUID | None


@dataclass(frozen=True, slots=True)
class StrandedClaim:
    """A run that was claimed and not begun; `state_id` is the state that the claim wrote."""

    run_id: UUID
    state_id: UUID
    claimed_at: datetime
    infrastructure_pid: str | None


@dataclass(frozen=True, slots=True)
class CodePackageRow:
    """A code package without its bytes. `uri` is where they are when the database does not have them."""

    revision: str
    size_bytes: int
    created: datetime
    uri: str | None
