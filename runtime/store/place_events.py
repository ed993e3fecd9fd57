"""Events of pools, queues and deployments: created, changed, removed, ready or not ready.

Whether such a place is ready depends on when it was polled last, so no writer notices the change. The last
described form is stored here, and a difference becomes an event: once, however many processes look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, case, delete, func, null, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event, Resource
from ..foundation import clock
from ..foundation.ids import uuid7
from . import work_pools, work_queues
from .database.announcements import EVENTS, announce
from .database.automation_tables import told_place
from .database.database import Database
from .database.tables import deployment, flow, work_pool, work_queue
from .events import insert_within

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Place:
    """A pool, queue or deployment in the form that events describe."""

    id: UUID
    kind: str
    name: str
    status: str
    updated: datetime
    owner: str | None = None  # the resource id of a queue's pool, or a deployment's flow


async def tell(db: Database) -> int:
    """Make the events of changes since the last call; returns their number."""
    async with db.read() as connection:
        there = {each.id: each for each in await _there(db, connection)}
        told = {each.id: each for each in await _told(connection)}
    changed = [each for each in there.values() if _differs(told.get(each.id), each)]
    gone = [each for each in told.values() if each.id not in there]
    count = 0
    for begin in range(0, len(changed), _BATCH):
        count += await _tell_changed(db, changed[begin : begin + _BATCH])
    for begin in range(0, len(gone), _BATCH):
        count += await _tell_gone(db, gone[begin : begin + _BATCH])
    return count


def _differs(before: Place | None, now: Place) -> bool:
    return before is None or (before.status, before.updated) != (now.status, now.updated)


async def _tell_changed(db: Database, places: list[Place]) -> int:
    async with db.write() as connection:
        # A second process waits here, and then finds what the first one has recorded.
        statement = select(told_place).where(told_place.c.id.in_([each.id for each in places]))
        rows = (await connection.execute(statement.with_for_update())).mappings()
        told = {row["id"]: Place(**row) for row in rows}
        put = (sqlite.insert if db.is_sqlite else postgresql.insert)(told_place)
        events: list[Event] = []
        for each in places:
            before = told.get(each.id)
            if not _differs(before, each):
                continue
            values = {name: getattr(each, name) for name in Place.__slots__}
            statement = put.values(**values)
            if before is None:
                kept = await connection.execute(statement.on_conflict_do_nothing())
                if not kept.rowcount:
                    continue  # another process has just recorded it
                events.append(_event(each, "created"))
            else:
                await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
                if before.updated != each.updated and before.status == each.status:
                    events.append(_event(each, "updated"))
            if before is None or before.status != each.status:
                events.append(_event(each, each.status.lower().replace("_", "-")))
        return await _record(connection, events)


async def _tell_gone(db: Database, places: list[Place]) -> int:
    async with db.write() as connection:
        ids = [each.id for each in places]
        gone = delete(told_place).where(told_place.c.id.in_(ids)).returning(told_place.c.id)
        ours = set(await connection.scalars(gone))
        return await _record(connection, [_event(each, "deleted") for each in places if each.id in ours])


async def _record(connection: AsyncConnection, events: list[Event]) -> int:
    if events:
        await insert_within(connection, events)
        await announce(connection, EVENTS)
    return len(events)


def _event(place: Place, what: str) -> Event:
    now = clock.now()
    resource = {RESOURCE_ID: f"prefect.{place.kind}.{place.id}", RESOURCE_NAME: place.name}
    related: list[Resource] = []
    if place.owner is not None:
        role = "flow" if place.kind == "deployment" else "work-pool"
        related = [{RESOURCE_ID: f"prefect.{role}.{place.owner}", RESOURCE_ROLE: role}]
    return Event(uuid7(), now, f"prefect.{place.kind}.{what}", resource, related, {}, None, now)


async def _told(connection: AsyncConnection) -> list[Place]:
    return [Place(**row) for row in (await connection.execute(select(told_place))).mappings()]


async def _there(db: Database, connection: AsyncConnection) -> list[Place]:
    found: list[Place] = []
    for kind, statement in _statements(db).items():
        rows: Any = await connection.execute(statement)
        for place_id, name, status, updated, owner in rows:
            place = Place(place_id, kind, name, status, updated, None if owner is None else str(owner))
            found.append(place)
    return found


def _statements(db: Database) -> dict[str, Executable]:
    """Statements for id, name, status, time of change and owner of each kind."""
    recently = db.from_now(-work_queues.POLLED_WITHIN_S)
    pool, queue = work_pool.c, work_queue.c
    polled = or_(deployment.c.last_polled > recently, queue.last_polled > recently)
    ready: ColumnElement[str] = case((func.coalesce(polled, False), "READY"), else_="NOT_READY")
    return {
        "work-pool": select(pool.id, pool.name, work_pools.status(db), pool.updated, null()),
        "work-queue": select(queue.id, queue.name, work_queues.status(db), queue.updated, queue.work_pool_id),
        "deployment": select(deployment.c.id, deployment.c.name, ready, deployment.c.updated, flow.c.id)
        .join(flow, flow.c.id == deployment.c.flow_id)
        .outerjoin(work_queue, queue.id == deployment.c.work_queue_id),
    }
