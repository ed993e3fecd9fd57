"""Flow runs and task runs by the terms of a query: in pages that each begin where the one before ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import run_reasons, run_terms
from .database.database import Database
from .database.tables import deployment, flow, flow_run, flow_run_state, task_run, work_pool, work_queue
from .database.types import Timestamp
from .run_figures import TaskTallies, UsualLength, usual_lengths_within
from .run_history import interval_begin, interval_number
from .run_terms import Term
from .task_runs import shown_name

RunSort = Literal["STARTED_DESC", "STARTED_ASC", "NAME_ASC", "NAME_DESC"]
Kind = Literal["flow", "task"]
_LEAST_STEP_S = 0.001
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class RunPage:
    """Rows of a list, and where the next page begins; None: there is none."""

    rows: list[dict[str, Any]]
    cursor: str | None


@dataclass(slots=True)
class RunSummary:
    """How many runs match, by state and by when they began. A bin counts by state, "Late" apart."""

    total: int
    states: list[dict[str, Any]]
    since: datetime | None
    until: datetime | None
    step_s: float
    bins: list[dict[str, int]] = field(default_factory=list[dict[str, int]])


def conditions(
    db: Database, kind: Kind, terms: Sequence[Term], hide_subflows: bool
) -> list[ColumnElement[bool]]:
    """The conditions of a query on `flow_run` or `task_run`."""
    if kind == "task":
        return run_terms.of_task_runs(db, terms)
    own = [flow_run.c.parent_task_run_id.is_(None)] if hide_subflows else []
    return [*own, *run_terms.of_flow_runs(db, terms)]


async def flow_runs(
    db: Database,
    terms: Sequence[Term],
    tallies: TaskTallies,
    *,
    hide_subflows: bool,
    sort: RunSort,
    limit: int,
    cursor: str | None,
) -> RunPage:
    """One page of flow runs, each with its reason, the counts of its tasks and the usual length."""
    order = _Order("flow", sort)
    run, state = flow_run.c, flow_run_state.c
    statement: Any = (
        select(
            run.id, run.name, run.flow_id, flow.c.name.label("flow_name"), run.deployment_id,
            deployment.c.name.label("deployment_name"), run.state_id, run.state_type, run.state_name,
            run.state_timestamp, run.expected_start_time, run.start_time, run.end_time, run.run_count,
            run.tags, run.parent_task_run_id, run.auto_scheduled, run.created_by, run.work_queue_id,
            work_pool.c.name.label("work_pool_name"), work_queue.c.name.label("work_queue_name"),
            func.substr(state.message, 1, run_reasons.LONGEST * 2).label("message"),
            order.key.label("sort_key"),
        )
        .join(flow, flow.c.id == run.flow_id)
        .outerjoin(deployment, deployment.c.id == run.deployment_id)
        .outerjoin(flow_run_state, state.id == run.state_id)
        .outerjoin(work_pool, work_pool.c.id == run.work_pool_id)
        .outerjoin(work_queue, work_queue.c.id == run.work_queue_id)
        .where(*conditions(db, "flow", terms, hide_subflows))
    )  # fmt: skip
    async with db.read() as connection:
        rows = await order.page(connection, statement, limit, cursor)
        tasks = await tallies.read_within(
            connection, [(row["id"], row["state_type"], row["end_time"]) for row in rows]
        )
        usual = await _usual(db, connection, rows)
        facts = [run_reasons.Facts(**{name: row[name] for name in run_reasons.Facts._fields}) for row in rows]
        reasons = await run_reasons.read(db, connection, facts)
    told = [
        {
            **row,
            "message": None,
            "reason": reasons.get(row["id"]),
            "tasks": tasks.get(row["id"], {}),
            "usual": usual.get(row["deployment_id"] or row["flow_id"]),
        }
        for row in rows
    ]
    return order.told(told, limit)


async def task_runs(
    db: Database, terms: Sequence[Term], *, sort: RunSort, limit: int, cursor: str | None
) -> RunPage:
    """One page of task runs, each with the flow run that called it."""
    order = _Order("task", sort)
    task = task_run.c
    statement: Any = (
        select(
            task.id, shown_name().label("name"), task.task_name, task.flow_run_id,
            flow_run.c.name.label("flow_run_name"), flow_run.c.flow_id, flow.c.name.label("flow_name"),
            task.state_type, task.state_name, task.expected_start_time, task.start_time, task.end_time,
            task.run_count, task.tags, task.node,
            func.substr(task.message, 1, run_reasons.LONGEST).label("reason"),
            order.key.label("sort_key"),
        )
        .outerjoin(flow_run, flow_run.c.id == task.flow_run_id)
        .outerjoin(flow, flow.c.id == flow_run.c.flow_id)
        .where(*conditions(db, "task", terms, False))
    )  # fmt: skip
    async with db.read() as connection:
        rows = await order.page(connection, statement, limit, cursor)
    failed = ("FAILED", "CRASHED", "CANCELLED", "PENDING", "SCHEDULED", "PAUSED")
    told = [{**row, "reason": row["reason"] if row["state_type"] in failed else None} for row in rows]
    return order.told(told, limit)


async def summary(
    db: Database, kind: Kind, terms: Sequence[Term], *, hide_subflows: bool, parts: int
) -> RunSummary:
    """The matching runs by state and by time, in that many equal parts."""
    table = flow_run if kind == "flow" else task_run
    matching = conditions(db, kind, terms, hide_subflows)
    began = run_terms.started(table)
    states = select(table.c.state_type, table.c.state_name, func.count()).where(*matching)
    async with db.read() as connection:
        found = await connection.execute(states.group_by(table.c.state_type, table.c.state_name))
        told = [{"type": row[0], "name": row[1], "count": row[2]} for row in found]
        total = sum(each["count"] for each in told)
        since, until = await _span(db, connection, kind, terms, matching)
        if since is None or until is None or not total:
            return RunSummary(total, told, since, until, 0.0)
        step_s = max((until - since).total_seconds() / parts, _LEAST_STEP_S)
        begin = interval_begin(db, began, since, step_s).label("begin")
        counted = (
            select(begin, table.c.state_type, (table.c.state_name == "Late").label("late"), func.count())
            .where(began >= since, began <= until, *matching)
            .group_by("begin", table.c.state_type, "late")
        )
        bins: list[dict[str, int]] = [{} for _ in range(parts)]
        for at, state_type, is_late, count in await connection.execute(counted):
            place = min(max(interval_number(at, since, step_s), 0), parts - 1)
            word = "LATE" if is_late and state_type == "SCHEDULED" else state_type or "PENDING"
            bins[place][word] = bins[place].get(word, 0) + count
    return RunSummary(total, told, since, until, step_s, bins)


async def _span(
    db: Database, connection: AsyncConnection, kind: Kind, terms: Sequence[Term], matching: Sequence[Any]
) -> tuple[datetime | None, datetime | None]:
    """From when to when the runs began, or as the query says."""
    began = run_terms.started(flow_run if kind == "flow" else task_run)
    asked = [term for term in terms if term.field == "started" and not term.negated]
    after = max((term.after for term in asked if term.after is not None), default=None)
    before = min((term.before for term in asked if term.before is not None), default=None)
    now = await db.time_within(connection)
    if after is None:
        after = await connection.scalar(select(func.min(began, type_=Timestamp())).where(*matching))
    if before is None:
        newest = await connection.scalar(select(func.max(began, type_=Timestamp())).where(*matching))
        before = max(now, newest) if newest is not None else now
    return after, before


async def _usual(
    db: Database, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]
) -> dict[UUID, UsualLength]:
    """What is usual for the runs' deployments, or for their flows where they have none."""
    deployments = {row["deployment_id"] for row in rows if row["deployment_id"] is not None}
    flows = {row["flow_id"] for row in rows if row["deployment_id"] is None}
    return await usual_lengths_within(db, connection, flows, deployments)


