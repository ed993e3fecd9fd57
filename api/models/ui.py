"""Requests and answers of the pages of the user interface."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from ...runtime.states import StateType
from ...runtime.store.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    Search,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from ...runtime.store.search import FlowRunSort
from ..responses import OrchestrationResult, TaskRun
from ..schemas import Fields, FlowSearch, Offset, StateCreate

Ids = Annotated[list[UUID], Field(max_length=200)]


class FlowIds(Fields):
    flow_ids: Ids


class FlowRunIds(Fields):
    flow_run_ids: Ids


class BriefHistory(FlowSearch):
    sort: FlowRunSort = "EXPECTED_START_TIME_DESC"
    limit: Annotated[int, Field(ge=0, le=1000)] = 1000
    offset: Offset = 0


class TaskRunEnds(Fields):
    task_runs: TaskRunFilter
    flows: FlowFilter | None = None
    flow_runs: FlowRunFilter | None = None
    deployments: DeploymentFilter | None = None
    work_pools: WorkPoolFilter | None = None
    work_queues: WorkQueueFilter | None = None

    def search(self) -> Search:
        return Search(
            self.flows, self.flow_runs, self.task_runs, self.deployments, self.work_pools, self.work_queues
        )


class SchemaValues(Fields):
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    values: dict[str, Any]


class BulkFlows(Fields):
    flows: FlowFilter | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 50


class BulkFlowRuns(Fields):
    flow_runs: FlowRunFilter | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 50


class BulkSetState(BulkFlowRuns):
    state: StateCreate
    force: bool = False


class NextFlowRun(BaseModel):
    id: UUID
    flow_id: UUID
    name: str
    state_name: str
    state_type: StateType
    next_scheduled_start_time: datetime


class BriefFlowRun(BaseModel):
    id: UUID
    state_type: StateType
    timestamp: datetime
    duration: float
    lateness: float


class TaskRunCount(BaseModel):
    completed: int
    failed: int


class PageTaskRun(TaskRun):
    flow_run_name: str | None


class Validation(BaseModel):
    errors: list[Any]
    valid: bool


class Deleted(BaseModel):
    deleted: list[UUID]


class BulkResult(OrchestrationResult):
    flow_run_id: UUID


class BulkResults(BaseModel):
    results: list[BulkResult]


class Edge(BaseModel):
    id: UUID


class GraphArtifact(BaseModel):
    id: UUID
    created: datetime
    key: str | None
    type: str | None
    is_latest: bool
    data: Any


class GraphState(BaseModel):
    id: UUID
    timestamp: datetime
    type: StateType
    name: str


class Node(BaseModel):
    kind: str
    id: UUID
    label: str
    state_type: StateType
    start_time: datetime
    end_time: datetime | None
    parents: list[Edge]
    children: list[Edge]
    encapsulating: list[Edge]
    artifacts: list[GraphArtifact]


class Graph(BaseModel):
    start_time: datetime | None
    end_time: datetime | None
    root_node_ids: list[UUID]
    nodes: list[tuple[UUID, Node]]
    artifacts: list[GraphArtifact]
    states: list[GraphState]
