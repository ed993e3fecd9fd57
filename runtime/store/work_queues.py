"""Work queues: the lines of a pool, each with its own priority and limit."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, insert, null, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import Duplicate, NotFound, NoWorkPool, Reserved
from ..foundation.ids import uuid7
from .database.announcements import POOLS, RUNS, announce
from .database.database import Database
from .database.rows import OCCUPYING
from .database.tables import deployment, flow_run, work_pool, work_queue
from .database.wire_text import plain_text
from .deployment_rows import NewWorkQueue, WorkQueueRow
from .work_pools import DEFAULT_POOL

POLLED_WITHIN_S = 60.0
"""A queue or deployment that was not polled for this long is not ready."""

_CHANGEABLE = frozenset({"name", "description", "is_paused", "concurrency_limit", "priority", "last_polled"})


async def create(db: Database, pool_name: str, new: NewWorkQueue) -> WorkQueueRow:
    """Create a queue; those at its priority and after it move back. Raises NotFound (the pool), Duplicate."""
    async with db.write() as connection:
        pool_id = await _locked_pool(connection, pool_name)
        known = (await _ids_by_name(connection, pool_id)).get(new.name)
        if known is not None:
            raise Duplicate(f"work pool {pool_name!r} has a queue {new.name!r} already")
        queue_id = await create_within(db, connection, pool_id, new)
        return await _one(db, connection, work_queue.c.id == queue_id, new.name)


async def create_within(db: Database, connection: AsyncConnection, pool_id: UUID, new: NewWorkQueue) -> UUID:
    """`create` within a larger transaction that has locked the pool."""
    queue_id = uuid7()
    priorities = await _priorities(connection, pool_id)
    priority = new.priority or first_free(priorities.values())
    await connection.execute(
        insert(work_queue).values(
            id=queue_id,
            work_pool_id=pool_id,
            name=plain_text(new.name),
            description=new.description,
            priority=priority,
            is_paused=new.is_paused,
            concurrency_limit=new.concurrency_limit,
            created=db.now(),
            updated=db.now(),
        )
    )
    await _make_room(connection, priorities, queue_id, priority)
    await announce(connection, POOLS)
    return queue_id


async def get_or_create_within(db: Database, connection: AsyncConnection, pool_id: UUID, name: str) -> UUID:
    """The id of the queue of that name, created if it does not exist; the pool is locked already."""
    known = (await _ids_by_name(connection, pool_id)).get(name)
    return known or await create_within(db, connection, pool_id, NewWorkQueue(name))


async def place_within(
    db: Database, connection: AsyncConnection, pool_name: str | None, queue_name: str | None
) -> dict[str, UUID | None]:
    """Ids of a pool and queue by their names; a queue without a pool is in the default pool. A missing queue
    is created. Raises NotFound (the pool).
    """
    if pool_name is None and queue_name is None:
        return {"work_pool_id": None, "work_queue_id": None}
    pool_name = pool_name or DEFAULT_POOL
    statement = select(work_pool.c.id, work_pool.c.default_queue_id).where(_of_pool(pool_name))
    if queue_name is not None:
        statement = statement.with_for_update(key_share=True)
    pool = (await connection.execute(statement)).first()
    if pool is None:
        raise NoWorkPool(pool_name)
    if queue_name is None:
        return {"work_pool_id": pool.id, "work_queue_id": pool.default_queue_id}
    queue_id = await get_or_create_within(db, connection, pool.id, queue_name)
    return {"work_pool_id": pool.id, "work_queue_id": queue_id}


async def read(db: Database, pool_name: str, name: str) -> WorkQueueRow:
    """The queue of that name in that pool. Raises NotFound."""
    condition = _of_pool(pool_name) & (work_queue.c.name == plain_text(name))
    async with db.read() as connection:
        return await _one(db, connection, condition, name)


async def read_by_id(db: Database, queue_id: UUID) -> WorkQueueRow:
    """The queue with that id. Raises NotFound."""
    async with db.read() as connection:
        return await _one(db, connection, work_queue.c.id == queue_id, queue_id)


async def list(
    db: Database, pool_name: str, limit: int = 200, offset: int = 0
) -> builtins.list[WorkQueueRow]:
    """The queues of a pool by priority. Raises NotFound (the pool)."""
    async with db.read() as connection:
        if await connection.scalar(select(work_pool.c.id).where(_of_pool(pool_name))) is None:
            raise NoWorkPool(pool_name)
        statement = selected(db).where(_of_pool(pool_name)).order_by(work_queue.c.priority)
        rows = await connection.execute(statement.limit(limit).offset(offset))
        return [WorkQueueRow(**row) for row in rows.mappings()]


async def change(db: Database, pool_name: str, name: str, changes: Mapping[str, Any]) -> WorkQueueRow:
    """Set any of name, description, is_paused, concurrency_limit, priority, last_polled.

    A new priority moves the queue that has it, and those after it, back. Raises NotFound, Duplicate (the new
    name).
    """
    values = {key: value for key, value in changes.items() if key in _CHANGEABLE}
    async with db.write() as connection:
        pool_id = await _locked_pool(connection, pool_name)
        ids = await _ids_by_name(connection, pool_id)
        if name not in ids:
            raise _missing(name)
        if values.get("name", name) != name and values["name"] in ids:
            raise Duplicate(f"work pool {pool_name!r} has a queue {values['name']!r} already")
        priorities = await _priorities(connection, pool_id)
        await connection.execute(
            update(work_queue).where(work_queue.c.id == ids[name]).values(**values, updated=db.now())
        )
        if values.get("priority"):
            await _make_room(connection, priorities, ids[name], values["priority"])
        if set(values) - {"last_polled"}:
            await announce(connection, POOLS, RUNS)
        return await _one(db, connection, work_queue.c.id == ids[name], name)


async def delete(db: Database, pool_name: str, name: str) -> None:
    """Remove a queue; its runs and deployments move to the pool's default queue, so that none waits for ever.

    Raises NotFound, Reserved (the pool's default queue, which it must keep).
    """
    async with db.write() as connection:
        pool_id = await _locked_pool(connection, pool_name)
        queue_id = (await _ids_by_name(connection, pool_id)).get(name)
        if queue_id is None:
            raise _missing(name)
        of_pool = select(work_pool.c.default_queue_id).where(work_pool.c.id == pool_id)
        default_id = await connection.scalar(of_pool)
        if default_id == queue_id:
            raise Reserved(f"{name!r} is the default queue of work pool {pool_name!r} and cannot be deleted")
        for table in (deployment, flow_run):
            await connection.execute(
                update(table).where(table.c.work_queue_id == queue_id).values(work_queue_id=default_id)
            )
        await connection.execute(sql_delete(work_queue).where(work_queue.c.id == queue_id))
        await announce(connection, POOLS, RUNS)


async def polled(db: Database, queue_ids: Iterable[UUID]) -> None:
    """Note that a client asked for runs of these queues, which makes them and their deployments ready."""
    async with db.write() as connection:
        await connection.execute(
            update(work_queue)
            .where(work_queue.c.id.in_(builtins.list(queue_ids)))
            .values(last_polled=db.now())
        )


def _of_pool(name: str) -> ColumnElement[bool]:
    return work_pool.c.name == plain_text(name)


def status(db: Database) -> ColumnElement[str]:
    """PAUSED, READY when it was polled lately, else NOT_READY; computed when it is read."""
    return case(
        (work_queue.c.is_paused, "PAUSED"),
        (work_queue.c.last_polled > db.from_now(-POLLED_WITHIN_S), "READY"),
        else_="NOT_READY",
    )


def selected(db: Database) -> Select[Any]:
    """Every column of WorkQueueRow, to be narrowed and sorted; `work_pool` is joined."""
    counted = (
        select(func.count())
        .where(flow_run.c.work_queue_id == work_queue.c.id, flow_run.c.state_type.in_(OCCUPYING))
        .correlate(work_queue)
        .scalar_subquery()
    )
    slots: ColumnElement[int | None] = case(
        (work_queue.c.concurrency_limit.is_not(None), counted), else_=null()
    )
    return select(
        work_queue,
        work_pool.c.name.label("work_pool_name"),
        status(db).label("status"),
        slots.label("active_slots"),
    ).join(work_pool, work_pool.c.id == work_queue.c.work_pool_id)


def first_free(priorities: Collection[int]) -> int:
    """The lowest priority that no queue has."""
    taken = set(priorities)
    return next(number for number in count(1) if number not in taken)


def shifted(priorities: Mapping[UUID, int], moved: UUID, priority: int) -> dict[UUID, int]:
    """The priorities that change when `moved` gets `priority`: the queue that has it moves one back, and so
    on.
    """
    taken = {number: queue for queue, number in priorities.items() if queue != moved}
    changes = {moved: priority}
    while priority in taken:
        changes[taken[priority]] = priority + 1
        priority += 1
    return changes


async def _make_room(
    connection: AsyncConnection, priorities: Mapping[UUID, int], moved: UUID, priority: int
) -> None:
    for queue_id, number in shifted(priorities, moved, priority).items():
        if priorities.get(queue_id) != number:
            await connection.execute(
                update(work_queue).where(work_queue.c.id == queue_id).values(priority=number)
            )


async def _locked_pool(connection: AsyncConnection, name: str) -> UUID:
    """The id of the pool, locked so that changes to its queues run one after another."""
    found = await connection.scalar(
        select(work_pool.c.id).where(_of_pool(name)).with_for_update(key_share=True)
    )
    if found is None:
        raise NoWorkPool(name)
    return found


async def _ids_by_name(connection: AsyncConnection, pool_id: UUID) -> dict[str, UUID]:
    statement = select(work_queue.c.name, work_queue.c.id).where(work_queue.c.work_pool_id == pool_id)
    return {row.name: row.id for row in await connection.execute(statement)}


async def _priorities(connection: AsyncConnection, pool_id: UUID) -> dict[UUID, int]:
    statement = select(work_queue.c.id, work_queue.c.priority).where(work_queue.c.work_pool_id == pool_id)
    return {row.id: row.priority for row in await connection.execute(statement)}


async def _one(
    db: Database, connection: AsyncConnection, condition: ColumnElement[bool], reference: object
) -> WorkQueueRow:
    row = (await connection.execute(selected(db).where(condition))).mappings().first()
    if row is None:
        raise _missing(reference)
    return WorkQueueRow(**row)


def _missing(reference: object) -> NotFound:
    return NotFound(
        f"there is no work queue {str(reference)!r}",
        hint="heliostat work-queue ls shows which there are",
    )
