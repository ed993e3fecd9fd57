"""A deployment's limit, where a client proposes PENDING: the same slots that claims count.

A run holds a slot while it is in one of the states HOLDING, so slots come back by themselves with whatever
ends a run. (Reference notes, section 6, rules 7, 8 and 17; section 11.)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .. import clock
from ..rules import Abort, Reject, Verdict
from ..states import Cancelled, Scheduled
from . import shared_limits
from .database import Database
from .future_runs import AWAITING_SLOT
from .tables import deployment, flow_run
from .work_pools import HOLDING

RULE = "DeploymentLimit"
RETRY_AFTER_S = 30.0  # reference notes, section 11


async def lock_limit(connection: AsyncConnection, run_id: UUID) -> None:
    """Lock the deployment of a run, if it has a limit, or the limit that it shares: before the run itself."""
    of_run = select(flow_run.c.deployment_id).where(flow_run.c.id == run_id).scalar_subquery()
    limited = select(deployment.c.id).where(
        deployment.c.id == of_run, deployment.c.concurrency_limit.is_not(None)
    )
    await connection.execute(limited.with_for_update(key_share=True))
    await shared_limits.lock_of_run(connection, run_id)


async def admitted(db: Database, connection: AsyncConnection, run: RowMapping, verdict: Verdict) -> Verdict:
    """The verdict, or what the limit of the run's deployment makes of it when no slot is free."""
    state = verdict.state_to_write
    if state is None or not state.is_pending() or run["state_type"] in HOLDING:
        return verdict
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
    options: dict[str, Any] = limited.concurrency_options or {}
    decision = _refusal(limit, cancels=options.get("collision_strategy") == "CANCEL_NEW")
    trail = [*verdict.trail, (decision.rule, decision.outcome, decision.reason)]
    return Verdict(decision, decision.state if isinstance(decision, Reject) else None, trail)


async def _held(connection: AsyncConnection, deployment_id: UUID) -> int:
    holders = (
        select(func.count())
        .select_from(flow_run)
        .where(flow_run.c.deployment_id == deployment_id, flow_run.c.state_type.in_(HOLDING))
    )
    return int(await connection.scalar(holders) or 0)


def _refusal(limit: int, *, cancels: bool) -> Reject | Abort:
    if limit == 0:
        return Abort(RULE, "The deployment's concurrency limit is 0: none of its runs may start.")
    if cancels:
        reason = "The deployment's concurrency limit is reached and its strategy is to cancel new runs"
        return Reject(RULE, Cancelled(reason), reason)
    reason = f"The deployment's concurrency limit ({limit}) is reached"
    again_at = clock.now() + timedelta(seconds=RETRY_AFTER_S)
    return Reject(RULE, Scheduled(again_at, reason, name=AWAITING_SLOT), reason)
