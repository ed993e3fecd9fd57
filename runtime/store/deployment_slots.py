"""Limits of deployments, pools and queues when a client proposes PENDING: these slots are counted like in
claims.

A run holds a slot of its deployment while it is in one of the states HOLDING, and a slot of its pool and
queue while it is in one of OCCUPYING, so slots are free again however a run ends. Clients are offered only as
many runs as a pool has slots; but clients that ask at once may be offered different runs, so the slots are
counted again when a run is taken.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..rules.deciding import Abort, Reject, Verdict
from ..states import Cancelled, Scheduled
from . import shared_limits
from .claims import active_by_queue, cancels_new
from .database.database import Database
from .database.rows import HOLDING
from .database.tables import deployment, flow_run, work_pool, work_queue
from .future_runs import AWAITING_SLOT

RULE = "DeploymentLimit"
PLACE_RULE = "WorkPoolLimit"
RETRY_AFTER_S = 30.0  # after this, a run that found no free slot asks again


async def lock_limit(connection: AsyncConnection, run_id: UUID) -> None:
    """Lock the limits of a run, before the run itself and in the order of claims: its pool if it or its queue
    has a limit, its deployment if it has one, and its shared limit.
    """
    in_queue = select(flow_run.c.work_queue_id).where(flow_run.c.id == run_id).scalar_subquery()
    of_queue = (
        select(work_queue.c.work_pool_id)
        .join(work_pool, work_pool.c.id == work_queue.c.work_pool_id)
        .where(work_queue.c.id == in_queue, _has_limit())
        .scalar_subquery()
    )
    pool = select(work_pool.c.id).where(work_pool.c.id == of_queue)
    await connection.execute(pool.with_for_update(key_share=True))
    of_run = select(flow_run.c.deployment_id).where(flow_run.c.id == run_id).scalar_subquery()
    limited = select(deployment.c.id).where(
        deployment.c.id == of_run, deployment.c.concurrency_limit.is_not(None)
    )
    await connection.execute(limited.with_for_update(key_share=True))
    await shared_limits.lock_of_run(connection, run_id)


async def admitted(db: Database, connection: AsyncConnection, run: RowMapping, verdict: Verdict) -> Verdict:
    """The given verdict, or another one when a limit has no free slot for the run."""
    state = verdict.state_to_write
    if state is None or not state.is_pending() or run["state_type"] in HOLDING:
        return verdict
    if run["state_type"] == "SCHEDULED" and run["work_queue_id"] is not None:
        refusal = await _place_is_full(connection, run["work_queue_id"])
        if refusal is not None:
            return Verdict(refusal, None, [*verdict.trail, (refusal.rule, refusal.outcome, refusal.reason)])
    if run["deployment_id"] is None:
        return verdict
    found = await connection.execute(
        select(
            deployment.c.concurrency_limit,
            deployment.c.concurrency_options,
            deployment.c.global_concurrency_limit_id.label("shared_id"),
        ).where(deployment.c.id == run["deployment_id"])
    )
    limited = found.first()
    if limited is None:
        return verdict
    limit: int | None = limited.concurrency_limit
    held: float = 0
    if limited.shared_id is not None:
        shared = (await shared_limits.of_ids(db, connection, [limited.shared_id])).get(limited.shared_id)
        limit = shared.limit if shared is not None and shared.active else None
        held = shared.active_slots if shared is not None else 0
    elif limit is not None:
        held = await _held(connection, run["deployment_id"])
    if limit is None or held + 1 <= limit:
        return verdict
    decision = _refusal(limit, cancels=cancels_new(limited))
    trail = [*verdict.trail, (decision.rule, decision.outcome, decision.reason)]
    return Verdict(decision, decision.state if isinstance(decision, Reject) else None, trail)


async def _held(connection: AsyncConnection, deployment_id: UUID) -> int:
    holders = (
        select(func.count())
        .select_from(flow_run)
        .where(flow_run.c.deployment_id == deployment_id, flow_run.c.state_type.in_(HOLDING))
    )
    return int(await connection.scalar(holders) or 0)


async def _place_is_full(connection: AsyncConnection, queue_id: UUID) -> Abort | None:
    """Abort when the pool or queue is full: the run stays there, and is offered again when a slot is free."""
    place = await limits_of_place(connection, queue_id)
    if place is None:
        return None
    active = await active_by_queue(connection, place.pool_id)
    if place.queue_limit is not None and active.get(queue_id, 0) >= place.queue_limit:
        return Abort(
            PLACE_RULE, f"The limit of work queue {place.queue_name!r} ({place.queue_limit}) is reached"
        )
    if place.pool_limit is not None and sum(active.values()) >= place.pool_limit:
        return Abort(
            PLACE_RULE, f"The limit of work pool {place.pool_name!r} ({place.pool_limit}) is reached"
        )
    return None


class PlaceLimits(NamedTuple):
    """How many runs a pool and its queue let run at once; one of them has a limit."""

    pool_id: UUID
    pool_name: str
    pool_limit: int | None
    queue_name: str
    queue_limit: int | None


async def limits_of_place(connection: AsyncConnection, queue_id: UUID | None) -> PlaceLimits | None:
    """The limits of a queue and of its pool; None when neither has one."""
    pool, queue = work_pool.c, work_queue.c
    found = await connection.execute(
        select(pool.id, pool.name, pool.concurrency_limit, queue.name, queue.concurrency_limit)
        .join(work_pool, pool.id == queue.work_pool_id)
        .where(queue.id == queue_id, _has_limit())
    )
    row = found.first()
    return None if row is None else PlaceLimits(*row)


def _has_limit() -> ColumnElement[bool]:
    return or_(work_pool.c.concurrency_limit.is_not(None), work_queue.c.concurrency_limit.is_not(None))


def _refusal(limit: int, *, cancels: bool) -> Reject | Abort:
    if limit == 0:
        return Abort(RULE, "The deployment's concurrency limit is 0: none of its runs may start.")
    if cancels:
        reason = "The deployment's concurrency limit is reached and its strategy is to cancel new runs"
        return Reject(RULE, Cancelled(reason), reason)
    reason = f"The deployment's concurrency limit ({limit}) is reached"
    again_at = clock.now() + timedelta(seconds=RETRY_AFTER_S)
    return Reject(RULE, Scheduled(again_at, reason, name=AWAITING_SLOT), reason)
