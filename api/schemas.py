"""The bodies of requests, in the standard's names. `OneModel` bodies refuse fields that they do not know.

Filters are the store's own records: requests are parsed straight into them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..runtime.foundation import clock
from ..runtime.states import State, StateType
from ..runtime.store.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    LogFilter,
    Search,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from ..runtime.store.search import FlowRunSort, FlowSort, LogSort, TaskRunSort

MOST_ROWS = 200  # a page, default and maximum
MOST_RETRY_DELAYS = 50  # of one task
LONGEST_CACHE_KEY = 2_000  # characters
MOST_NESTED = 200  # lists and objects inside each other: deeper ones cannot be written as JSON again


Moment = Annotated[datetime, AfterValidator(clock.calendar_utc)]
Labels = dict[str, bool | int | float | str]
FlowName = Annotated[str, Field(pattern=r"^[^/%&><]+$")]
INVALID_LIMIT = "invalid_limit"  # the type of error that clients look for


def _within_page(limit: int) -> int:
    """Check a page's limit. Clients that asked for too much look for these words, then ask page by page."""
    if limit < 0:
        raise PydanticCustomError(INVALID_LIMIT, "Invalid limit: must be greater than or equal to 0.")
    if limit > MOST_ROWS:
        raise PydanticCustomError(
            INVALID_LIMIT, "Invalid limit: must be less than or equal to {most}.", {"most": MOST_ROWS}
        )
    return limit


Limit = Annotated[
    int, AfterValidator(_within_page), Field(json_schema_extra={"minimum": 0, "maximum": MOST_ROWS})
]
Offset = Annotated[int, Field(ge=0)]
Page = Annotated[int, Field(ge=1, le=2**53)]  # the last whole number that every reader of JSON knows


class OneModel(BaseModel):
    """A body that describes one object: null is a value, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _not_too_deep(cls, data: Any) -> Any:
        _check_depth(data)
        return data


class Fields(BaseModel):
    """A body of several options: null means that the field is left out."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        _check_depth(data)
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in cast("dict[str, Any]", data).items() if value is not None}


def _check_depth(value: Any, allowed: int = MOST_NESTED) -> None:
    if not isinstance(value, dict | list):
        return
    if allowed == 0:
        raise ValueError(f"lists and objects may be nested {MOST_NESTED} deep")
    inside = cast("dict[str, Any] | list[Any]", value)
    for inner in inside.values() if isinstance(inside, dict) else inside:
        if isinstance(inner, dict | list):
            _check_depth(inner, allowed - 1)


# States.


class StateDetails(BaseModel):
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    child_flow_run_id: UUID | None = None
    scheduled_time: Moment | None = None
    cache_key: str | None = None
    cache_expiration: Moment | None = None
    deferred: bool | None = False
    untrackable_result: bool = False
    pause_timeout: Moment | None = None
    pause_reschedule: bool = False
    pause_key: str | None = None
    run_input_keyset: dict[str, str] | None = None
    refresh_cache: bool | None = None
    retriable: bool | None = None
    transition_id: UUID | None = None
    task_parameters_id: UUID | None = None
    traceparent: str | None = None
    deployment_concurrency_lease_id: UUID | None = None


class StateCreate(OneModel):
    type: StateType
    name: str | None = None
    message: str | None = None
    data: Any = None
    state_details: StateDetails = Field(default_factory=StateDetails)

    def as_state(self) -> State:
        """The state as the rules take it. SCHEDULED without a time means now."""
        details = self.state_details.model_dump(exclude_defaults=True)
        state = State(self.type, self.name or "", self.message, self.data, details)
        if self.type is StateType.SCHEDULED and "scheduled_time" not in details:
            state.details["scheduled_time"] = state.timestamp
        return state


class SetState(Fields):
    state: StateCreate
    force: bool = False


# Flows.


class FlowCreate(OneModel):
    name: FlowName
    tags: list[str] = []
    labels: Labels | None = {}


class FlowUpdate(OneModel):
    tags: list[str] = []


# Flow runs.


class RetryFields(BaseModel):
    """Fields of retries, which may also have the names that older clients use."""

    @model_validator(mode="before")
    @classmethod
    def _from_older_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = cast("dict[str, Any]", values)
        older = {"retries": given.get("max_retries"), "retry_delay": given.get("retry_delay_seconds")}
        return given | {name: value for name, value in older.items() if value and not given.get(name)}


class FlowRunPolicy(RetryFields):
    max_retries: int = 0
    retry_delay_seconds: float = 0
    retries: int | None = None
    retry_delay: int | None = None
    pause_keys: set[str] | None = set()
    resuming: bool | None = False
    retry_type: Literal["in_process", "reschedule"] | None = None


class FlowRunCreate(OneModel):
    state: StateCreate | None = None
    name: str | None = None
    flow_id: UUID
    flow_version: str | None = None
    parameters: dict[str, Any] = {}
    context: dict[str, Any] = {}
    parent_task_run_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    empirical_policy: FlowRunPolicy = Field(default_factory=FlowRunPolicy)
    tags: list[str] = []
    labels: Labels | None = {}
    idempotency_key: str | None = None
    work_pool_name: str | None = None
    work_queue_name: str | None = None
    job_variables: dict[str, Any] | None = None
    deployment_id: Annotated[UUID | None, Field(json_schema_extra={"deprecated": True})] = None


