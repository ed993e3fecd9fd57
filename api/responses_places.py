"""What answers about work pools, queues and workers hold, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from .responses import FlowRun, Recorded
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
