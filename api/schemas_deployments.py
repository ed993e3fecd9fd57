"""Bodies of requests about deployments, their schedules and their runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..runtime.foundation.errors import BadSchedule
from ..runtime.scheduling.schedules import schedule_from_json
from ..runtime.store.deployment_rows import ScheduleSpec
from ..runtime.store.deployment_search import DeploymentSort
from ..runtime.store.filters import DeploymentFilter
from .schemas import (
    MOST_ROWS,
    Fields,
    FlowRunPolicy,
    FlowRunSearch,
    Labels,
    Limit,
    Moment,
    Numbered,
    OneModel,
    Paged,
    StateCreate,
)
from .schemas_places import NamedPlace, PlaceName

MOST_RUNS_AT_ONCE = 100  # for the bulk route that runs a deployment
MOST_AT_ONCE = 50  # for the other bulk routes


def _definition(value: Any) -> dict[str, Any]:
    """A schedule in the standard's form with all its fields. Raises ValueError, which pydantic reports."""
    try:
        return schedule_from_json(value).to_json()
    except BadSchedule as error:
        raise ValueError(f"{error} {error.hint or ''}".rstrip()) from error


ScheduleDefinition = Annotated[
    dict[str, Any],
    BeforeValidator(_definition),
    Field(
        description="By cron, by interval or by rrule: the key tells which.",
        examples=[{"cron": "30 6 * * *", "timezone": "Europe/Berlin", "day_or": True}],
    ),
]
MostRuns = Annotated[int, Field(gt=0, le=50)]
RunLimit = Annotated[int, Field(gt=0, lt=2**31)]


class ScheduleCreate(OneModel):
    active: bool = True
    schedule: ScheduleDefinition
    max_scheduled_runs: MostRuns | None = None
    parameters: dict[str, Any] = {}
    slug: str | None = None
    replaces: str | None = None

    def as_spec(self) -> ScheduleSpec:
        return ScheduleSpec(
            self.schedule, self.active, self.parameters, self.max_scheduled_runs, self.slug, self.replaces
        )


class ScheduleUpdate(OneModel):
    active: bool | None = None
    schedule: ScheduleDefinition | None = None
    max_scheduled_runs: MostRuns | None = None
    parameters: dict[str, Any] = {}
    slug: str | None = None
    replaces: str | None = None

    def as_spec(self) -> ScheduleSpec:
        """The changes as the store takes them; fields that are left out stay as they are."""
        parameters = self.parameters if "parameters" in self.model_fields_set else None
        return ScheduleSpec(
            self.schedule, self.active, parameters, self.max_scheduled_runs, self.slug, self.replaces
        )


class ConcurrencyOptions(BaseModel):
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]
    grace_period_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = None


class VersionInfo(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    version: str


class DeploymentCreate(OneModel):
    name: PlaceName
    flow_id: UUID
    paused: bool = False
    schedules: list[ScheduleCreate] = []
    concurrency_limit: RunLimit | None = None
    concurrency_options: ConcurrencyOptions | None = None
    global_concurrency_limit_id: UUID | None = None
    enforce_parameter_schema: bool = True
    parameter_openapi_schema: dict[str, Any] | None = {"type": "object", "properties": {}}
    parameters: dict[str, Any] = {}
    tags: list[str] = []
    labels: Labels | None = {}
    pull_steps: list[dict[str, Any]] | None = None
    work_queue_name: NamedPlace = None
    work_pool_name: NamedPlace = None
    storage_document_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    description: str | None = None
    path: str | None = None
    version: str | None = None
    entrypoint: str | None = None
    job_variables: dict[str, Any] = {}
    version_info: VersionInfo | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> DeploymentCreate:
        if self.concurrency_limit is not None and self.global_concurrency_limit_id is not None:
            raise ValueError(
                "A deployment cannot have both a concurrency limit and a global concurrency limit."
            )
        return self


class DeploymentUpdate(OneModel):
    version: str | None = None
    description: str | None = None
    paused: bool = False
    schedules: list[ScheduleUpdate] = []
    concurrency_limit: RunLimit | None = None
    concurrency_options: ConcurrencyOptions | None = None
    global_concurrency_limit_id: UUID | None = None
    parameters: dict[str, Any] | None = None
    parameter_openapi_schema: dict[str, Any] | None = None
    tags: list[str] = []
    work_queue_name: NamedPlace = None
    work_pool_name: NamedPlace = None
    path: str | None = None
    job_variables: dict[str, Any] | None = None
    pull_steps: list[dict[str, Any]] | None = None
    entrypoint: str | None = None
    storage_document_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    enforce_parameter_schema: bool | None = None
    version_info: VersionInfo | None = None


class DeploymentRunCreate(OneModel):
    state: StateCreate | None = None
    name: str | None = None
    parameters: dict[str, Any] = {}
    enforce_parameter_schema: bool | None = None
    context: dict[str, Any] = {}
    infrastructure_document_id: UUID | None = None
    empirical_policy: FlowRunPolicy = Field(default_factory=FlowRunPolicy)
    tags: list[str] = []
    idempotency_key: str | None = None
    labels: Labels | None = None
    parent_task_run_id: UUID | None = None
    work_queue_name: NamedPlace = None
    job_variables: dict[str, Any] | None = {}


class DeploymentSearch(FlowRunSearch):
    """Filters on deployments, their flows and their runs."""


class DeploymentPage(DeploymentSearch, Paged):
    sort: DeploymentSort = "NAME_ASC"


class DeploymentNumberedPage(DeploymentSearch, Numbered):
    sort: DeploymentSort = "NAME_ASC"


class DeploymentPoll(Fields):
    deployment_ids: list[UUID]
    scheduled_before: Moment | None = None
    limit: Limit = MOST_ROWS


class ScheduleRuns(Fields):
    """The span for which runs are made ahead, and how many; by default those of the schedulers."""

    start_time: Moment | None = None
    end_time: Moment | None = None
    min_time: timedelta | None = None
    min_runs: int | None = None
    max_runs: int | None = None


class DeploymentBulkDelete(Fields):
    deployments: DeploymentFilter | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE
