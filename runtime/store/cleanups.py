"""Clean-ups by services: pauses that timed out, and unfinished parts of cancelled runs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update

from ..states import FINAL_STATES, Cancelled, Cancelling, Failed, State, StateType
from . import flow_run_changes, task_run_changes
from .database.announcements import CHANGES, announce
from .database.database import Database
from .database.tables import flow_run, flow_run_state, run_lease, task_run
from .fences import Fence
from .set_aside import alone

_FINAL = tuple(sorted(state.value for state in FINAL_STATES))
_WHY = "The flow run was cancelled."


async def expire_pauses(db: Database, limit: int = 500) -> list[UUID]:
    """Fail the runs that were paused and not resumed in time; returns their ids."""
    statement = (
        select(flow_run.c.id, flow_run.c.state_id, flow_run_state.c.details)
        .join(flow_run_state, flow_run_state.c.id == flow_run.c.state_id)
        .where(flow_run.c.state_type == "PAUSED")
    )
    now = await db.time()
    async with db.read() as connection:
        paused = (await connection.execute(statement)).all()
    expired: list[UUID] = []
    for run_id, state_id, details in paused:
        paused_still = Fence(state_id=state_id)
        # Not changed if it was resumed meanwhile.
        async with alone(db, run_id, "the end of its pause could not be recorded", paused_still):
            if len(expired) < limit and _is_over(details, now):
                failed = Failed("The run was paused and not resumed in time.")
                if (await flow_run_changes.propose(db, run_id, failed, fence=paused_still)).written:
                    expired.append(run_id)
    return expired


async def cancelled_with_remains(db: Database, since: datetime | None, limit: int = 100) -> list[UUID]:
    """Flow runs that were cancelled (after `since`) and have task runs that have not ended."""
    unfinished = exists(
        select(1)
        .where(task_run.c.flow_run_id == flow_run.c.id, task_run.c.state_type.not_in(_FINAL))
        .correlate(flow_run)
    )
    statement = select(flow_run.c.id).where(flow_run.c.state_type == "CANCELLED", unfinished).limit(limit)
    if since is not None:
        statement = statement.where(flow_run.c.state_timestamp > since)
    async with db.read() as connection:
        return list(await connection.scalars(statement))


async def cancel_remains(db: Database, run_id: UUID) -> int:
    """End the task runs and sub-flow runs of a cancelled flow run; returns the number of task runs. A
    sub-flow run of a deployment is asked to stop, and its executor ends it.
    """
    for child_id, deployment_id, state_id in await _unfinished_children(db, run_id):
        state = Cancelled(_WHY) if deployment_id is None else Cancelling(_WHY)
        fence = Fence(state_id=state_id)
        async with alone(db, child_id, "it could not be cancelled with the run that called it", fence):
            await flow_run_changes.propose(db, child_id, state, fence=fence)
    own = (task_run.c.flow_run_id == run_id, task_run.c.state_type.not_in(_FINAL))
    children = exists(
        select(1)
        .where(flow_run.c.parent_task_run_id == task_run.c.id, flow_run.c.state_type.not_in(_FINAL))
        .correlate(task_run)
    )
    async with db.write() as connection:
        still = select(flow_run.c.state_type).where(flow_run.c.id == run_id).with_for_update()
        if await connection.scalar(still) != "CANCELLED":
            return 0
        ended = await connection.execute(
            update(task_run)
            .where(*own, task_run.c.timeline.is_(None), ~children)
            .values(
                state_type=StateType.CANCELLED.value,
                state_name="Cancelled",
                message=_WHY,
                start_time=func.coalesce(task_run.c.start_time, db.now()),
                end_time=db.now(),
            )
        )
        # In one transaction: afterwards the run may be resumed, and its calls with it.
        with_history = list(await connection.scalars(select(task_run.c.id).where(*own, ~children).limit(500)))
        for task_run_id in with_history:
            cancelled = Cancelled(_WHY)
            await task_run_changes.propose_within(db, connection, task_run_id, cancelled, force=True)
        await announce(connection, CHANGES)
    return ended.rowcount + len(with_history)


async def give_up_on_cancelling(db: Database, after_s: float, limit: int = 200) -> list[UUID]:
    """Cancel runs that have been CANCELLING for `after_s` while no process holds their lease; returns their
    ids.
    """
    living = exists(
        select(1)
        .where(
            run_lease.c.run_id == flow_run.c.id,
            run_lease.c.owner.is_not(None),
            run_lease.c.until > db.now(),
        )
        .correlate(flow_run)
    )
    overdue = (
        select(flow_run.c.id, flow_run.c.state_id)
        .where(
            flow_run.c.state_type == "CANCELLING",
            flow_run.c.state_timestamp <= db.from_now(-after_s),
            ~living,
        )
        .limit(limit)
    )
    async with db.read() as connection:
        found = (await connection.execute(overdue)).all()
    ended: list[UUID] = []
    for run_id, state_id in found:
        gone = Cancelled(f"No process has cancelled it within {after_s:.0f} s.")
        fence = Fence(state_id=state_id, is_unheld=True)
        async with alone(db, run_id, "it could not be recorded as cancelled", fence):
            if (await flow_run_changes.propose(db, run_id, gone, fence=fence)).written:
                ended.append(run_id)
    return ended


async def _unfinished_children(db: Database, run_id: UUID) -> list[tuple[UUID, UUID | None, UUID | None]]:
    """Sub-flow runs of a run that have not ended and are not being cancelled."""
    done = or_(flow_run.c.state_type.in_(_FINAL), flow_run.c.state_type == "CANCELLING")
    statement = (
        select(flow_run.c.id, flow_run.c.deployment_id, flow_run.c.state_id)
        .join(task_run, task_run.c.id == flow_run.c.parent_task_run_id)
        .where(task_run.c.flow_run_id == run_id, ~done)
    )
    async with db.read() as connection:
        return [(row[0], row[1], row[2]) for row in await connection.execute(statement)]


def _is_over(details: dict[str, object], now: datetime) -> bool:
    until = State(StateType.PAUSED, details=dict(details)).moment("pause_timeout")
    return until is not None and until <= now
