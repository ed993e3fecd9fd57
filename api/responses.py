"""The models of answers, for the API's description. `wire` makes the answers themselves; tests, not the
server at run time, check them against these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from ..runtime.states import StateType
from .schemas import FlowRunPolicy, Labels, StateDetails, TaskRunPolicy


class Recorded(BaseModel):
    id: UUID
    created: datetime | None
    updated: datetime | None

    @classmethod
    def of(cls, row: object) -> dict[str, Any]:
        """The object as JSON of a row whose columns have the names of the object's fields."""
        return {name: getattr(row, name) for name in cls.model_fields}


class State(BaseModel):
    id: UUID
    type: StateType
    name: str | None
    timestamp: datetime
    message: str | None
    data: Any
    state_details: StateDetails


class Flow(Recorded):
    name: str
    tags: list[str]
    labels: Labels | None


class CreatedBy(BaseModel):
    id: UUID | None
    type: str | None
    display_value: str | None


class Run(Recorded):
    """What flow runs and task runs have in common."""

    name: str
    tags: list[str]
    labels: Labels
    state_id: UUID | None
    state_type: StateType | None
    state_name: str | None
    run_count: int
    expected_start_time: datetime | None
    next_scheduled_start_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    total_run_time: float
    estimated_run_time: float
    estimated_start_time_delta: float
    state: State | None


class FlowRun(Run):
    flow_id: UUID
    deployment_id: UUID | None
    deployment_version: str | None
    work_queue_id: UUID | None
    work_queue_name: str | None
    work_pool_id: UUID | None
    work_pool_name: str | None
    flow_version: str | None
    parameters: dict[str, Any]
    idempotency_key: str | None
    context: dict[str, Any]
    empirical_policy: FlowRunPolicy
    parent_task_run_id: UUID | None
    auto_scheduled: bool
    infrastructure_document_id: UUID | None
    infrastructure_pid: str | None
    created_by: CreatedBy | None
    job_variables: dict[str, Any] | None


class TaskRun(Run):
    flow_run_id: UUID | None
    task_key: str
    dynamic_key: str
    cache_key: str | None
    cache_expiration: datetime | None
    task_version: str | None
    empirical_policy: TaskRunPolicy
    task_inputs: dict[str, list[Any]]
    flow_run_run_count: int


class AcceptDetails(BaseModel):
    type: Literal["accept_details"]


class RejectDetails(BaseModel):
    type: Literal["reject_details"]
    reason: str | None


class WaitDetails(BaseModel):
    type: Literal["wait_details"]
    delay_seconds: int
    reason: str | None


class AbortDetails(BaseModel):
    type: Literal["abort_details"]
    reason: str | None


class OrchestrationResult(BaseModel):
    state: State | None
    status: Literal["ACCEPT", "REJECT", "ABORT", "WAIT"]
    details: AcceptDetails | RejectDetails | WaitDetails | AbortDetails


class Paginated(BaseModel):
    count: int
    limit: int
    pages: int
    page: int


class FlowPages(Paginated):
    results: list[Flow]


class FlowRunPages(Paginated):
    results: list[FlowRun]


class TaskRunPages(Paginated):
    results: list[TaskRun]


class HistoryState(BaseModel):
    state_type: StateType
    state_name: str
    count_runs: int
    sum_estimated_run_time: float
    sum_estimated_lateness: float


class HistoryInterval(BaseModel):
    interval_start: datetime
    interval_end: datetime
    states: list[HistoryState]


class FlowRunInput(Recorded):
    flow_run_id: UUID
    key: str
    value: str
    sender: str | None


class TaskRunInput(BaseModel):
    input_type: Literal["task_run"]
    id: UUID


class DependencyResult(BaseModel):
    id: UUID
    name: str
    upstream_dependencies: list[TaskRunInput]
    state: State | None
    expected_start_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    total_run_time: float | None
    estimated_run_time: float | None
    untrackable_result: bool


class Log(Recorded):
    name: str
    level: int
    message: str
    timestamp: datetime
    flow_run_id: UUID | None
    task_run_id: UUID | None


class ResultStorage(BaseModel):
    default_result_storage_block_id: UUID | None


class CsrfToken(Recorded):
    token: str
    client: str
    expiration: datetime


class Session(BaseModel):
    password_wanted: bool
    signed_in: bool
    user: str | None
    csrf_wanted: bool


class Ready(BaseModel):
    message: str
