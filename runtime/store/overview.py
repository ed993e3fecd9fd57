"""What the first page shows of all runs: how many are under way, and what began and ended when."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import work_pools
from .concurrency_limits import seconds_between
from .database.database import Database
from .database.rows import OCCUPYING
from .database.tables import event, flow_run, task_run, work_queue
from .database.types import Timestamp
from .run_history import interval_begin, interval_number

_DELAYS_READ = 2_000  # of the newest runs, for the middle one
_UNENDED = ("RUNNING", "CANCELLING", "PENDING", "PAUSED", "SCHEDULED")


@dataclass(slots=True)
class Bin:
    """The runs that began in one part of the time, by state type, and seconds of the longest."""

    runs: dict[str, int] = field(default_factory=dict[str, int])
    longest_s: float = 0.0
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool with the runs that take its slots, and those that are late in it."""

    name: str
    type: str
    status: str
    is_paused: bool
    limit: int | None
    taken: int
    late: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`under_way` counts runs that have not ended by word: running, waiting, late, paused. `start_delay_s` is
    the median of the time from when runs were due to when they began.
    """

    now: datetime
    since: datetime
    step_s: float
    bins: list[Bin]
    under_way: dict[str, int]
    start_delay_s: float | None
    events_per_s: float
    pools: list[Pool]


async def read(db: Database, hours: float, parts: int) -> Overview:
    """The last `hours` in that many equal parts, without sub-flow runs: their parent stands for them."""
    now = await db.time()
    since = now - timedelta(hours=hours)
    step_s = hours * 3600 / parts
    bins = [Bin() for _ in range(parts)]
    async with db.read() as connection:
        await _add_runs(db, connection, bins, since, now, step_s)
        await _add_tasks(db, connection, bins, since, now, step_s)
        under_way = await _under_way(connection, now)
        delay_s = await _start_delay_s(db, connection, since, now)
        events = await connection.scalar(
            select(func.count()).select_from(event).where(event.c.occurred > now - timedelta(minutes=1))
        )
        pools = await _pools(db, connection)
    return Overview(now, since, step_s, bins, under_way, delay_s, (events or 0) / 60, pools)


def _began() -> ColumnElement[Any]:
    return func.coalesce(flow_run.c.start_time, flow_run.c.expected_start_time, type_=Timestamp())


def _of_nobody() -> ColumnElement[bool]:
    return flow_run.c.parent_task_run_id.is_(None)


async def _add_runs(
    db: Database, connection: AsyncConnection, bins: list[Bin], since: datetime, now: datetime, step_s: float
) -> None:
    ended = func.coalesce(flow_run.c.end_time, db.now(), type_=Timestamp())
    longest = func.max(seconds_between(db, flow_run.c.start_time, ended))
    statement = (
        select(
            interval_begin(db, _began(), since, step_s).label("begin"),
            flow_run.c.state_type,
            func.count(),
            longest,
        )
        .where(_began() >= since, _began() <= now, flow_run.c.start_time.is_not(None), _of_nobody())
        .group_by("begin", flow_run.c.state_type)
    )
    for begin, state_type, count, longest_s in await connection.execute(statement):
        found = bins[min(max(interval_number(begin, since, step_s), 0), len(bins) - 1)]
        found.runs[state_type or "PENDING"] = count
        found.longest_s = max(found.longest_s, float(longest_s or 0))


async def _add_tasks(
    db: Database, connection: AsyncConnection, bins: list[Bin], since: datetime, now: datetime, step_s: float
) -> None:
    expected = task_run.c.expected_start_time
    statement = (
        select(interval_begin(db, expected, since, step_s).label("begin"), func.count())
        .where(expected >= since, expected <= now)
        .group_by("begin")
    )
    for begin, count in await connection.execute(statement):
        bins[min(max(interval_number(begin, since, step_s), 0), len(bins) - 1)].tasks += count


async def _under_way(connection: AsyncConnection, now: datetime) -> dict[str, int]:
    is_due = or_(flow_run.c.state_type != "SCHEDULED", flow_run.c.expected_start_time <= now)
    statement = (
        select(flow_run.c.state_type, flow_run.c.state_name, func.count())
        .where(and_(flow_run.c.state_type.in_(_UNENDED), is_due))
        .group_by(flow_run.c.state_type, flow_run.c.state_name)
    )
    counts: dict[str, int] = {"running": 0, "waiting": 0, "late": 0, "paused": 0}
    for state_type, state_name, count in await connection.execute(statement):
        counts[_word(state_type, state_name)] += count
    return counts


def _word(state_type: str, state_name: str | None) -> str:
    if state_type == "SCHEDULED" and state_name == "Late":
        return "late"
    return {"RUNNING": "running", "CANCELLING": "running", "PAUSED": "paused"}.get(state_type, "waiting")


async def _start_delay_s(
    db: Database, connection: AsyncConnection, since: datetime, now: datetime
) -> float | None:
    columns = flow_run.c
    newest = (
        select(seconds_between(db, columns.expected_start_time, columns.start_time))
        .where(
            _began() >= since,
            _began() <= now,
            columns.start_time.is_not(None),
            columns.deployment_id.is_not(None),
            columns.expected_start_time.is_not(None),
        )
        .order_by(_began().desc(), columns.id.desc())
        .limit(_DELAYS_READ)
    )
    delays = [float(each) for each in await connection.scalars(newest)]
    return statistics.median(delays) if delays else None


async def _pools(db: Database, connection: AsyncConnection) -> list[Pool]:
    is_late = (flow_run.c.state_type == "SCHEDULED") & (flow_run.c.state_name == "Late")
    is_taking = flow_run.c.state_type.in_(OCCUPYING)
    counts = await connection.execute(
        select(work_queue.c.work_pool_id, flow_run.c.state_type, func.count())
        .join(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
        .where(or_(is_taking, is_late))
        .group_by(work_queue.c.work_pool_id, flow_run.c.state_type)
    )
    by_pool: dict[Any, dict[str, int]] = {}
    for pool_id, state_type, count in counts:
        by_pool.setdefault(pool_id, {})[state_type] = count
    told: list[Pool] = []
    for row in (await connection.execute(work_pools.selected(db))).mappings():
        found = by_pool.get(row["id"], {})
        told.append(
            Pool(
                name=row["name"],
                type=row["type"],
                status=row["status"],
                is_paused=row["is_paused"],
                limit=row["concurrency_limit"],
                taken=sum(found.get(each, 0) for each in OCCUPYING),
                late=found.get("SCHEDULED", 0),
            )
        )
    return sorted(told, key=lambda pool: pool.name)
