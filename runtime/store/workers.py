"""Workers: processes that start the runs of a pool, known by their heartbeats."""

from __future__ import annotations

import builtins
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, select, type_coerce
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from .database.announcements import WORKERS, announce
from .database.database import Database
from .database.tables import work_pool, worker
from .database.wire_text import plain_text
from .deployment_rows import WorkerRow

DEFAULT_HEARTBEAT_INTERVAL_S = 30
MISSED_HEARTBEATS = 3  # after this many a worker counts as gone, as in the standard API


async def heartbeat(
    db: Database, pool_name: str, worker_name: str, interval_s: int | None = None
) -> WorkerRow:
    """Record that a worker lives; the first heartbeat creates it. Raises NotFound (the pool)."""
    interval = interval_s or DEFAULT_HEARTBEAT_INTERVAL_S
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    beat: dict[str, Any] = {
        "last_heartbeat_time": db.now(),
        "heartbeat_interval_seconds": interval,
        "updated": db.now(),
    }
    async with db.write() as connection:
        pool_id = await _pool_id(connection, pool_name)
        name = plain_text(worker_name)
        same = (worker.c.work_pool_id == pool_id) & (worker.c.name == name)
        known = await connection.scalar(select(worker.c.id).where(same))
        await connection.execute(
            insert(worker)
            .values(id=uuid7(), work_pool_id=pool_id, name=name, created=db.now(), **beat)
            .on_conflict_do_update(index_elements=["work_pool_id", "name"], set_=beat)
        )
        found = await connection.execute(selected(db).where(same))
        if known is None:
            await announce(connection, WORKERS)
        return WorkerRow(**found.mappings().one())


async def list(db: Database, pool_name: str, limit: int = 200, offset: int = 0) -> builtins.list[WorkerRow]:
    """The workers of a pool, by last heartbeat, newest first. Raises NotFound (the pool)."""
    async with db.read() as connection:
        pool_id = await _pool_id(connection, pool_name)
        rows = await connection.execute(
            selected(db)
            .where(worker.c.work_pool_id == pool_id)
            .order_by(worker.c.last_heartbeat_time.desc(), worker.c.name)
            .limit(limit)
            .offset(offset)
        )
        return [WorkerRow(**row) for row in rows.mappings()]


async def delete(db: Database, pool_name: str, worker_name: str) -> None:
    """Remove a worker. Raises NotFound."""
    async with db.write() as connection:
        pool_id = await _pool_id(connection, pool_name)
        gone = await connection.execute(
            sql_delete(worker).where(worker.c.work_pool_id == pool_id, worker.c.name == worker_name)
        )
        if not gone.rowcount:
            raise NotFound(f"work pool {pool_name!r} has no worker {worker_name!r}")
        await announce(connection, WORKERS)


def is_online(db: Database) -> ColumnElement[bool]:
    """Whether a row of `worker` has had a heartbeat lately."""
    patience = worker.c.heartbeat_interval_seconds * MISSED_HEARTBEATS
    if db.is_sqlite:
        patience_until = type_coerce(worker.c.last_heartbeat_time, BigInteger) + patience * 1_000_000
        return patience_until > db.now()
    return worker.c.last_heartbeat_time + func.make_interval(0, 0, 0, 0, 0, 0, patience) > db.now()


def status(db: Database) -> ColumnElement[str]:
    """ONLINE or OFFLINE, computed when it is read."""
    return case((is_online(db), "ONLINE"), else_="OFFLINE")


def selected(db: Database) -> Select[Any]:
    """Every column of WorkerRow, to be narrowed and sorted."""
    return select(worker, status(db).label("status"))


async def _pool_id(connection: AsyncConnection, name: str) -> UUID:
    found = await connection.scalar(select(work_pool.c.id).where(work_pool.c.name == name))
    if found is None:
        raise NotFound(
            f"there is no work pool {name!r}", hint="heliostat work-pool ls shows the pools there are"
        )
    return found
