"""Cancels new runs of full deployments whose strategy is CANCEL_NEW, wherever they wait.

A claim, or a proposal of PENDING over the API, cancels such a run when its turn comes. Its turn never comes
while the pool, the queue or the serving runner is full, too, so a service looks for such runs.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import shared_limits
from .claims import cancel_new_within, cancels_new
from .database.database import Database
from .database.rows import HOLDING
from .database.tables import deployment, flow_run, work_pool, work_queue
from .polling import waiting


async def cancel_new(db: Database, limit: int = 500) -> list[UUID]:
    """Cancel due runs of full deployments with that strategy; returns their ids. Runs in paused pools and
    queues are left alone: they do not need a slot yet.
    """
    own, shared = deployment.c.concurrency_limit, deployment.c.global_concurrency_limit_id
    options = deployment.c.concurrency_options
    limited = select(deployment.c.id, options).where(
        options.is_not(None), or_(own.is_not(None), shared.is_not(None))
    )
    async with db.read() as connection:
        strict = [row.id for row in await connection.execute(limited) if cancels_new(row)]
        if not strict:
            return []
        due = select(flow_run.c.deployment_id).where(flow_run.c.deployment_id.in_(strict), *_due(db))
        asking = sorted(set(await connection.scalars(due.distinct())))
    cancelled: list[UUID] = []
    for deployment_id in asking:
        async with db.write() as connection:
            cancelled += await _cancel_new_of(db, connection, deployment_id, limit)
    return cancelled


def _due(db: Database) -> list[Any]:
    """Conditions on runs that only limits keep from being given out."""
    paused = (
        select(1)
        .select_from(work_queue.join(work_pool, work_pool.c.id == work_queue.c.work_pool_id))
        .where(
            work_queue.c.id == flow_run.c.work_queue_id, or_(work_queue.c.is_paused, work_pool.c.is_paused)
        )
        .correlate(flow_run)
        .exists()
    )
    return [*waiting(db), flow_run.c.next_scheduled_start_time <= db.now(), ~paused]


async def _cancel_new_of(
    db: Database, connection: AsyncConnection, deployment_id: UUID, limit: int
) -> list[UUID]:
    # Locked in the way of claims; a deployment locked by a claim or an edit is left for the next time.
    lock = select(
        deployment.c.concurrency_limit,
        deployment.c.global_concurrency_limit_id,
        deployment.c.concurrency_options,
    ).where(deployment.c.id == deployment_id)
    found = (await connection.execute(lock.with_for_update(key_share=True, skip_locked=True))).first()
    if found is None or not cancels_new(found):
        return []
    if found.global_concurrency_limit_id is not None:
        # Missing when another transaction has the limit locked, so it cannot be counted.
        shared = (await shared_limits.of_ids(db, connection, [found.global_concurrency_limit_id])).values()
        is_full = any(each.active and each.active_slots + 1 > each.limit for each in shared)
    else:
        held = select(func.count()).where(
            flow_run.c.deployment_id == deployment_id, flow_run.c.state_type.in_(HOLDING)
        )
        own: int | None = found.concurrency_limit
        is_full = own is not None and (await connection.scalar(held) or 0) >= own
    if not is_full:
        return []
    runs = (
        select(flow_run.c.id, flow_run.c.next_scheduled_start_time.label("due_at"))
        .where(flow_run.c.deployment_id == deployment_id, *_due(db))
        .order_by(flow_run.c.next_scheduled_start_time)
        .limit(limit)
        .with_for_update(of=flow_run, key_share=True, skip_locked=True)
    )
    refused = (await connection.execute(runs)).all()
    await cancel_new_within(db, connection, refused)
    return [run.id for run in refused]
