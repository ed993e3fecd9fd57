"""The models of answers about work pools, queues and workers, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from ..runtime.states import StateType
from .responses import FlowRun, Paginated, Recorded
from .schemas_places import StorageConfiguration

PlaceStatus = Literal["READY", "NOT_READY", "PAUSED"]


class WorkPool(Recorded):
    name: str
    description: str | None
    type: str
    base_job_template: dict[str, Any]
    is_paused: bool
    concurrency_limit: int | None
    status: PlaceStatus
    default_queue_id: UUID
    storage_configuration: StorageConfiguration
    active_slots: int | None


class WorkQueue(Recorded):
    name: str
    description: str | None
    is_paused: bool
    concurrency_limit: int | None
    priority: int
    work_pool_id: UUID
    filter: None
    last_polled: datetime | None


class WorkQueueInPool(WorkQueue):
    work_pool_name: str
    status: PlaceStatus
    active_slots: int | None


class Worker(Recorded):
    name: str
    work_pool_id: UUID
    last_heartbeat_time: datetime | None
    heartbeat_interval_seconds: int | None
    status: Literal["ONLINE", "OFFLINE"]


class PolledRun(BaseModel):
    work_pool_id: UUID
    work_queue_id: UUID
    flow_run: FlowRun


class SlotHolder(BaseModel):
    id: UUID
    name: str
    state_type: StateType | None
    state_name: str | None
    start_time: datetime | None
    state_timestamp: datetime | None
    time_in_current_state: float | None


class QueueSlots(Paginated):
    active_slots: int
    concurrency_limit: int | None
    flow_runs: list[SlotHolder]


class QueueOfPoolSlots(BaseModel):
    queue_id: UUID
    queue_name: str
    active_slots: int
    concurrency_limit: int | None
    flow_runs: list[SlotHolder]
    flow_run_count: int | None


class PoolSlots(Paginated):
    active_slots: int
    concurrency_limit: int | None
    queues: list[QueueOfPoolSlots]


class HealthPolicy(BaseModel):
    maximum_late_runs: int | None
    maximum_seconds_since_last_polled: int | None


class QueueHealth(BaseModel):
    healthy: bool
    late_runs_count: int
    last_polled: datetime | None
    health_check_policy: HealthPolicy
