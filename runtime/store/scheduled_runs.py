"""Runs on their way to a process: made from deployments, late, or given back.

Claiming and polling them have files of their own (`claims`, `polling`), and so has what dead owners left
(`rescues`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, type_coerce, update
from sqlalchemy.exc import IntegrityError

from ..foundation.errors import NotFound
from ..scheduling.schedule_slots import LATE_AFTER_S
from ..states import Scheduled, State, StateType
from . import new_runs, search
from .claims import claim
from .database.announcements import RUNS, announce
from .database.database import Database
from .database.tables import deployment, flow_run, run_lease, work_pool
from .database.types import Timestamp
from .deployment_ends import DELETED
from .deployment_rows import DeploymentRow
from .deployment_run_rows import NewDeploymentRun, run_and_state_rows
from .flow_run_changes import tell_parent_within
from .flow_runs import INSERT_STATE, insert_flow_run
from .future_runs import orphaned
from .run_moves import Move, move_within
from .schedules import missing_deployment
from .search import FlowRunAndState
from .work_queues import get_or_create_within

__all__ = ["claim", "create_run", "create_run_of", "mark_late", "release"]

_DEPLOYMENT = select(deployment).where(deployment.c.id == bindparam("deployment"))


async def create_run(
    db: Database, deployment_id: UUID, new: NewDeploymentRun | None = None
) -> tuple[UUID, bool]:
    """Record a run of a deployment, Scheduled unless `new` says otherwise.

    Returns its id and whether it was created: an existing run of the flow with that idempotency key is
    returned. A missing queue is created. Parameters and job variables are not checked here. Raises NotFound
    (the deployment).
    """
    new = new or NewDeploymentRun()
    first = new.state or Scheduled()
    new = replace(new, state=first)
    try:
        return await _create(db, deployment_id, new, first)
    except IntegrityError:  # another process has just recorded the run: find it now
        return await _create(db, deployment_id, new, first)


async def create_run_of(
    db: Database, owner: DeploymentRow, new: NewDeploymentRun
) -> tuple[FlowRunAndState, bool]:
    """`create_run` for a deployment that the caller has just read; returns the run."""
    if new.idempotency_key is None and new.work_queue_name is None and new.parent_task_run_id is None:
        place = (owner.work_pool_name, owner.work_queue_name)
        rows = run_and_state_rows(owner.columns(), new)
        recorded = await new_runs.record(db, *rows, is_due=True, place=place)
        if recorded is None:
            raise missing_deployment(owner.id)
        return recorded, True
    run_id, is_new = await create_run(db, owner.id, new)
    return await search.one_flow_run(db, run_id), is_new


async def mark_late(db: Database, after_s: float = LATE_AFTER_S, limit: int = 500) -> list[UUID]:
    """Mark Scheduled runs that are overdue by more than `after_s` seconds as Late; returns their ids. At most
    `limit`, the oldest first; runs that are being claimed are skipped.
    """
    # A literal, not a parameter: the index has only rows of this name.
    scheduled: ColumnElement[bool] = flow_run.c.state_name == literal_column("'Scheduled'")
    overdue = (
        select(flow_run.c.id, flow_run.c.next_scheduled_start_time)
        .where(
            scheduled,
            flow_run.c.state_type == "SCHEDULED",
            flow_run.c.next_scheduled_start_time <= _stable_now(db, -after_s),
        )
        .order_by(flow_run.c.next_scheduled_start_time)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    async with db.write() as connection:
        moves = [
            Move(run_id, {"scheduled_time": due_at}, due_at)
            for run_id, due_at in (await connection.execute(overdue)).all()
        ]
        await move_within(db, connection, moves, StateType.SCHEDULED, "Late")
        return [move.run_id for move in moves]


async def release(
    db: Database,
    run_id: UUID,
    epoch: int,
    owner_id: UUID,
    *,
    delay_s: float = 0.0,
    message: str | None = None,
) -> bool:
    """Release a claimed run that could not be started: it is Scheduled again, `delay_s` from now. A run whose
    deployment was deleted meanwhile is Cancelled.

    Returns False and changes nothing when it is no longer PENDING under that lease.
    """
    lease, run = run_lease.c, flow_run.c
    mine = select(lease.run_id).where(lease.run_id == run_id, lease.epoch == epoch, lease.owner == owner_id)
    pending = select(type_coerce(db.from_now(delay_s), Timestamp()), orphaned()).where(
        run.id == run_id, run.state_type == "PENDING"
    )
    async with db.write() as connection:
        if await connection.scalar(mine.with_for_update()) is None:  # the lease first, as the journal does
            return False
        found = (await connection.execute(pending.with_for_update())).first()
        if found is None:
            return False
        due_at, is_orphaned = found
        free = update(run_lease).where(lease.run_id == run_id).values(owner=None, until=db.now())
        await connection.execute(free)
        if is_orphaned:
            await move_within(db, connection, [Move(run_id, {})], StateType.CANCELLED, "Cancelled", DELETED)
        else:
            move = Move(run_id, {"scheduled_time": due_at}, due_at)
            await move_within(db, connection, [move], StateType.SCHEDULED, "Scheduled", message)
        await announce(connection, RUNS)
        return True


async def _create(
    db: Database, deployment_id: UUID, new: NewDeploymentRun, first: State
) -> tuple[UUID, bool]:
    async with db.write() as connection:
        found = await connection.execute(_DEPLOYMENT, {"deployment": deployment_id})
        owner = found.mappings().first()
        if owner is None:
            raise missing_deployment(deployment_id)
        if new.idempotency_key is not None:
            same = (flow_run.c.flow_id == owner["flow_id"]) & (
                flow_run.c.idempotency_key == new.idempotency_key
            )
            known = await connection.scalar(select(flow_run.c.id).where(same))
            if known is not None:
                return known, False
        run, state = run_and_state_rows(owner, new)
        if new.work_queue_name is not None:
            if owner["work_pool_id"] is None:
                raise NotFound(
                    f"deployment {owner['name']!r} has no work pool, so there is no queue "
                    f"{new.work_queue_name!r} for its run",
                    hint="give the deployment a work pool, or leave the queue out",
                )
            pool = select(work_pool.c.id).where(work_pool.c.id == owner["work_pool_id"])
            await connection.execute(pool.with_for_update(key_share=True))
            run["work_queue_id"] = await get_or_create_within(
                db, connection, owner["work_pool_id"], new.work_queue_name
            )
        await connection.execute(insert_flow_run(db), run)
        await connection.execute(INSERT_STATE, state)
        await tell_parent_within(db, connection, new.parent_task_run_id, new.id, first)
        await announce(connection, RUNS)
        return new.id, True


def _stable_now(db: Database, seconds: float) -> ColumnElement[Any]:
    """A moment by which an index can be searched: constant within a statement."""
    if db.is_sqlite:
        return db.from_now(seconds)
    return func.statement_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
