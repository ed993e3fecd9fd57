"""What the pages show of a work pool: who waits in which order and for what, and what ran in its slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NoWorkPool
from . import work_pools
from .database.database import Database
from .database.rows import OCCUPYING, FlowRunRow
from .database.tables import deployment, flow, flow_run, run_lease, work_pool, work_queue, worker
from .database.types import Timestamp
from .database.wire_text import plain_text
from .place_reasons import Reason, of_place
from .workers import is_online

_MOST_WAITING = 50
_MOST_IN_LANES = 600


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as a list shows it. `taken` are its runs that take slots, `waiting` those that are due."""

    id: UUID
    name: str
    type: str
    description: str | None
    status: str
    is_paused: bool
    concurrency_limit: int | None
    taken: int
    waiting: int
    late: int
    queues: int
    workers: int
    workers_online: int
    deployments: int
    last_heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class QueueView:
    """How busy a queue is; `oldest` is when the first of its waiting runs was due."""

    id: UUID
    name: str
    priority: int
    is_paused: bool
    concurrency_limit: int | None
    description: str | None
    taken: int
    waiting: int
    oldest: datetime | None
    begun_1h: int
    last_polled: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that is due: `position` in its queue, and what it waits for (nothing: the next free slot)."""

    id: UUID
    name: str
    flow_name: str
    deployment_id: UUID | None
    deployment_name: str | None
    state_name: str
    queue: str
    position: int
    due: datetime
    reasons: list[Reason] = field(default_factory=list[Reason])


@dataclass(frozen=True, slots=True)
class Line:
    """The queues of a pool, and the first of its waiting runs in the order in which they will start."""

    now: datetime
    queues: list[QueueView]
    waiting: list[Waiting]


@dataclass(frozen=True, slots=True)
class InSlot:
    """A run that took a slot; `place` is the machine where it ran, if that is known."""

    id: UUID
    name: str
    flow_name: str
    queue: str
    state_type: str
    state_name: str
    start: datetime
    end: datetime | None
    place: str | None
    run_count: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """Runs that took slots since then; where there were too many, `since` is later than was asked for."""

    now: datetime
    since: datetime
    runs: list[InSlot]


async def overview(db: Database) -> list[PoolView]:
    """All pools by name."""
    async with db.read() as connection:
        pools = (await connection.execute(work_pools.selected(db))).mappings().all()
        counted = await _counted(db, connection)
        queues = await _count_by(connection, work_queue.c.work_pool_id)
        workers = await _workers(db, connection)
        of_queue = deployment.c.work_queue_id == work_queue.c.id
        sending = await connection.execute(
            select(work_queue.c.work_pool_id, func.count())
            .select_from(deployment.join(work_queue, of_queue))
            .group_by(work_queue.c.work_pool_id)
        )
        deployments = {row[0]: row[1] for row in sending}
    told: list[PoolView] = []
    for pool in pools:
        taken, waiting, late = counted.get(pool["id"], (0, 0, 0))
        known, online, heard = workers.get(pool["id"], (0, 0, None))
        told.append(
            PoolView(
                **{
                    name: pool[name]
                    for name in (
                        "id",
                        "name",
                        "type",
                        "description",
                        "status",
                        "is_paused",
                        "concurrency_limit",
                    )
                },
                taken=taken,
                waiting=waiting,
                late=late,
                queues=queues.get(pool["id"], 0),
                workers=known,
                workers_online=online,
                deployments=deployments.get(pool["id"], 0),
                last_heartbeat=heard,
            )
        )
    return sorted(told, key=lambda pool: pool.name)


async def line(db: Database, pool_name: str) -> Line:
    """Who waits in a pool. Raises NotFound."""
    now = await db.time()
    async with db.read() as connection:
        pool_id = await _pool_id(connection, pool_name)
        of_pool = work_queue.c.work_pool_id == pool_id
        rows = (
            (await connection.execute(select(work_queue).where(of_pool).order_by(work_queue.c.priority)))
            .mappings()
            .all()
        )
        ids = [row["id"] for row in rows]
        taken, due, oldest = await _of_queues(db, connection, ids)
        begun = await _begun(connection, ids, now - timedelta(hours=1))
        queues = [
            QueueView(
                **{
                    name: row[name]
                    for name in (
                        "id",
                        "name",
                        "priority",
                        "is_paused",
                        "concurrency_limit",
                        "description",
                        "last_polled",
                    )
                },
                taken=taken.get(row["id"], 0),
                waiting=due.get(row["id"], 0),
                oldest=oldest.get(row["id"]),
                begun_1h=begun.get(row["id"], 0),
            )
            for row in rows
        ]
        waiting = await _waiting(db, connection, [queue for queue in queues if queue.waiting], now)
    return Line(now, queues, waiting)


async def lanes(db: Database, pool_name: str, minutes: float) -> Lanes:
    """What ran in a pool's slots in the last `minutes`: runs that began then, or take a slot now. Raises
    NotFound.
    """
    now = await db.time()
    since = now - timedelta(minutes=minutes)
    run, queue = flow_run.c, work_queue.c
    columns = (
        run.id,
        run.name,
        flow.c.name.label("flow_name"),
        queue.name.label("queue"),
        run.state_type,
        run.state_name,
        run.start_time.label("start"),
        run.end_time.label("end"),
        run.run_count,
        run.infrastructure_pid,
        run_lease.c.host,
    )
    async with db.read() as connection:
        pool_id = await _pool_id(connection, pool_name)
        of_pool = (
            select(*columns)
            .join(work_queue, queue.id == run.work_queue_id)
            .join(flow, flow.c.id == run.flow_id)
            .outerjoin(run_lease, run_lease.c.run_id == run.id)
            .where(queue.work_pool_id == pool_id, run.start_time.is_not(None))
        )
        began = func.coalesce(run.start_time, run.expected_start_time, type_=Timestamp())
        newest = of_pool.where(began >= since, began <= now).order_by(began.desc()).limit(_MOST_IN_LANES)
        rows = list((await connection.execute(newest)).mappings())
        if len(rows) == _MOST_IN_LANES:
            since = rows[-1]["start"]
        holding = of_pool.where(run.state_type.in_(OCCUPYING), began < since).limit(_MOST_IN_LANES)
        rows += (await connection.execute(holding)).mappings()
    found: dict[UUID, InSlot] = {}
    for row in rows:
        facts: dict[str, Any] = dict(row)
        started_by, host = facts.pop("infrastructure_pid"), facts.pop("host")
        found[row["id"]] = InSlot(**facts, place=host or _host_of(started_by))
    return Lanes(now, since, sorted(found.values(), key=lambda each: (each.start, each.id)))


def _host_of(infrastructure_pid: str | None) -> str | None:
    host, _, pid = (infrastructure_pid or "").rpartition(":")
    return host if host and pid.isdigit() else None


async def _pool_id(connection: AsyncConnection, name: str) -> UUID:
    found = await connection.scalar(select(work_pool.c.id).where(work_pool.c.name == plain_text(name)))
    if found is None:
        raise NoWorkPool(name)
    return found


def _is_due(db: Database) -> ColumnElement[bool]:
    return and_(flow_run.c.state_type == "SCHEDULED", flow_run.c.next_scheduled_start_time <= db.now())


async def _counted(db: Database, connection: AsyncConnection) -> dict[UUID, tuple[int, int, int]]:
    """How many runs take slots of each pool, are due, and are late."""
    run = flow_run.c
    counts = await connection.execute(
        select(work_queue.c.work_pool_id, run.state_type, run.state_name, func.count())
        .join(work_queue, work_queue.c.id == run.work_queue_id)
        .where(or_(run.state_type.in_(OCCUPYING), _is_due(db)))
        .group_by(work_queue.c.work_pool_id, run.state_type, run.state_name)
    )
    found: dict[UUID, tuple[int, int, int]] = {}
    for pool_id, state_type, state_name, count in counts:
        taken, waiting, late = found.get(pool_id, (0, 0, 0))
        if state_type == "SCHEDULED":
            found[pool_id] = taken, waiting + count, late + (count if state_name == "Late" else 0)
        else:
            found[pool_id] = taken + count, waiting, late
    return found


async def _count_by(connection: AsyncConnection, column: ColumnElement[Any]) -> dict[UUID, int]:
    rows = await connection.execute(select(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in rows}


async def _workers(db: Database, connection: AsyncConnection) -> dict[UUID, tuple[int, int, datetime | None]]:
    """How many workers each pool has, how many are online, and when one was heard of last."""
    pool_id, beat = worker.c.work_pool_id, worker.c.last_heartbeat_time
    heard = func.max(beat, type_=Timestamp())
    known = await connection.execute(select(pool_id, func.count(), heard).group_by(pool_id))
    rows = known.all()
    online = await connection.execute(select(pool_id, func.count()).where(is_online(db)).group_by(pool_id))
    counts = {row[0]: row[1] for row in online}
    return {row[0]: (row[1], counts.get(row[0], 0), row[2]) for row in rows}


async def _of_queues(
    db: Database, connection: AsyncConnection, ids: Sequence[UUID]
) -> tuple[dict[UUID, int], dict[UUID, int], dict[UUID, datetime]]:
    run = flow_run.c
    of_them = run.work_queue_id.in_(ids)
    taking = await connection.execute(
        select(run.work_queue_id, func.count())
        .where(of_them, run.state_type.in_(OCCUPYING))
        .group_by(run.work_queue_id)
    )
    taken = {row[0]: row[1] for row in taking}
    first = func.min(run.next_scheduled_start_time, type_=Timestamp())
    due = await connection.execute(
        select(run.work_queue_id, func.count(), first).where(of_them, _is_due(db)).group_by(run.work_queue_id)
    )
    rows = due.all()
    return taken, {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}


async def _begun(connection: AsyncConnection, ids: Sequence[UUID], since: datetime) -> dict[UUID, int]:
    run = flow_run.c
    began = func.coalesce(run.start_time, run.expected_start_time, type_=Timestamp())
    rows = await connection.execute(
        select(run.work_queue_id, func.count())
        .where(began >= since, run.start_time.is_not(None), run.work_queue_id.in_(ids))
        .group_by(run.work_queue_id)
    )
    return {row[0]: row[1] for row in rows}


async def _waiting(
    db: Database, connection: AsyncConnection, queues: Sequence[QueueView], now: datetime
) -> list[Waiting]:
    run = flow_run.c
    told: list[Waiting] = []
    reasons: dict[tuple[UUID, UUID | None], list[Reason]] = {}
    for queue in queues:
        left = _MOST_WAITING - len(told)
        if left <= 0:
            break
        statement = (
            select(flow_run, flow.c.name.label("flow_name"), deployment.c.name.label("deployment_name"))
            .join(flow, flow.c.id == run.flow_id)
            .outerjoin(deployment, deployment.c.id == run.deployment_id)
            .where(run.work_queue_id == queue.id, _is_due(db))
            .order_by(run.next_scheduled_start_time, run.id)
            .limit(left)
        )
        rows = (await connection.execute(statement)).mappings().all()
        for position, row in enumerate(rows, 1):
            facts: dict[str, Any] = dict(row)
            deployment_name = facts.pop("deployment_name")
            waits = FlowRunRow(**facts)
            due = waits.next_scheduled_start_time or now
            alike = (queue.id, waits.deployment_id)  # these wait for the same
            if alike not in reasons:
                reasons[alike] = await of_place(db, connection, waits, due, now)
            told.append(
                Waiting(
                    id=waits.id,
                    name=waits.name,
                    flow_name=waits.flow_name,
                    deployment_id=waits.deployment_id,
                    deployment_name=deployment_name,
                    state_name=waits.state_name or "Scheduled",
                    queue=queue.name,
                    position=position,
                    due=due,
                    reasons=reasons[alike],
                )
            )
    return told
