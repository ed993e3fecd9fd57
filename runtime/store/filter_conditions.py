"""Filters as SQL conditions. Kinds are joined by EXISTS: "flows that have a flow run that ..."."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    column,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ..foundation.filter_base import Filter
from .database.rows import NO_FLOW_RUN
from .database.tables import deployment, flow, flow_run, log, task_run, work_pool, work_queue, worker
from .database.wire_text import plain_text
from .filters import (
    Creator,
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    FlowRunOfTask,
    LogFilter,
    Search,
    TaskRunFilter,
    WorkerFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)

Condition = ColumnElement[bool]
Column = ColumnElement[Any]

_LEAST, _MOST = -(2**31), 2**31 - 1  # what an INTEGER column can be compared with
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class FilterConditions:
    """Makes conditions for one kind of database."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite

    # The conditions of a search on the rows of one table.

    def of_flows(self, search: Search) -> list[Condition]:
        """Conditions on `flow`."""
        runs = [*self.flow_run_parts(search.flow_runs), *self._runs_with_tasks(search.task_runs)]
        found = self.flow_parts(search.flows)
        if runs:
            found.append(exists(select(1).where(flow_run.c.flow_id == flow.c.id, *runs).correlate(flow)))
        deployments = [*self.deployment_parts(search.deployments), *self._deployments_in(search)]
        if deployments:
            of_flow = select(1).where(deployment.c.flow_id == flow.c.id, *deployments)
            found.append(exists(of_flow.correlate(flow)))
        return found

    def of_flow_runs(self, search: Search) -> list[Condition]:
        """Conditions on `flow_run`."""
        return [
            *self.flow_run_parts(search.flow_runs),
            *self._runs_of_flows(search.flows),
            *self._runs_with_tasks(search.task_runs),
            *self._runs_placed(search),
        ]

    def of_task_runs(self, search: Search) -> list[Condition]:
        """Conditions on `task_run`."""
        runs = [
            *self.flow_run_parts(search.flow_runs),
            *self._runs_of_flows(search.flows),
            *self._runs_placed(search),
        ]
        found = self.task_run_parts(search.task_runs)
        if runs:
            same = flow_run.c.id == task_run.c.flow_run_id
            found.append(exists(select(1).where(same, *runs).correlate(task_run)))
        return found

    def of_deployments(self, search: Search) -> list[Condition]:
        """Conditions on `deployment`."""
        found = [*self.deployment_parts(search.deployments), *self._deployments_in(search)]
        flows = self.flow_parts(search.flows)
        if flows:
            found.append(deployment.c.flow_id.in_(select(flow.c.id).where(*flows).correlate(None)))
        runs = [*self.flow_run_parts(search.flow_runs), *self._runs_with_tasks(search.task_runs)]
        if runs:
            same = flow_run.c.deployment_id == deployment.c.id
            found.append(exists(select(1).where(same, *runs).correlate(deployment)))
        return found

    def of_workers(self, workers: WorkerFilter | None, status: Column) -> list[Condition]:
        """Conditions on `worker`; `status` is the expression that tells whether one is online."""
        if workers is None:
            return []
        parts = [
            self._on(worker.c.last_heartbeat_time, workers.last_heartbeat_time),
            self._on(status, workers.status),
        ]
        return _joined(workers, parts)

    def of_logs(self, logs: LogFilter | None) -> list[Condition]:
        """Conditions on `log`."""
        if logs is None:
            return []
        parts = [
            self._on(log.c.level, logs.level),
            self._on(log.c.timestamp, logs.timestamp),
            self._on(log.c.flow_run_id, logs.flow_run_id),
            self._on(log.c.task_run_id, logs.task_run_id),
            words_condition(log.c.message + " " + log.c.name, logs.text.query) if logs.text else None,
        ]
        return _joined(logs, parts)

    # The conditions of one filter record; none for an empty one.

    def flow_parts(self, flows: FlowFilter | None) -> list[Condition]:
        if flows is None:
            return []
        parts = [
            self._on(flow.c.id, flows.id),
            self._on(flow.c.name, flows.name),
            self._tags(flow.c.tags, flows.tags),
            _has_deployment(flows.deployment.is_null_) if flows.deployment else None,
        ]
        return _joined(flows, parts)

    def flow_run_parts(self, runs: FlowRunFilter | None) -> list[Condition]:
        if runs is None:
            return []
        columns = flow_run.c
        parts = [
            self._on(columns.id, runs.id),
            self._on(columns.name, runs.name),
            self._tags(columns.tags, runs.tags),
            self._on(columns.deployment_id, runs.deployment_id),
            self._on(_queue_name(columns.work_queue_id), runs.work_queue_name),
            self._state(flow_run, runs.state),
            self._on(columns.flow_version, runs.flow_version),
            self._started(flow_run, runs.start_time),
            self._on(columns.end_time, runs.end_time),
            self._on(columns.expected_start_time, runs.expected_start_time),
            self._on(columns.next_scheduled_start_time, runs.next_scheduled_start_time),
            _children_of(runs.parent_flow_run_id.any_) if runs.parent_flow_run_id else None,
            self._on(columns.parent_task_run_id, runs.parent_task_run_id),
            self._on(columns.idempotency_key, runs.idempotency_key),
            self._creator(runs.created_by),
        ]
        return _joined(runs, parts)

    def task_run_parts(self, runs: TaskRunFilter | None) -> list[Condition]:
        if runs is None:
            return []
        columns = task_run.c
        shown_name = func.coalesce(columns.name, columns.task_name + "-" + columns.dynamic_key)
        parts = [
            self._on(columns.id, runs.id),
            self._on(shown_name, runs.name),
            self._tags(columns.tags, runs.tags),
            self._state(task_run, runs.state),
            self._on(columns.start_time, runs.start_time),
            self._on(columns.end_time, runs.end_time),
            self._on(columns.expected_start_time, runs.expected_start_time),
            _tracks_subflow(runs.subflow_runs.exists_) if runs.subflow_runs else None,
            _of_flow_run(runs.flow_run_id),
        ]
        return _joined(runs, parts)

    def deployment_parts(self, deployments: DeploymentFilter | None) -> list[Condition]:
        if deployments is None:
            return []
        columns = deployment.c
        either = deployments.flow_or_deployment_name
        parts = [
            self._on(columns.id, deployments.id),
            self._on(columns.name, deployments.name),
            _flow_or_deployment_like(either.like_) if either and either.like_ is not None else None,
            self._on(columns.paused, deployments.paused),
            self._tags(columns.tags, deployments.tags),
            self._on(_queue_name(columns.work_queue_id), deployments.work_queue_name),
            self._on(columns.concurrency_limit, deployments.concurrency_limit),
        ]
        return _joined(deployments, parts)

    def work_pool_parts(self, pools: WorkPoolFilter | None) -> list[Condition]:
        if pools is None:
            return []
        columns = work_pool.c
        parts = [
            self._on(columns.id, pools.id),
            self._on(columns.name, pools.name),
            self._on(columns.type, pools.type),
        ]
        return _joined(pools, parts)

    def work_queue_parts(self, queues: WorkQueueFilter | None) -> list[Condition]:
        if queues is None:
            return []
        parts = [self._on(work_queue.c.id, queues.id), self._on(work_queue.c.name, queues.name)]
        return _joined(queues, parts)

    # Conditions across kinds.

    def _runs_of_flows(self, flows: FlowFilter | None) -> list[Condition]:
        parts = self.flow_parts(flows)
        return [flow_run.c.flow_id.in_(select(flow.c.id).where(*parts).correlate(None))] if parts else []

    def _runs_with_tasks(self, runs: TaskRunFilter | None) -> list[Condition]:
        parts = self.task_run_parts(runs)
        if not parts:
            return []
        return [
            exists(select(1).where(task_run.c.flow_run_id == flow_run.c.id, *parts).correlate(flow_run, flow))
        ]

    def _runs_placed(self, search: Search) -> list[Condition]:
        """Flow runs of the deployments, pools and queues that are asked for."""
        found: list[Condition] = []
        for at, table, parts in (
            (flow_run.c.deployment_id, deployment, self.deployment_parts(search.deployments)),
            (flow_run.c.work_pool_id, work_pool, self.work_pool_parts(search.work_pools)),
            (flow_run.c.work_queue_id, work_queue, self.work_queue_parts(search.work_pool_queues)),
        ):
            if parts:
                found.append(at.in_(select(table.c.id).where(*parts).correlate(None)))
        return found

    def _deployments_in(self, search: Search) -> list[Condition]:
        """Deployments onto the pools and queues that are asked for."""
        found: list[Condition] = []
        for at, table, parts in (
            (deployment.c.work_pool_id, work_pool, self.work_pool_parts(search.work_pools)),
            (deployment.c.work_queue_id, work_queue, self.work_queue_parts(search.work_pool_queues)),
        ):
            if parts:
                found.append(at.in_(select(table.c.id).where(*parts).correlate(None)))
        return found

    # Conditions on one column.

    def _on(self, at: Column, asked: Filter | None) -> Condition | None:
        """The condition of a record of operators on one column."""
        if asked is None:
            return None
        return _one(_joined(asked, _operators(at, asked)))

    def _started(self, table: FromClause, asked: Filter | None) -> Condition | None:
        if asked is None:
            return None
        at = func.coalesce(table.c.start_time, table.c.expected_start_time, type_=table.c.start_time.type)
        parts = _operators(at, asked, without=("is_null_",))
        is_null: bool | None = getattr(asked, "is_null_", None)
        if is_null is not None:
            parts.append(table.c.start_time.is_(None) if is_null else table.c.start_time.is_not(None))
        return _one(_joined(asked, parts))

    def _state(self, table: FromClause, asked: Any) -> Condition | None:
        if asked is None:
            return None
        parts = [self._on(table.c.state_type, asked.type), self._on(table.c.state_name, asked.name)]
        return _one(_joined(asked, parts))

    def _tags(self, at: Column, asked: Any) -> Condition | None:
        if asked is None:
            return None
        parts: list[Condition] = []
        any_of: list[str] | None = getattr(asked, "any_", None)
        if asked.all_ is not None:
            parts.append(self._has_all(at, [plain_text(tag) for tag in asked.all_]))
        if any_of is not None:
            parts.append(self._has_any(at, [plain_text(tag) for tag in any_of]))
        if asked.is_null_ is not None:
            empty = or_(at.is_(None), type_coerce(at, Text) == "[]" if self._is_sqlite else at == [])
            parts.append(empty if asked.is_null_ else not_(empty))
        return _one(_joined(asked, parts))

    def _has_all(self, at: Column, tags: list[str]) -> Condition:
        if not self._is_sqlite:
            return type_coerce(at, JSONB).contains(tags)
        return and_(true(), *(self._has_any(at, [tag]) for tag in tags))

    def _has_any(self, at: Column, tags: list[str]) -> Condition:
        if not self._is_sqlite:
            return type_coerce(at, JSONB).has_any(type_coerce(tags, ARRAY(Text)))
        # A literal document instead of NULL: json_each of NULL has no rows, but the type must be text.
        each = func.json_each(func.coalesce(type_coerce(at, Text), "[]")).table_valued(column("value", Text))
        return exists(select(1).select_from(each).where(each.c.value.in_(tags)))

    def tag_parts(self, at: Column, asked: Any) -> list[Condition]:
        """The conditions of a filter of tags on one column; none for an empty one."""
        found = self._tags(at, asked)
        return [] if found is None else [found]

    def _creator(self, asked: Creator | None) -> Condition | None:
        if asked is None:
            return None
        parts: list[Condition] = []
        if asked.id_ is not None:
            parts.append(self._field(flow_run.c.created_by, "id").in_([str(each) for each in asked.id_]))
        if asked.type_ is not None:
            types = [plain_text(each) for each in asked.type_]
            parts.append(self._field(flow_run.c.created_by, "type").in_(types))
        if asked.is_null_ is not None:
            absent = flow_run.c.created_by.is_(None)
            parts.append(absent if asked.is_null_ else not_(absent))
        return _one(_joined(asked, parts))

    def _field(self, at: Column, name: str) -> Column:
        if self._is_sqlite:
            return func.json_extract(type_coerce(at, Text), f"$.{name}", type_=Text())
        return type_coerce(at, JSONB)[name].astext


