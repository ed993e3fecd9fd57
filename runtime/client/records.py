"""The API's answers as typed objects. Fields that are not declared here are kept and can be read, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ..states import NO_VALUE, State, StateType
from .run_results import ResultOfRun


class Record(BaseModel):
    """One object of the API."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    id: UUID
    created: datetime | None = None
    updated: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields under the standard's names; ids and times as objects."""
        return self.model_dump(by_alias=True)


class Flow(Record):
    name: str
    tags: list[str] = []


class _Run(Record):
    """The fields that flow runs and task runs share."""

    name: str
    tags: list[str] = []
    state_type: StateType | None = None
    state_name: str | None = None
    run_count: int = 0
    expected_start_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: float = 0.0
    estimated_run_time: float = 0.0
    state_json: dict[str, Any] | None = Field(default=None, alias="state")

    _api_url: str | None = PrivateAttr(None)
    _kind: ClassVar[str] = ""

    @property
    def state(self) -> State | None:
        """The run's state. The value of a completed run is fetched by `state.result()`."""
        if self.state_json is None:
            return None
        state = state_from_json(self.state_json)
        if not state.is_completed():
            return state
        return replace(state, data=ResultOfRun(self._api_url, self._kind, self.id))

    def of_server(self, api_url: str) -> Self:
        """This record, after noting the server that has the run's value."""
        self._api_url = api_url
        return self

    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.state is not None and self.state.is_final()


class FlowRun(_Run):
    _kind: ClassVar[str] = "flow_runs"

    flow_id: UUID
    deployment_id: UUID | None = None
    parameters: dict[str, Any] = {}
    work_pool_name: str | None = None
    work_queue_name: str | None = None
    job_variables: dict[str, Any] | None = None
    idempotency_key: str | None = None
    parent_task_run_id: UUID | None = None
    auto_scheduled: bool = False
    infrastructure_pid: str | None = None


class TaskRun(_Run):
    _kind: ClassVar[str] = "task_runs"

    flow_run_id: UUID | None = None
    task_key: str
    dynamic_key: str


class Log(Record):
    name: str
    level: int
    message: str
    timestamp: datetime
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class DeploymentSchedule(Record):
    deployment_id: UUID | None = None
    schedule: dict[str, Any]
    active: bool = True
    max_scheduled_runs: int | None = None
    parameters: dict[str, Any] = {}
    slug: str | None = None
    created_by: dict[str, Any] | None = None
    updated_by: dict[str, Any] | None = None


class Deployment(Record):
    name: str
    flow_id: UUID
    version: str | None = None
    description: str | None = None
    paused: bool = False
    paused_by: dict[str, Any] | None = None
    schedules: list[DeploymentSchedule] = []
    parameters: dict[str, Any] = {}
    parameter_openapi_schema: dict[str, Any] | None = None
    enforce_parameter_schema: bool = True
    tags: list[str] = []
    job_variables: dict[str, Any] = {}
    work_pool_name: str | None = None
    work_queue_name: str | None = None
    entrypoint: str | None = None
    path: str | None = None
    pull_steps: list[dict[str, Any]] | None = None
    last_polled: datetime | None = None
    concurrency_options: dict[str, Any] | None = None
    global_concurrency_limit: dict[str, Any] | None = None
    status: str | None = None


class WorkPool(Record):
    name: str
    type: str
    description: str | None = None
    base_job_template: dict[str, Any] = {}
    is_paused: bool = False
    concurrency_limit: int | None = None
    status: str | None = None
    default_queue_id: UUID | None = None
    active_slots: int | None = None


class WorkQueue(Record):
    name: str
    description: str | None = None
    is_paused: bool = False
    concurrency_limit: int | None = None
    priority: int = 1
    work_pool_name: str | None = None
    status: str | None = None
    last_polled: datetime | None = None


class Worker(Record):
    name: str
    work_pool_id: UUID | None = None
    last_heartbeat_time: datetime | None = None
    heartbeat_interval_seconds: int | None = None
    status: str = "OFFLINE"


class OrchestrationResult(BaseModel):
    """The answer to a proposed state: ACCEPT, or REJECT, WAIT, ABORT with a reason."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    status: Literal["ACCEPT", "REJECT", "WAIT", "ABORT"]
    state_json: dict[str, Any] | None = Field(default=None, alias="state")
    details: dict[str, Any] = {}

    @property
    def state(self) -> State | None:
        """The run's state after the proposal."""
        return None if self.state_json is None else state_from_json(self.state_json)

    @property
    def reason(self) -> str | None:
        """Why the proposal was not accepted."""
        return self.details.get("reason")


def state_from_json(fields: Mapping[str, Any]) -> State:
    """A State from the standard's JSON, without its value."""
    given: Mapping[str, Any] = fields.get("state_details") or {}
    details = {name: value for name, value in given.items() if value not in (None, False)}
    return State(
        StateType(fields["type"]),
        fields.get("name") or "",
        fields.get("message"),
        NO_VALUE,
        details,
        _moment(fields["timestamp"]),
        UUID(str(fields["id"])),
    )


def state_to_json(state: State) -> dict[str, Any]:
    """A state as the standard's StateCreate."""
    return {
        "type": state.type.value,
        "name": state.name,
        "message": state.message,
        "state_details": dict(state.details),
    }


def _moment(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
