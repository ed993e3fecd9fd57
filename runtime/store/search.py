"""Searching flows, flow runs, task runs and log lines by filters, sorted and in pages, and counting them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, RowMapping, Select, bindparam, func, select

from ..foundation.errors import NotFound
from .database.database import Database
from .database.rows import FlowRow, FlowRunRow, FlowRunStateRow, LogRow, TaskRunRow
from .database.tables import flow, flow_run, flow_run_state, log, task_run, work_pool, work_queue
from .filter_conditions import FilterConditions
from .filters import LogFilter, Search
from .flow_runs import FLOW_RUN_COLUMNS
from .task_runs import TASK_RUN_COLUMNS, task_run_row

FlowSort = Literal["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"]
FlowRunSort = Literal[
    "ID_DESC",
    "START_TIME_ASC",
    "START_TIME_DESC",
    "EXPECTED_START_TIME_ASC",
    "EXPECTED_START_TIME_DESC",
    "NAME_ASC",
    "NAME_DESC",
    "NEXT_SCHEDULED_START_TIME_ASC",
    "END_TIME_DESC",
]
TaskRunSort = Literal[
    "ID_DESC",
    "EXPECTED_START_TIME_ASC",
    "EXPECTED_START_TIME_DESC",
    "NAME_ASC",
    "NAME_DESC",
    "NEXT_SCHEDULED_START_TIME_ASC",
    "END_TIME_DESC",
]
LogSort = Literal["TIMESTAMP_ASC", "TIMESTAMP_DESC"]


class FlowRunAndState(NamedTuple):
    """A flow run with its present state and the names of its pool and queue."""

    run: FlowRunRow
    state: FlowRunStateRow | None
    work_pool_name: str | None
    work_queue_name: str | None


_RUNS_AND_STATES = (
    select(
        *FLOW_RUN_COLUMNS,
        flow.c.name.label("flow_name"),
        *(column.label(f"state__{column.name}") for column in flow_run_state.c),
        work_pool.c.name.label("place__pool"),
        work_queue.c.name.label("place__queue"),
    )
    .join(flow, flow.c.id == flow_run.c.flow_id)
    .outerjoin(flow_run_state, flow_run_state.c.id == flow_run.c.state_id)
    .outerjoin(work_pool, work_pool.c.id == flow_run.c.work_pool_id)
    .outerjoin(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
)

_ONE_RUN = _RUNS_AND_STATES.where(flow_run.c.id == bindparam("run"))


async def flows(
    db: Database, search: Search, *, sort: FlowSort = "NAME_ASC", limit: int = 200, offset: int = 0
) -> list[FlowRow]:
    """The flows that match."""
    order: dict[str, Any] = {
        "CREATED_DESC": flow.c.created.desc(),
        "UPDATED_DESC": flow.c.updated.desc(),
        "NAME_ASC": flow.c.name.asc(),
        "NAME_DESC": flow.c.name.desc(),
    }
    statement = select(flow).where(*_conditions(db).of_flows(search)).order_by(order[sort], flow.c.id)
    return [FlowRow(**row) for row in await _page(db, statement, limit, offset)]


async def flow_runs(
    db: Database, search: Search, *, sort: FlowRunSort = "ID_DESC", limit: int = 200, offset: int = 0
) -> list[FlowRunAndState]:
    """The flow runs that match, each with its present state; without pickled parameters and results."""
    statement = _RUNS_AND_STATES.where(*_conditions(db).of_flow_runs(search)).order_by(
        *run_order(flow_run, sort, flow_run.c.name)
    )
    return [_run_and_state(row) for row in await _page(db, statement, limit, offset)]


async def one_flow_run(db: Database, run_id: UUID) -> FlowRunAndState:
    """One flow run with its present state. Raises NotFound."""
    async with db.read() as connection:
        row = (await connection.execute(_ONE_RUN, {"run": run_id})).mappings().first()
    if row is not None:
        return _run_and_state(row)
    raise NotFound(f"there is no flow run {run_id}", hint="heliostat flow-run ls shows the runs there are")


async def flow_runs_by_id(db: Database, run_ids: Sequence[UUID]) -> list[FlowRunAndState]:
    """The runs with these ids, in their order, without those that are gone."""
    rows = await _page(db, _RUNS_AND_STATES.where(flow_run.c.id.in_(run_ids)), len(run_ids), 0)
    known = {row["id"]: _run_and_state(row) for row in rows}
    return [known[run_id] for run_id in run_ids if run_id in known]


async def task_runs(
    db: Database, search: Search, *, sort: TaskRunSort = "ID_DESC", limit: int = 200, offset: int = 0
) -> list[TaskRunRow]:
    """The task runs that match, without their results."""
    statement = (
        select(*TASK_RUN_COLUMNS)
        .where(*_conditions(db).of_task_runs(search))
        .order_by(*run_order(task_run, sort, func.coalesce(task_run.c.name, task_run.c.task_name)))
    )
    return [task_run_row(row) for row in await _page(db, statement, limit, offset)]


async def logs(
    db: Database,
    asked: LogFilter | None,
    *,
    sort: LogSort = "TIMESTAMP_ASC",
    limit: int = 200,
    offset: int = 0,
) -> list[LogRow]:
    """The log lines that match; lines of one moment are in the order of writing."""
    at, place = log.c.timestamp, log.c.id
    order = (at.asc(), place.asc()) if sort == "TIMESTAMP_ASC" else (at.desc(), place.desc())
    statement = select(log).where(*_conditions(db).of_logs(asked)).order_by(*order)
    return [LogRow(**row) for row in await _page(db, statement, limit, offset)]


async def count_flows(db: Database, search: Search) -> int:
    """How many flows match."""
    return await _count(db, flow, _conditions(db).of_flows(search))


async def count_flow_runs(db: Database, search: Search) -> int:
    """How many flow runs match."""
    return await _count(db, flow_run, _conditions(db).of_flow_runs(search))


async def count_task_runs(db: Database, search: Search) -> int:
    """How many task runs match."""
    return await _count(db, task_run, _conditions(db).of_task_runs(search))


def _conditions(db: Database) -> FilterConditions:
    return FilterConditions(db.is_sqlite)


def run_order(table: FromClause, sort: str, name: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """How the rows of `flow_run` or `task_run` are ordered; `name` is the expression of their name."""
    columns = table.c
    started = func.coalesce(columns.start_time, columns.expected_start_time)
    scheduled = flow_run.c.next_scheduled_start_time if table is flow_run else columns.expected_start_time
    orders: dict[str, ColumnElement[Any]] = {
        "START_TIME_ASC": started.asc(),
        "START_TIME_DESC": started.desc(),
        "EXPECTED_START_TIME_ASC": columns.expected_start_time.asc().nulls_last(),
        # Without NULLS LAST, as no run with a state has a NULL there: so the index can be read backwards.
        "EXPECTED_START_TIME_DESC": columns.expected_start_time.desc(),
        "NAME_ASC": name.asc(),
        "NAME_DESC": name.desc(),
        "NEXT_SCHEDULED_START_TIME_ASC": scheduled.asc().nulls_last(),
        "END_TIME_DESC": columns.end_time.desc().nulls_last(),
    }
    return [columns.id.desc()] if sort == "ID_DESC" else [orders[sort], columns.id.desc()]


async def _page(db: Database, statement: Select[Any], limit: int, offset: int) -> Iterable[RowMapping]:
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(min(offset, 2**63 - 1)))
        return rows.mappings().all()


async def _count(db: Database, table: FromClause, conditions: list[ColumnElement[bool]]) -> int:
    async with db.read() as connection:
        found = await connection.scalar(select(func.count()).select_from(table).where(*conditions))
    return int(found or 0)


def _run_and_state(row: RowMapping) -> FlowRunAndState:
    run: dict[str, Any] = {}
    state: dict[str, Any] = {}
    for name, value in row.items():
        if name.startswith("state__"):
            state[name.removeprefix("state__")] = value
        elif not name.startswith("place__"):
            run[str(name)] = value
    found = FlowRunStateRow(**state) if state["id"] is not None else None
    return FlowRunAndState(FlowRunRow(**run), found, row["place__pool"], row["place__queue"])