def _operators(at: Column, asked: Filter, without: tuple[str, ...] = ()) -> list[Condition]:
    """A condition for each operator that is set, by its name."""
    found: list[Condition] = []
    for name, value in asked.parts():
        if value is not None and name not in without:
            found.append(_operator(at, name, value))
    return found


def _operator(at: Column, name: str, value: Any) -> Condition:
    match name:
        case "any_":
            return at.in_([_comparable(each) for each in value])
        case "not_any_":
            return at.not_in([_comparable(each) for each in value])
        case "like_":
            return at.ilike(f"%{plain_text(value)}%")
        case "startswith_":
            return or_(false(), *(at.startswith(plain_text(each), autoescape=True) for each in value))
        case "before_":
            return at <= _comparable(value)
        case "after_":
            return at >= _comparable(value)
        case "ge_":
            return at >= _comparable(value)
        case "le_":
            return at <= _comparable(value)
        case "eq_":
            return at == value
        case "is_null_":
            return at.is_(None) if value else at.is_not(None)
        case "exists_":
            return at.is_not(None) if value else at.is_(None)
        case _:
            raise NotImplementedError(name)


def _comparable(value: Any) -> Any:
    """A value that both databases accept: no NUL in text, no moment or number outside their range."""
    if isinstance(value, str):
        return plain_text(str(value))
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return min(max(moment, _FIRST), _LAST)
    if isinstance(value, int):
        return min(max(value, _LEAST), _MOST)
    return value


