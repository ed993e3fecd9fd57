"""The filters of searches: plain records in the standard API's names, into which requests are parsed.

Inside one record the set parts are joined by its `operator`; a record without parts filters nothing. `any_`
means in the list; `all_` means contains the whole list; `like_` is a part of the text in any case, with SQL's
`%` and `_`; `before_` and `after_` include the moment itself, and a moment without a zone is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from annotated_types import MaxLen

from ..foundation.filter_base import Filter
from ..states import StateType

Operator = Literal["and_", "or_"]


@dataclass(frozen=True, slots=True)
class Ids(Filter):
    any_: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class IdsOrNot(Filter):
    any_: list[UUID] | None = None
    not_any_: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class JoinedIds(Filter):
    operator: Operator = "and_"
    any_: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class IdsOrNone(Filter):
    operator: Operator = "and_"
    any_: list[UUID] | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class FlowRunOfTask(Filter):
    """`is_null_` True: of no flow run, whatever else is asked for; False without a list: of any."""

    operator: Operator = "and_"
    any_: list[UUID] | None = None
    is_null_: bool | None = False


@dataclass(frozen=True, slots=True)
class Texts(Filter):
    any_: list[str] | None = None


@dataclass(frozen=True, slots=True)
class TextsOrNot(Filter):
    any_: list[str] | None = None
    not_any_: list[str] | None = None


@dataclass(frozen=True, slots=True)
class TextsOrNone(Filter):
    operator: Operator = "and_"
    any_: list[str] | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class TextsOrBeginnings(Filter):
    any_: list[str] | None = None
    startswith_: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Name(Filter):
    any_: list[str] | None = None
    like_: str | None = None


@dataclass(frozen=True, slots=True)
class Like(Filter):
    like_: str | None = None


@dataclass(frozen=True, slots=True)
class AllTags(Filter):
    operator: Operator = "and_"
    all_: list[str] | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class Tags(Filter):
    operator: Operator = "and_"
    all_: list[str] | None = None
    any_: list[str] | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class Moments(Filter):
    before_: datetime | None = None
    after_: datetime | None = None


@dataclass(frozen=True, slots=True)
class MomentsOrNone(Filter):
    before_: datetime | None = None
    after_: datetime | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class Exists(Filter):
    exists_: bool | None = None


@dataclass(frozen=True, slots=True)
class Flag(Filter):
    eq_: bool | None = None


@dataclass(frozen=True, slots=True)
class Numbers(Filter):
    ge_: int | None = None
    le_: int | None = None


@dataclass(frozen=True, slots=True)
class NumbersOrNone(Filter):
    ge_: int | None = None
    le_: int | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class StateTypes(Filter):
    any_: list[StateType] | None = None


@dataclass(frozen=True, slots=True)
class StateTypesOrNot(Filter):
    any_: list[StateType] | None = None
    not_any_: list[StateType] | None = None


@dataclass(frozen=True, slots=True)
class FlowRunState(Filter):
    operator: Operator = "and_"
    type: StateTypesOrNot | None = None
    name: TextsOrNot | None = None


@dataclass(frozen=True, slots=True)
class TaskRunState(Filter):
    operator: Operator = "and_"
    type: StateTypes | None = None
    name: Texts | None = None


@dataclass(frozen=True, slots=True)
class HasDeployment(Filter):
    operator: Operator = "and_"
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class Creator(Filter):
    operator: Operator = "and_"
    id_: list[UUID] | None = None
    type_: list[str] | None = None
    is_null_: bool | None = None


@dataclass(frozen=True, slots=True)
class Words(Filter):
    """Words of which one must occur; `+word` must occur, `-word` must not; quotes make a phrase."""

    query: Annotated[str, MaxLen(200)]


@dataclass(frozen=True, slots=True)
class FlowFilter(Filter):
    operator: Operator = "and_"
    id: IdsOrNot | None = None
    deployment: HasDeployment | None = None
    name: Name | None = None
    tags: AllTags | None = None


@dataclass(frozen=True, slots=True)
class FlowRunFilter(Filter):
    """`start_time` means the expected one for runs that have not started."""

    operator: Operator = "and_"
    id: IdsOrNot | None = None
    name: Name | None = None
    tags: Tags | None = None
    deployment_id: IdsOrNone | None = None
    work_queue_name: TextsOrNone | None = None
    state: FlowRunState | None = None
    flow_version: Texts | None = None
    start_time: MomentsOrNone | None = None
    end_time: MomentsOrNone | None = None
    expected_start_time: Moments | None = None
    next_scheduled_start_time: Moments | None = None
    parent_flow_run_id: JoinedIds | None = None
    parent_task_run_id: IdsOrNone | None = None
    idempotency_key: TextsOrNot | None = None
    created_by: Creator | None = None


@dataclass(frozen=True, slots=True)
class TaskRunFilter(Filter):
    """`subflow_runs` tells tracking task runs of sub-flows from others."""

    operator: Operator = "and_"
    id: Ids | None = None
    name: Name | None = None
    tags: AllTags | None = None
    state: TaskRunState | None = None
    start_time: MomentsOrNone | None = None
    end_time: MomentsOrNone | None = None
    expected_start_time: Moments | None = None
    subflow_runs: Exists | None = None
    flow_run_id: FlowRunOfTask | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFilter(Filter):
    operator: Operator = "and_"
    id: IdsOrNot | None = None
    name: Name | None = None
    flow_or_deployment_name: Like | None = None
    paused: Flag | None = None
    tags: Tags | None = None
    work_queue_name: Texts | None = None
    concurrency_limit: NumbersOrNone | None = None


@dataclass(frozen=True, slots=True)
class WorkPoolFilter(Filter):
    operator: Operator = "and_"
    id: Ids | None = None
    name: Name | None = None
    type: Texts | None = None


@dataclass(frozen=True, slots=True)
class WorkQueueFilter(Filter):
    operator: Operator = "and_"
    id: Ids | None = None
    name: TextsOrBeginnings | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatuses(Filter):
    any_: list[Literal["ONLINE", "OFFLINE"]] | None = None
    not_any_: list[Literal["ONLINE", "OFFLINE"]] | None = None


@dataclass(frozen=True, slots=True)
class WorkerFilter(Filter):
    operator: Operator = "and_"
    last_heartbeat_time: Moments | None = None
    status: WorkerStatuses | None = None


@dataclass(frozen=True, slots=True)
class LogFilter(Filter):
    operator: Operator = "and_"
    level: Numbers | None = None
    timestamp: Moments | None = None
    flow_run_id: Ids | None = None
    task_run_id: IdsOrNone | None = None
    text: Words | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of several kinds together: each must hold for something that belongs to what is searched."""

    flows: FlowFilter | None = None
    flow_runs: FlowRunFilter | None = None
    task_runs: TaskRunFilter | None = None
    deployments: DeploymentFilter | None = None
    work_pools: WorkPoolFilter | None = None
    work_pool_queues: WorkQueueFilter | None = None
