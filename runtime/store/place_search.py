"""Searching work pools, queues and workers by filters, in pages, and counting pools."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from . import work_pools as pools
from . import work_queues as queues
from . import workers as workers_of
from .database.database import Database
from .database.tables import work_pool, work_queue, worker
from .deployment_rows import WorkerRow, WorkPoolRow, WorkQueueRow
from .filter_conditions import FilterConditions
from .filters import WorkerFilter, WorkPoolFilter, WorkQueueFilter


async def work_pools(
    db: Database, asked: WorkPoolFilter | None, limit: int = 200, offset: int = 0
) -> list[WorkPoolRow]:
    """The pools that match, by name."""
    conditions = FilterConditions(db.is_sqlite).work_pool_parts(asked)
    statement = pools.selected(db).where(*conditions).order_by(work_pool.c.name)
    return [WorkPoolRow(**row) for row in await _page(db, statement, limit, offset)]


async def count_work_pools(db: Database, asked: WorkPoolFilter | None) -> int:
    """How many pools match."""
    conditions = FilterConditions(db.is_sqlite).work_pool_parts(asked)
    async with db.read() as connection:
        return int(
            await connection.scalar(select(func.count()).select_from(work_pool).where(*conditions)) or 0
        )


async def work_queues(
    db: Database,
    asked: WorkQueueFilter | None,
    *,
    pool_name: str | None = None,
    limit: int = 200,
    offset: int = 0,
) -> list[WorkQueueRow]:
    """The queues that match: of one pool by priority, or of all by name. Raises NotFound (the pool)."""
    statement = queues.selected(db).where(*FilterConditions(db.is_sqlite).work_queue_parts(asked))
    if pool_name is None:
        statement = statement.order_by(work_queue.c.name, work_queue.c.id)
    else:
        await pools.read(db, pool_name)
        statement = statement.where(work_pool.c.name == pool_name).order_by(work_queue.c.priority)
    return [WorkQueueRow(**row) for row in await _page(db, statement, limit, offset)]


async def workers(
    db: Database, asked: WorkerFilter | None, *, pool_name: str, limit: int = 200, offset: int = 0
) -> list[WorkerRow]:
    """The matching workers of a pool, by last heartbeat, newest first. Raises NotFound (the pool)."""
    pool = await pools.read(db, pool_name)
    conditions = FilterConditions(db.is_sqlite).of_workers(asked, workers_of.status(db))
    statement = (
        workers_of.selected(db)
        .where(worker.c.work_pool_id == pool.id, *conditions)
        .order_by(worker.c.last_heartbeat_time.desc(), worker.c.name)
    )
    return [WorkerRow(**row) for row in await _page(db, statement, limit, offset)]


async def _page(db: Database, statement: Select[Any], limit: int, offset: int) -> Any:
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(min(offset, 2**63 - 1)))
        return rows.mappings().all()
