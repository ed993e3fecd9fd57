"""What needs a person: runs that failed, are late, can never start, wait for an answer or stand still."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from ..rules.deciding import PLACEMENT
from . import explaining
from .database.database import Database
from .database.tables import (
    deployment,
    flow,
    flow_run,
    flow_run_state,
    rule_decision,
    work_pool,
    work_queue,
)
from .standing_still import standing_still

_FAILED = ("FAILED", "CRASHED")
_FAILURES_READ = 500
_LOOKED_BACK = 6
"""How many of the newest runs of a flow or deployment tell whether it keeps failing."""
_KEEPS_FAILING = 3
_MOST_OF_A_KIND = 50


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to look at. `kind` is crashed, failed, keeps-failing, late, unplaceable, waits-for-input,
    stands-still or paused; `code` and `hint` are those of the reason why a late run waits.
    """

    kind: str
    run_id: UUID
    run_name: str
    flow_name: str
    deployment_id: UUID | None
    deployment_name: str | None
    count: int  # of runs with this cause
    text: str
    since: datetime | None
    code: str | None = None
    hint: str | None = None
    work_pool: str | None = None  # in which late runs wait
    work_queue: str | None = None
    failures: int = 0  # among the newest runs


async def causes(db: Database, hours: float = 24) -> list[Cause]:
    """The causes of the last `hours`, the worst first."""
    now = await db.time()
    async with db.read() as connection:
        failed = await _failed(connection, now - timedelta(hours=hours))
        running = await _of_state(connection, "RUNNING")
        unplaced = await _unplaced(connection, running)
        still = await _still(db, connection, running, now)
        paused = await _of_state(connection, "PAUSED")
        late = await _late(connection)
    stuck = {cause.run_id for cause in unplaced}
    still = [cause for cause in still if cause.run_id not in stuck]
    told = [*await _told_late(db, late), *unplaced, *await _told_paused(db, paused), *still, *failed]
    order = [
        "crashed",
        "late",
        "unplaceable",
        "waits-for-input",
        "stands-still",
        "keeps-failing",
        "failed",
        "paused",
    ]
    return sorted(told, key=lambda cause: order.index(cause.kind))


def _facts() -> list[Any]:
    run = flow_run.c
    return [
        run.id,
        run.name,
        flow.c.name.label("flow_name"),
        run.flow_id,
        run.deployment_id,
        deployment.c.name.label("deployment_name"),
        run.state_type,
        run.state_name,
        run.state_timestamp,
        run.work_queue_id,
    ]


def _joined(*more: Any) -> Any:
    return (
        select(*_facts(), *more)
        .join(flow, flow.c.id == flow_run.c.flow_id)
        .outerjoin(deployment, deployment.c.id == flow_run.c.deployment_id)
    )


async def _failed(connection: AsyncConnection, since: datetime) -> list[Cause]:
    """A line for each deployment, or flow without one, whose newest run failed or that keeps failing."""
    began = func.coalesce(flow_run.c.start_time, flow_run.c.expected_start_time)
    statement = (
        _joined(flow_run_state.c.message)
        .outerjoin(flow_run_state, flow_run_state.c.id == flow_run.c.state_id)
        .where(flow_run.c.state_type.in_(_FAILED), began >= since, flow_run.c.parent_task_run_id.is_(None))
        .order_by(began.desc(), flow_run.c.id.desc())
        .limit(_FAILURES_READ)
    )
    groups: dict[tuple[UUID, UUID | None], list[Row[Any]]] = {}
    for row in await connection.execute(statement):
        groups.setdefault((row.flow_id, row.deployment_id), []).append(row)
    told: list[Cause] = []
    for (flow_id, deployment_id), rows in list(groups.items())[:_MOST_OF_A_KIND]:
        newest = await _newest_types(connection, flow_id, deployment_id)
        failures = sum(each in _FAILED for each in newest)
        if not newest or (newest[0] not in _FAILED and failures < _KEEPS_FAILING):
            continue  # it went well since
        kind = "keeps-failing" if failures >= _KEEPS_FAILING else str(rows[0].state_type).lower()
        text = rows[0].message or f"ended {rows[0].state_name}"
        alike = sum(row.message == rows[0].message for row in rows)
        told.append(_cause(kind, rows[0], alike, text, failures=failures))
    return told


async def _newest_types(
    connection: AsyncConnection, flow_id: UUID, deployment_id: UUID | None
) -> Sequence[str]:
    own = flow_run.c.deployment_id == deployment_id
    if deployment_id is None:
        own = (flow_run.c.flow_id == flow_id) & flow_run.c.deployment_id.is_(None)
    statement = (
        select(flow_run.c.state_type)
        .where(own, flow_run.c.end_time.is_not(None), flow_run.c.parent_task_run_id.is_(None))
        .order_by(flow_run.c.expected_start_time.desc())
        .limit(_LOOKED_BACK)
    )
    return (await connection.scalars(statement)).all()