def _joined(asked: Any, parts: Iterable[Condition | None]) -> list[Condition]:
    """The set parts, joined by the record's operator; none if no part is set."""
    said = [part for part in parts if part is not None]
    if len(said) > 1 and getattr(asked, "operator", "and_") == "or_":
        return [or_(*said)]
    return said


def _one(conditions: list[Condition]) -> Condition | None:
    return and_(*conditions) if conditions else None


def _queue_name(queue_id: Column) -> Column:
    """The name of the queue with that id."""
    named = work_queue.alias("named")
    return select(named.c.name).where(named.c.id == queue_id).scalar_subquery()


def _has_deployment(is_null: bool | None) -> Condition | None:
    if is_null is None:
        return None
    deployed = deployment.alias("deployed")
    has = exists(select(1).where(deployed.c.flow_id == flow.c.id).correlate(flow))
    return not_(has) if is_null else has


def _flow_or_deployment_like(wanted: str) -> Condition:
    whose = flow.alias("whose")
    pattern = f"%{plain_text(wanted)}%"
    of_flow = exists(
        select(1).where(whose.c.id == deployment.c.flow_id, whose.c.name.ilike(pattern)).correlate(deployment)
    )
    return or_(deployment.c.name.ilike(pattern), of_flow)


def _children_of(parent_ids: list[Any] | None) -> Condition | None:
    if parent_ids is None:
        return None
    tracking = task_run.alias("tracking")
    within = select(tracking.c.id).where(tracking.c.flow_run_id.in_(parent_ids))
    return flow_run.c.parent_task_run_id.in_(within)


