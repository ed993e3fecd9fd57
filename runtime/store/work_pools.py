"""Work pools, in which runs of deployments wait to be started."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import Duplicate, NoWorkPool, Reserved
from ..foundation.ids import uuid7
from .database.announcements import POOLS, RUNS, announce
from .database.database import Database
from .database.prepared import prepared
from .database.rows import OCCUPYING
from .database.tables import deployment, flow_run, work_pool, work_queue, worker
from .database.wire_text import json_value, plain_text
from .deployment_rows import NewWorkPool, WorkPoolRow
from .workers import is_online

DEFAULT_POOL = "default"
"""The pool that a server creates at its start, for deployments that name only a queue."""

DEFAULT_QUEUE = "default"
RESERVED_PREFIX = "prefect"  # names of pools that the standard API keeps for itself begin so

_CHANGEABLE = frozenset(
    {"description", "is_paused", "base_job_template", "concurrency_limit", "storage_configuration"}
)
_CHANGEABLE_IF_RESERVED = frozenset({"is_paused", "concurrency_limit"})


async def create(db: Database, new: NewWorkPool) -> WorkPoolRow:
    """Make a work pool with its queue "default".

    Raises Reserved (names that begin with "prefect"), Duplicate (there is one of that name).
    """
    if is_reserved(new.name):
        raise Reserved(
            f"work pool names that begin with {RESERVED_PREFIX!r} are reserved", hint="choose another name"
        )
    async with db.write() as connection:
        if not await _create_within(db, connection, new):
            raise Duplicate(
                f"there is a work pool {new.name!r} already", hint="change it, or choose another name"
            )
        return await _one(db, connection, work_pool.c.name == plain_text(new.name), new.name)


async def get_or_create(db: Database, new: NewWorkPool) -> WorkPoolRow:
    """The pool of that name, created if it does not exist."""
    async with db.write() as connection:
        await _create_within(db, connection, new)
        return await _one(db, connection, work_pool.c.name == plain_text(new.name), new.name)


async def read(db: Database, name: str) -> WorkPoolRow:
    """The pool of that name. Raises NotFound."""
    async with db.read() as connection:
        return _found(await connection.execute(_by_name(db), {"pool": name}), name)


async def read_by_id(db: Database, pool_id: UUID) -> WorkPoolRow:
    """The pool with that id. Raises NotFound."""
    async with db.read() as connection:
        return _found(await connection.execute(_by_id(db), {"pool": pool_id}), pool_id)


@prepared
def _by_name(db: Database) -> Select[Any]:
    return selected(db).where(work_pool.c.name == bindparam("pool"))


@prepared
def _by_id(db: Database) -> Select[Any]:
    return selected(db).where(work_pool.c.id == bindparam("pool"))


async def list(db: Database, limit: int = 200, offset: int = 0) -> builtins.list[WorkPoolRow]:
    """Work pools by name."""
    async with db.read() as connection:
        rows = await connection.execute(selected(db).order_by(work_pool.c.name).limit(limit).offset(offset))
        return [WorkPoolRow(**row) for row in rows.mappings()]


async def change(db: Database, name: str, changes: Mapping[str, Any]) -> WorkPoolRow:
    """Set any of description, is_paused, base_job_template, concurrency_limit, storage_configuration.

    Raises NotFound, Reserved (of reserved pools only pause and limit can be changed).
    """
    allowed = _CHANGEABLE_IF_RESERVED if is_reserved(name) else _CHANGEABLE
    if refused := sorted(set(changes) - allowed):
        raise Reserved(f"{', '.join(refused)} of work pool {name!r} cannot be changed")
    values = {key: json_value(value) for key, value in changes.items()}
    async with db.write() as connection:
        await connection.execute(
            update(work_pool).where(work_pool.c.name == plain_text(name)).values(**values, updated=db.now())
        )
        await announce(connection, POOLS, RUNS)
        return await _one(db, connection, work_pool.c.name == plain_text(name), name)


async def delete(db: Database, name: str) -> None:
    """Remove a pool with its queues and workers; runs and deployments stay, without pool and queue. Waiting
    runs move to the next pool of their deployment. Raises NotFound, Reserved.
    """
    if is_reserved(name):
        raise Reserved(f"work pool {name!r} cannot be deleted")
    async with db.write() as connection:
        found = await connection.scalar(
            select(work_pool.c.id).where(work_pool.c.name == plain_text(name)).with_for_update()
        )
        if found is None:
            raise NoWorkPool(name)
        queues = select(work_queue.c.id).where(work_queue.c.work_pool_id == found).scalar_subquery()
        nowhere = {"work_pool_id": None, "work_queue_id": None}
        waiting_there = flow_run.c.work_queue_id.in_(queues)
        await connection.execute(update(flow_run).where(waiting_there).values(nowhere))
        of_it = or_(deployment.c.work_queue_id.in_(queues), deployment.c.work_pool_id == found)
        await connection.execute(update(deployment).where(of_it).values(nowhere))
        await connection.execute(sql_delete(worker).where(worker.c.work_pool_id == found))
        await connection.execute(sql_delete(work_queue).where(work_queue.c.work_pool_id == found))
        await connection.execute(sql_delete(work_pool).where(work_pool.c.id == found))
        await announce(connection, POOLS)


def is_reserved(name: str) -> bool:
    """Whether only the system may create pools of that name."""
    return name.lower().startswith(RESERVED_PREFIX)


def selected(db: Database) -> Select[Any]:
    """Every column of WorkPoolRow, to be narrowed and sorted."""
    return select(work_pool, status(db).label("status"), _active_slots().label("active_slots"))


def status(db: Database) -> ColumnElement[str]:
    """PAUSED, READY with a worker online, else NOT_READY; computed when it is read."""
    online = exists(
        select(1).where(worker.c.work_pool_id == work_pool.c.id, is_online(db)).correlate(work_pool)
    )
    return case((work_pool.c.is_paused, "PAUSED"), (online, "READY"), else_="NOT_READY")


def _active_slots() -> ColumnElement[int | None]:
    queue = work_queue.alias("queue_of_pool")
    counted = (
        select(func.count())
        .select_from(flow_run.join(queue, queue.c.id == flow_run.c.work_queue_id))
        .where(queue.c.work_pool_id == work_pool.c.id, flow_run.c.state_type.in_(OCCUPYING))
        .correlate(work_pool)
        .scalar_subquery()
    )
    return case((work_pool.c.concurrency_limit.is_not(None), counted), else_=null())


async def _create_within(db: Database, connection: AsyncConnection, new: NewWorkPool) -> bool:
    pool_id, queue_id = uuid7(), uuid7()
    made = await connection.execute(
        (sqlite.insert if db.is_sqlite else postgresql.insert)(work_pool)
        .values(
            id=pool_id,
            name=plain_text(new.name),
            type=new.type,
            description=new.description,
            base_job_template=json_value(new.base_job_template),
            is_paused=new.is_paused,
            concurrency_limit=new.concurrency_limit,
            default_queue_id=queue_id,
            storage_configuration=json_value(new.storage_configuration),
            created=db.now(),
            updated=db.now(),
        )
        .on_conflict_do_nothing(index_elements=["name"])
    )
    if not made.rowcount:
        return False
    await connection.execute(
        insert(work_queue).values(
            id=queue_id,
            work_pool_id=pool_id,
            name=DEFAULT_QUEUE,
            description="The work pool's default queue.",
            priority=1,
            is_paused=False,
            created=db.now(),
            updated=db.now(),
        )
    )
    await announce(connection, POOLS)
    return True


async def _one(
    db: Database, connection: AsyncConnection, condition: ColumnElement[bool], reference: object
) -> WorkPoolRow:
    return _found(await connection.execute(selected(db).where(condition)), reference)


def _found(result: CursorResult[Any], reference: object) -> WorkPoolRow:
    row = result.mappings().first()
    if row is None:
        raise NoWorkPool(reference)
    return WorkPoolRow(**row)
