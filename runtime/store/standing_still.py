"""Running runs without news: no log line, no task run and no sub-flow for longer than such a run takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.database import Database
from .database.tables import flow_run, log, task_run
from .run_figures import UsualLength, usual_lengths_within

_QUIET = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A run that says nothing since a time, and how long its kind usually takes."""

    run: Row[Any]
    since: datetime
    usual: UsualLength | None


async def standing_still(
    db: Database, connection: AsyncConnection, running: Sequence[Row[Any]], now: datetime
) -> list[Quiet]:
    """Those of these running runs that stand still. A row has id, flow_id, deployment_id, state_timestamp."""
    begun = [row for row in running if row.state_timestamp < now - _QUIET]
    if not begun:
        return []
    usual = await usual_lengths_within(
        db,
        connection,
        [row.flow_id for row in begun if row.deployment_id is None],
        [row.deployment_id for row in begun if row.deployment_id is not None],
    )
    found: list[Quiet] = []
    for row in begun:
        since = await _newest_news(connection, row)
        length = usual.get(row.deployment_id or row.flow_id)
        if since >= now - _patience(length) or await _has_running_child(connection, row.id):
            continue
        found.append(Quiet(row, since, length))
    return found


def _patience(usual: UsualLength | None) -> timedelta:
    """A run that usually takes ten hours may say nothing for as long."""
    return _QUIET if usual is None else max(_QUIET, timedelta(seconds=usual.p95_s))


async def _newest_news(connection: AsyncConnection, row: Row[Any]) -> datetime:
    line = select(log.c.timestamp).where(log.c.flow_run_id == row.id).order_by(log.c.id.desc()).limit(1)
    times = (task_run.c.expected_start_time, task_run.c.start_time, task_run.c.end_time)
    calls = select(*(func.max(each) for each in times)).where(task_run.c.flow_run_id == row.id)
    told: list[datetime | None] = [
        row.state_timestamp,
        (await connection.execute(line)).scalar(),
        *(await connection.execute(calls)).one(),
    ]
    return max(each for each in told if each is not None)


async def _has_running_child(connection: AsyncConnection, run_id: UUID) -> bool:
    """Whether a sub-flow of it goes on: what stands still is told of that one."""
    calls = select(task_run.c.id).where(
        task_run.c.flow_run_id == run_id,
        or_(task_run.c.end_time.is_(None), task_run.c.state_type == "RUNNING"),
    )
    child = (
        select(flow_run.c.id)
        .where(flow_run.c.parent_task_run_id.in_(calls), flow_run.c.state_type == "RUNNING")
        .limit(1)
    )
    return (await connection.execute(child)).first() is not None