class FlowRunUpdate(OneModel):
    name: str | None = None
    flow_version: str | None = None
    parameters: dict[str, Any] = {}
    empirical_policy: FlowRunPolicy = Field(default_factory=FlowRunPolicy)
    tags: list[str] = []
    infrastructure_pid: str | None = None
    job_variables: dict[str, Any] | None = None


class Resume(Fields):
    run_input: dict[str, Any] | None = None


class InputCreate(Fields):
    key: str
    value: str
    sender: str | None = None


class InputFilter(Fields):
    prefix: str
    limit: int = 1
    exclude_keys: list[str] = []


# Task runs.


class TaskRunPolicy(RetryFields):
    max_retries: int = 0
    retry_delay_seconds: float = 0
    retries: int | None = None
    retry_delay: int | float | list[int] | list[float] | None = None
    retry_jitter_factor: float | None = None

    @model_validator(mode="after")
    def _within_bounds(self) -> TaskRunPolicy:
        if isinstance(self.retry_delay, list) and len(self.retry_delay) > MOST_RETRY_DELAYS:
            raise ValueError(f"Can not configure more than {MOST_RETRY_DELAYS} retry delays per task.")
        if self.retry_jitter_factor is not None and self.retry_jitter_factor < 0:
            raise ValueError("`retry_jitter_factor` must be >= 0.")
        return self


class TaskRunResult(BaseModel):
    input_type: Literal["task_run"] = "task_run"
    id: UUID


class FlowRunResult(BaseModel):
    input_type: Literal["flow_run"] = "flow_run"
    id: UUID


class Parameter(BaseModel):
    input_type: Literal["parameter"] = "parameter"
    name: str


class Constant(BaseModel):
    input_type: Literal["constant"] = "constant"
    type: str


def _short_key(key: str) -> str:
    if len(key) > LONGEST_CACHE_KEY:
        raise ValueError(f"Cache key exceeded maximum allowed length of {LONGEST_CACHE_KEY} characters.")
    return key


CacheKey = Annotated[str, AfterValidator(_short_key)]


class TaskRunCreate(OneModel):
    id: UUID | None = None
    state: StateCreate | None = None
    name: str | None = None
    flow_run_id: UUID | None = None
    task_key: str
    dynamic_key: str
    cache_key: CacheKey | None = None
    cache_expiration: Moment | None = None
    task_version: str | None = None
    empirical_policy: TaskRunPolicy = Field(default_factory=TaskRunPolicy)
    tags: list[str] = []
    labels: Labels | None = {}
    task_inputs: dict[str, list[TaskRunResult | FlowRunResult | Parameter | Constant]] = {}


class TaskRunUpdate(OneModel):
    name: str | None = None


# Searches: filters of several kinds, with a sort key and a page.


class Paged(Fields):
    """Which of the objects that fit are given: so many, from the one of that number on."""

    limit: Limit = MOST_ROWS
    offset: Offset = 0


class Numbered(Fields):
    """Which of the objects that fit are given: the page of that number."""

    limit: Limit = MOST_ROWS
    page: Page = 1


class FlowSearch(Fields):
    flows: FlowFilter | None = None
    flow_runs: FlowRunFilter | None = None
    task_runs: TaskRunFilter | None = None
    deployments: DeploymentFilter | None = None
    work_pools: WorkPoolFilter | None = None

    def search(self) -> Search:
        return Search(self.flows, self.flow_runs, self.task_runs, self.deployments, self.work_pools)


class FlowPage(FlowSearch, Paged):
    sort: FlowSort = "NAME_ASC"


class FlowNumberedPage(FlowSearch, Numbered):
    sort: FlowSort = "NAME_ASC"


class FlowRunSearch(FlowSearch):
    work_pool_queues: WorkQueueFilter | None = None

    def search(self) -> Search:
        return Search(
            self.flows,
            self.flow_runs,
            self.task_runs,
            self.deployments,
            self.work_pools,
            self.work_pool_queues,
        )


class FlowRunPage(FlowRunSearch, Paged):
    sort: FlowRunSort = "ID_DESC"


class FlowRunNumberedPage(FlowRunSearch, Numbered):
    sort: FlowRunSort = "ID_DESC"


class TaskRunSearch(Fields):
    flows: FlowFilter | None = None
    flow_runs: FlowRunFilter | None = None
    task_runs: TaskRunFilter | None = None
    deployments: DeploymentFilter | None = None

    def search(self) -> Search:
        return Search(self.flows, self.flow_runs, self.task_runs, self.deployments)


class TaskRunPage(TaskRunSearch, Paged):
    sort: TaskRunSort = "ID_DESC"


class TaskRunNumberedPage(TaskRunSearch, Numbered):
    sort: TaskRunSort = "ID_DESC"


class Span(Fields):
    """The span of a history and the length of its intervals."""

    history_start: Moment
    history_end: Moment
    history_interval_seconds: timedelta


class FlowRunHistory(Span, FlowSearch):
    work_queues: WorkQueueFilter | None = None

    def search(self) -> Search:
        return Search(
            self.flows, self.flow_runs, self.task_runs, self.deployments, self.work_pools, self.work_queues
        )


class TaskRunHistory(Span, TaskRunSearch):
    pass


# Logs.


class LogCreate(OneModel):
    name: str
    level: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    message: str
    timestamp: Moment
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class LogPage(Paged):
    logs: LogFilter | None = None
    sort: LogSort = "TIMESTAMP_ASC"