def _of_flow_run(asked: FlowRunOfTask | None) -> Condition | None:
    """Task runs of no flow run, of one of these, or of any."""
    if asked is None:
        return None
    if asked.is_null_:
        return task_run.c.flow_run_id == NO_FLOW_RUN
    if asked.any_ is not None:
        return task_run.c.flow_run_id.in_(asked.any_)
    return task_run.c.flow_run_id != NO_FLOW_RUN if asked.is_null_ is False else None


def _tracks_subflow(wanted: bool | None) -> Condition | None:
    if wanted is None:
        return None
    child = flow_run.alias("child")
    tracks = exists(select(1).where(child.c.parent_task_run_id == task_run.c.id).correlate(task_run))
    return tracks if wanted else not_(tracks)


_WORD = re.compile(r'([+!-]?)(?:"([^"]*)"|(\S+))')


def words_condition(text: Column, query: str) -> Condition | None:
    """`+word` must occur, `-word` or `!word` must not; one of the other words must."""
    must: list[Condition] = []
    may: list[Condition] = []
    for sign, phrase, word in _WORD.findall(plain_text(query)):
        wanted = phrase or word
        if not wanted:
            continue
        occurs = text.icontains(wanted, autoescape=True)
        if sign in ("-", "!"):
            must.append(not_(occurs))
        elif sign == "+":
            must.append(occurs)
        else:
            may.append(occurs)
    if may:
        must.append(or_(*may))
    return _one(must)