async def _still(
    db: Database, connection: AsyncConnection, running: Sequence[Row[Any]], now: datetime
) -> list[Cause]:
    """Running runs that have said nothing for long."""
    told: list[Cause] = []
    for each in await standing_still(db, connection, running, now):
        text = "no log line and no task run began or ended since then"
        if each.usual is not None:
            text += f"; such runs usually take {_length(each.usual.median_s)}"
        told.append(_cause("stands-still", each.run, 1, text, since=each.since))
    return told


def _length(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


async def _unplaced(connection: AsyncConnection, running: Sequence[Row[Any]]) -> list[Cause]:
    """Running runs with a call that no node of the cluster can carry out."""
    if not running:
        return []
    newest = (
        select(func.max(rule_decision.c.id))
        .where(
            rule_decision.c.rule == PLACEMENT,
            rule_decision.c.flow_run_id.in_([row.id for row in running]),
        )
        .group_by(rule_decision.c.flow_run_id)
    )
    columns = rule_decision.c
    decisions = await connection.execute(
        select(columns.flow_run_id, columns.reason, columns.timestamp).where(
            columns.id.in_(newest), columns.outcome != "ACCEPT"
        )
    )
    by_id = {row.id: row for row in running}
    return [
        _cause("unplaceable", by_id[each.flow_run_id], 1, each.reason, since=each.timestamp)
        for each in decisions
    ]


async def _of_state(connection: AsyncConnection, state_type: str) -> Sequence[Row[Any]]:
    statement = (
        _joined()
        .where(flow_run.c.state_type == state_type)
        .order_by(flow_run.c.expected_start_time)
        .limit(_MOST_OF_A_KIND)
    )
    return (await connection.execute(statement)).all()


async def _late(connection: AsyncConnection) -> list[tuple[Row[Any], int, datetime | None]]:
    """Of each queue the run that is late the longest, with the number of late runs."""
    late = (flow_run.c.state_type == "SCHEDULED") & (flow_run.c.state_name == "Late")
    groups = await connection.execute(
        select(flow_run.c.work_queue_id, func.count(), func.min(flow_run.c.expected_start_time))
        .where(late)
        .group_by(flow_run.c.work_queue_id)
    )
    told: list[tuple[Row[Any], int, datetime | None]] = []
    for queue_id, count, since in groups.all():
        of_queue = (
            flow_run.c.work_queue_id.is_(None) if queue_id is None else flow_run.c.work_queue_id == queue_id
        )
        first = await connection.execute(
            _joined(work_queue.c.name.label("queue_name"), work_pool.c.name.label("pool_name"))
            .outerjoin(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
            .outerjoin(work_pool, work_pool.c.id == work_queue.c.work_pool_id)
            .where(late, of_queue)
            .order_by(flow_run.c.expected_start_time)
            .limit(1)
        )
        row = first.first()
        if row is not None:
            told.append((row, count, since))
    return told


async def _told_late(db: Database, late: Iterable[tuple[Row[Any], int, datetime | None]]) -> list[Cause]:
    told: list[Cause] = []
    for row, count, since in late:
        explained = await explaining.explain(db, row.id)
        reason = next((each for each in explained.reasons if each.code != "late"), None)
        text = reason.text if reason is not None else explained.summary
        code, hint = (reason.code, reason.hint) if reason is not None else (None, None)
        told.append(
            _cause(
                "late",
                row,
                count,
                text,
                since=since,
                code=code,
                hint=hint,
                work_pool=row.pool_name,
                work_queue=row.queue_name,
            )
        )
    return told


async def _told_paused(db: Database, rows: Iterable[Row[Any]]) -> list[Cause]:
    told: list[Cause] = []
    for row in rows:
        explained = await explaining.explain(db, row.id)
        reason = explained.reasons[0]
        kind = "waits-for-input" if reason.code == "waits-for-input" else "paused"
        told.append(_cause(kind, row, 1, reason.text, since=reason.since, code=reason.code, hint=reason.hint))
    return told


def _cause(kind: str, row: Row[Any], count: int, text: str, **more: Any) -> Cause:
    return Cause(
        kind=kind,
        run_id=row.id,
        run_name=row.name,
        flow_name=row.flow_name,
        deployment_id=row.deployment_id,
        deployment_name=row.deployment_name,
        count=count,
        text=text,
        **{"since": row.state_timestamp, **more},
    )
