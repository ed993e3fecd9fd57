"""Runs of deployments that are removed: their records stay, and no worker gets them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..states import StateType
from .database.database import Database
from .database.tables import flow_run, run_lease
from .future_runs import made_ahead, remove_within
from .polling import retry_type
from .run_moves import Move, move_within

_BATCH = 500
DELETED = "Its deployment was deleted, so it will not be started."


async def end_runs_within(db: Database, connection: AsyncConnection, deployment_id: UUID) -> None:
    """Remove the runs that schedules made ahead, and cancel those that wait for a worker. A run that its own
    process retries stays with that process.
    """
    of_it = flow_run.c.deployment_id == deployment_id
    await remove_within(connection, [of_it, *made_ahead(db)])
    lease = run_lease.c
    held = exists().where(lease.run_id == flow_run.c.id, lease.owner.is_not(None), lease.until > db.now())
    leased = exists().where(lease.run_id == flow_run.c.id, lease.owner.is_not(None))
    retried_by = retry_type(db)
    waiting = (
        select(flow_run.c.id)
        .where(
            of_it,
            flow_run.c.state_type == "SCHEDULED",
            ~held,
            or_(leased, retried_by.is_(None), retried_by != "in_process"),
        )
        .order_by(flow_run.c.id)
        .limit(_BATCH)
        .with_for_update(of=flow_run)
    )
    while run_ids := list(await connection.scalars(waiting)):
        moves = [Move(run_id, {}) for run_id in run_ids]
        await move_within(db, connection, moves, StateType.CANCELLED, "Cancelled", DELETED)
