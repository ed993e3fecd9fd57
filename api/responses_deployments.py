"""The models of answers about deployments and schedules, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from .responses import CreatedBy, Paginated, Recorded
from .schemas import Labels
from .schemas_deployments import ConcurrencyOptions


class Schedule(Recorded):
    deployment_id: UUID
    schedule: dict[str, Any]
    active: bool
    max_scheduled_runs: int | None
    parameters: dict[str, Any]
    slug: str | None
    created_by: CreatedBy | None
    updated_by: CreatedBy | None


class GlobalLimit(Recorded):
    active: bool
    name: str
    limit: int
    active_slots: int
    slot_decay_per_second: float


class Deployment(Recorded):
    name: str
    version: str | None
    description: str | None
    flow_id: UUID
    paused: bool
    paused_by: CreatedBy | None
    schedules: list[Schedule]
    concurrency_limit: int | None
    global_concurrency_limit: GlobalLimit | None
    concurrency_options: ConcurrencyOptions | None
    job_variables: dict[str, Any]
    parameters: dict[str, Any]
    tags: list[str]
    labels: Labels
    work_queue_name: str | None
    work_queue_id: UUID | None
    last_polled: datetime | None
    parameter_openapi_schema: dict[str, Any] | None
    path: str | None
    pull_steps: list[dict[str, Any]] | None
    entrypoint: str | None
    storage_document_id: UUID | None
    infrastructure_document_id: UUID | None
    created_by: CreatedBy | None
    updated_by: CreatedBy | None
    work_pool_name: str | None
    status: Literal["READY", "NOT_READY"] | None
    enforce_parameter_schema: bool


class DeploymentPages(Paginated):
    results: list[Deployment]


class RunCreated(BaseModel):
    flow_run_id: UUID | None
    status: Literal["CREATED", "FAILED"]
    error: str | None


class RunsCreated(BaseModel):
    results: list[RunCreated]
