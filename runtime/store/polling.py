"""The runs that polling clients are offered, to be started soon. Reading changes nothing.

The transition to PENDING decides who gets one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, exists, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from . import shared_limits
from .claims import active_by_queue, open_queues
from .database.database import Database
from .database.rows import HOLDING
from .database.tables import deployment, flow_run, run_lease
from .database.types import Timestamp
from .future_runs import orphaned

_MANY = 1_000_000
_BEYOND = (
    3  # runs of a full deployment that are still offered: proposing them tells the client that it is full
)
_MOST_ROUNDS = 20


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

    Of all queues, or the named ones; none of paused queues, and only as many as queues and pool have slots.
    Due runs get the slots first: a run that is not due yet never displaces one, whatever the priority of its
    queue. Runs that a client retries inside its own process are left out.
    """
    async with db.read() as connection:
        queues = [
            queue
            for queue in await open_queues(connection, pool_id)
            if queue_ids is None or queue.id in queue_ids
        ]
        active = await active_by_queue(connection, pool_id)
        now = (await connection.execute(select(type_coerce(db.now(), Timestamp())))).scalar_one()
        time = flow_run.c.next_scheduled_start_time
        left = min([limit, *(_free(queue.pool_limit, sum(active.values())) for queue in queues[:1])])
        room = {queue.id: _free(queue.concurrency_limit, active.get(queue.id, 0)) for queue in queues}
        found: dict[UUID, list[UUID]] = {queue.id: [] for queue in queues}
        offers: dict[UUID, float] = {}
        for until, more in ((min(now, before), time <= now), (before, time > now)):
            for queue in queues:
                of_queue = (flow_run.c.work_queue_id == queue.id) & more
                if after is not None:
                    of_queue &= time >= after
                runs = await _offered(db, connection, of_queue, until, min(left, room[queue.id]), offers)
                found[queue.id] += runs
                room[queue.id] -= len(runs)
                left -= len(runs)
        return [(run_id, queue_id) for queue_id, run_ids in found.items() for run_id in run_ids]


def _free(limit: int | None, active: int) -> int:
    return _MANY if limit is None else max(0, limit - active)


async def of_deployments(
    db: Database, deployment_ids: Sequence[UUID], *, before: datetime, limit: int = 200
) -> list[UUID]:
    """Runs of these deployments that are due before a moment, wherever they wait; by time."""
    of_them = flow_run.c.deployment_id.in_(deployment_ids)
    async with db.read() as connection:
        return [row.id for row in await _due(db, connection, of_them, before, limit)]


async def _offered(
    db: Database,
    connection: AsyncConnection,
    condition: ColumnElement[bool],
    before: datetime,
    limit: int,
    offers: dict[UUID, float],
) -> list[UUID]:
    """Due runs, by time: of limited deployments only a few more than have a slot, so that hundreds of runs
    that wait for their deployment do not hide all others. `offers`: how many more each deployment may give.
    """
    found: list[UUID] = []
    full: set[UUID] = set()
    deployment_id = flow_run.c.deployment_id
    for _ in range(_MOST_ROUNDS):
        others = [or_(deployment_id.is_(None), deployment_id.not_in(full))] if full else []
        more = and_(condition, flow_run.c.id.not_in(found), *others) if found or full else condition
        rows = await _due(db, connection, more, before, limit - len(found))
        of_rows = {row.deployment_id for row in rows if row.deployment_id is not None}
        await _count(db, connection, of_rows - set(offers), offers)
        passed_over = False
        for row in rows:
            if offers.get(row.deployment_id, math.inf) <= 0:
                full.add(row.deployment_id)
                passed_over = True
                continue
            if row.deployment_id is not None:
                offers[row.deployment_id] -= 1
            found.append(row.id)
        if not passed_over:
            break
    return found


async def _count(
    db: Database, connection: AsyncConnection, deployment_ids: set[UUID], offers: dict[UUID, float]
) -> None:
    """Count how many runs each of these deployments may give."""
    offers |= dict.fromkeys(deployment_ids, math.inf)
    own, shared_id = deployment.c.concurrency_limit, deployment.c.global_concurrency_limit_id
    statement = select(deployment.c.id, own, shared_id).where(
        deployment.c.id.in_(deployment_ids), or_(own.is_not(None), shared_id.is_not(None))
    )
    limited: Sequence[Any] = (await connection.execute(statement)).all() if deployment_ids else ()
    if not limited:
        return
    counted = await connection.execute(
        select(flow_run.c.deployment_id, func.count())
        .where(flow_run.c.deployment_id.in_([row.id for row in limited]), flow_run.c.state_type.in_(HOLDING))
        .group_by(flow_run.c.deployment_id)
    )
    held: dict[UUID, int] = {row[0]: row[1] for row in counted}
    shared = await shared_limits.of_ids(db, connection, {row.global_concurrency_limit_id for row in limited})
    for row in limited:
        limit = shared.get(row.global_concurrency_limit_id)
        if limit is not None:
            free: float = limit.limit - limit.active_slots if limit.active else math.inf
        elif row.concurrency_limit is not None:
            free = row.concurrency_limit - held.get(row.id, 0)
        else:
            continue
        offers[row.id] = max(0.0, free) + _BEYOND


async def _due(
    db: Database,
    connection: AsyncConnection,
    condition: ColumnElement[bool],
    before: datetime,
    limit: int,
) -> Sequence[Any]:
    if limit <= 0:
        return []
    run = flow_run.c
    statement = (
        select(run.id, run.deployment_id)
        .where(condition, run.next_scheduled_start_time <= before, *waiting(db))
        .order_by(run.next_scheduled_start_time, run.id)
        .limit(limit)
    )
    return (await connection.execute(statement)).all()


def waiting(db: Database) -> list[ColumnElement[bool]]:
    """Conditions on `flow_run`: it waits to be started."""
    run, lease = flow_run.c, run_lease.c
    retried_by = retry_type(db)
    # A run with a living lease is being retried by the process that holds it.
    held = exists().where(lease.run_id == run.id, lease.owner.is_not(None), lease.until > db.now())
    not_in_process = or_(retried_by.is_(None), retried_by != "in_process")
    return [run.state_type == "SCHEDULED", not_in_process, ~held, ~orphaned()]


def retry_type(db: Database) -> ColumnElement[Any]:
    """The `retry_type` of a run's policy, which tells which process retries it."""
    policy = flow_run.c.empirical_policy
    if db.is_sqlite:
        return func.json_extract(policy, "$.retry_type", type_=Text())
    return func.jsonb_extract_path_text(policy, "retry_type", type_=Text())
