"""What clients that poll are offered: runs that may be started soon. Reading changes nothing.

The transition to PENDING decides who gets one. (Reference notes, section 9.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .claims import active_by_queue, open_queues
from .database import Database
from .future_runs import orphaned
from .tables import flow_run, run_lease


async def of_pool(
    db: Database,
    pool_id: UUID,
    *,
    before: datetime,
    after: datetime | None = None,
    queue_ids: Collection[UUID] | None = None,
    limit: int = 200,
) -> list[tuple[UUID, UUID]]:
    """`(run, queue)` of a pool's runs that are due before a moment: by queue priority, then by time.

    `after`: not those that were due before it.

    Of all queues, or those named; none of paused ones, and no more than queues and pool have slots for. Runs
    that a client retries inside its own process are left out.
    """
    async with db.read() as connection:
        queues = await open_queues(connection, pool_id)
        active = await active_by_queue(connection, pool_id)
        found: list[tuple[UUID, UUID]] = []
        for queue in queues:
            if queue_ids is not None and queue.id not in queue_ids:
                continue
            room = limit - len(found)
            if queue.pool_limit is not None:
                room = min(room, queue.pool_limit - sum(active.values()) - len(found))
            if queue.concurrency_limit is not None:
                room = min(room, queue.concurrency_limit - active.get(queue.id, 0))
            of_queue = flow_run.c.work_queue_id == queue.id
            if after is not None:
                of_queue &= flow_run.c.next_scheduled_start_time >= after
            found += [(run_id, queue.id) for run_id in await _due(db, connection, of_queue, before, room)]
        return found


async def of_deployments(
    db: Database, deployment_ids: Sequence[UUID], *, before: datetime, limit: int = 200
) -> list[UUID]:
    """Runs of these deployments that are due before a moment, wherever they wait; by time."""
    of_them = flow_run.c.deployment_id.in_(deployment_ids)
    async with db.read() as connection:
        return await _due(db, connection, of_them, before, limit)


async def _due(
    db: Database,
    connection: AsyncConnection,
    condition: ColumnElement[bool],
    before: datetime,
    limit: int,
) -> list[UUID]:
    if limit <= 0:
        return []
    run = flow_run.c
    retried_by = retry_type(db)
    lease = run_lease.c
    # A run whose lease lives is being retried by the process that holds it.
    held = exists().where(lease.run_id == run.id, lease.owner.is_not(None), lease.until > db.now())
    statement = (
        select(run.id)
        .where(
            condition,
            run.state_type == "SCHEDULED",
            run.next_scheduled_start_time <= before,
            or_(retried_by.is_(None), retried_by != "in_process"),
            ~held,
            ~orphaned(),
        )
        .order_by(run.next_scheduled_start_time, run.id)
        .limit(limit)
    )
    return list(await connection.scalars(statement))


def retry_type(db: Database) -> ColumnElement[Any]:
    """Who tries a run again when it has failed, as its policy says."""
    policy = flow_run.c.empirical_policy
    if db.is_sqlite:
        return func.json_extract(policy, "$.retry_type", type_=Text())
    return func.jsonb_extract_path_text(policy, "retry_type", type_=Text())
