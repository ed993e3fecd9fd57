"""Concurrency limits that deployments share: each of their runs takes a slot while it is active. These slots
are counted by the runs' states, so none can leak, and add to those held by name or by a lease.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from .concurrency_limits import LimitRow, selected
from .database.database import Database
from .database.setup_tables import concurrency_limit
from .database.tables import deployment, flow_run


async def free_slots(
    db: Database, connection: AsyncConnection, limit_ids: Collection[UUID]
) -> dict[UUID, float]:
    """Lock limits and count their free slots, without limits that another transaction has locked. Inactive or
    removed limits restrict nothing.
    """
    columns = concurrency_limit.c
    there = set(await connection.scalars(select(columns.id).where(columns.id.in_(limit_ids))))
    locked = await connection.scalars(
        select(columns.id)
        .where(columns.id.in_(there))
        .order_by(columns.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    rows = await _rows(db, connection, set(locked))
    free = dict.fromkeys(limit_ids, math.inf) | dict.fromkeys(there, 0.0)
    return free | {row.id: _free(row) for row in rows}


async def lock_of_run(connection: AsyncConnection, run_id: UUID) -> None:
    """Lock the shared limit of a run's deployment, if it has one."""
    of_deployment = (
        select(deployment.c.global_concurrency_limit_id)
        .join(flow_run, flow_run.c.deployment_id == deployment.c.id)
        .where(flow_run.c.id == run_id)
        .scalar_subquery()
    )
    limit = select(concurrency_limit.c.id).where(concurrency_limit.c.id == of_deployment)
    await connection.execute(limit.with_for_update(key_share=True))


async def of_ids(
    db: Database, connection: AsyncConnection, limit_ids: Collection[UUID | None]
) -> dict[UUID, LimitRow]:
    """The limits of these ids, by id."""
    wanted = {each for each in limit_ids if each is not None}
    return {row.id: row for row in await _rows(db, connection, wanted)} if wanted else {}


async def check(db: Database, limit_id: UUID) -> None:
    """Raise NotFound unless the limit exists."""
    async with db.read() as connection:
        known = select(concurrency_limit.c.id).where(concurrency_limit.c.id == limit_id)
        if await connection.scalar(known) is None:
            raise NotFound(f"there is no concurrency limit {limit_id}")


def _free(row: LimitRow) -> float:
    return math.floor(max(0.0, row.limit - row.active_slots)) if row.active else math.inf


async def _rows(db: Database, connection: AsyncConnection, limit_ids: Collection[UUID]) -> list[LimitRow]:
    if not limit_ids:
        return []
    rows = await connection.execute(selected(db).where(concurrency_limit.c.id.in_(limit_ids)))
    return [LimitRow(**row) for row in rows.mappings()]