@dataclass(frozen=True, slots=True)
class _Order:
    """How runs are sorted, and places in that order. A cursor is the last row's key and id."""

    kind: Kind
    sort: RunSort

    @property
    def key(self) -> ColumnElement[Any]:
        table = flow_run if self.kind == "flow" else task_run
        if self.sort.startswith("STARTED"):
            return run_terms.started(table)
        return flow_run.c.name if self.kind == "flow" else task_run.c.task_name

    async def page(
        self, connection: AsyncConnection, statement: Any, limit: int, cursor: str | None
    ) -> list[dict[str, Any]]:
        """One row more than the limit, if there is one."""
        key, place = self.key, (flow_run if self.kind == "flow" else task_run).c.id
        falls = self.sort.endswith("DESC")
        statement = statement.where(key.is_not(None))
        if cursor is not None:
            last, id = self._read(cursor)
            # The first comparison is what an index can use.
            beyond = and_(key <= last, or_(key < last, place < id))
            statement = statement.where(beyond if falls else and_(key >= last, or_(key > last, place > id)))
        ordered = (key.desc(), place.desc()) if falls else (key.asc(), place.asc())
        found = await connection.execute(statement.order_by(*ordered).limit(limit + 1))
        return [dict(row) for row in found.mappings()]

    def told(self, rows: list[dict[str, Any]], limit: int) -> RunPage:
        cursor = None
        if len(rows) > limit:
            rows = rows[:limit]
            key = rows[-1]["sort_key"]
            text = (
                f"{int(key.timestamp()) * 1_000_000 + key.microsecond}" if isinstance(key, datetime) else key
            )
            cursor = f"{rows[-1]['id']} {text}"
        for row in rows:
            del row["sort_key"]
        return RunPage(rows, cursor)

    def _read(self, cursor: str) -> tuple[Any, UUID]:
        """Raises ValueError for a text that is no cursor."""
        id, _, text = cursor.partition(" ")
        if not self.sort.startswith("STARTED"):
            return text, UUID(id)
        seconds, rest = divmod(int(text), 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), UUID(id)


async def completions(db: Database, asked: str, beginning: str) -> list[str]:
    """Names that a term may have: flows, deployments, pools, queues, tags, parameters, tasks."""
    named = {"flow": flow, "deployment": deployment, "pool": work_pool, "queue": work_queue}
    async with db.read() as connection:
        if (table := named.get(asked)) is not None:
            found = select(table.c.name).distinct().where(run_terms.contains(table.c.name, beginning))
            return list(await connection.scalars(found.order_by(table.c.name).limit(20)))
        newest = flow_run.c.tags if asked == "tag" else flow_run.c.parameters
        if asked not in ("tag", "param"):
            return []
        began = run_terms.started(flow_run)
        rows = await connection.scalars(
            select(newest).where(began.is_not(None)).order_by(began.desc()).limit(300)
        )
        counts: dict[str, int] = {}
        for row in rows:
            for each in row or ():
                counts[each] = counts.get(each, 0) + 1
    fitting = [each for each in counts if beginning.lower() in each.lower()]
    return sorted(fitting, key=lambda each: (-counts[each], each))[:20]
