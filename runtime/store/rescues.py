"""Runs whose executor is gone: they are released to be claimed again, or get a state that tells of the
loss.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..rules.deciding import Accept, Verdict
from ..states import State
from .database.announcements import COMMANDS, RUNS, announce
from .database.database import Database
from .database.tables import flow_run, run_lease, task_run, work_pool
from .decision_trail import record_trail, trail_of
from .deployment_rows import LapsedLease, StrandedClaim
from .fences import AT_WORK
from .flow_run_changes import write_within
from .future_runs import orphaned
from .losses import RULE
from .recorded_states import read_state_within

_OWN_POOLS = ("process", "ray")


async def lapsed(db: Database, *, script_patience_s: float, limit: int = 200) -> list[LapsedLease]:
    """Active runs whose owner has been silent for longer than its lease, the longest silent first. Runs
    without a deployment only after `script_patience_s` more. A sub-flow run in its parent's process is left
    to the parent, which runs it again, unless the parent has ended.
    """
    lease, run = run_lease.c, flow_run.c
    parent = flow_run.alias("parent")
    ended_parent = (
        select(1)
        .select_from(task_run.join(parent, parent.c.id == task_run.c.flow_run_id))
        .where(
            task_run.c.id == run.parent_task_run_id,
            parent.c.state_type.in_(("COMPLETED", "FAILED")),
        )
        .correlate(flow_run)
        .exists()
    )
    long_silent = lease.until <= db.from_now(-script_patience_s)
    script = and_(run.parent_task_run_id.is_(None), long_silent)
    wanted: ColumnElement[bool] = or_(
        run.deployment_id.is_not(None),
        run.state_type == "CANCELLING",
        script,
        and_(long_silent, ended_parent),
    )
    statement = (
        select(
            lease.run_id,
            lease.epoch,
            lease.owner,
            lease.until,
            lease.host,
            lease.pid,
            run.state_type,
            run.state_name,
            run.run_count,
            run.deployment_id,
            run.work_pool_id,
        )
        .join(run_lease, lease.run_id == run.id)
        .where(run.state_type.in_(AT_WORK), lease.owner.is_not(None), lease.until <= db.now(), wanted)
        .order_by(lease.until)
        .limit(limit)
    )
    async with db.read() as connection:
        return [LapsedLease(**row) for row in (await connection.execute(statement)).mappings()]


async def stranded(
    db: Database, *, patience_s: float, process_patience_s: float, limit: int = 200
) -> list[StrandedClaim]:
    """Runs of deployments that were claimed without a lease, as by workers, and have not begun after
    `patience_s`, or `process_patience_s` when a process was started, which may still fetch its code. Runs in
    pools of other types are left alone: starting may take any time there.
    """
    lease, run = run_lease.c, flow_run.c
    since = case(
        (run.infrastructure_pid.is_(None), db.from_now(-patience_s)),
        else_=db.from_now(-process_patience_s),
    )
    statement = (
        select(run.id, run.state_id, run.state_timestamp, run.infrastructure_pid)
        .outerjoin(run_lease, lease.run_id == run.id)
        .outerjoin(work_pool, work_pool.c.id == run.work_pool_id)
        .where(
            run.state_type == "PENDING",
            run.deployment_id.is_not(None),
            lease.owner.is_(None),
            run.state_timestamp <= since,
            or_(run.work_pool_id.is_(None), work_pool.c.type.in_(_OWN_POOLS)),
        )
        .order_by(run.state_timestamp)
        .limit(limit)
    )
    async with db.read() as connection:
        return [StrandedClaim(*row) for row in await connection.execute(statement)]


async def is_orphaned(db: Database, run_id: UUID) -> bool:
    """Whether the run's deployment was removed, so that it is not given out again."""
    async with db.read() as connection:
        return bool(await connection.scalar(select(orphaned()).where(flow_run.c.id == run_id)))


async def give_out_again(db: Database, claim: StrandedClaim, state: State) -> bool:
    """Give a stranded run another state; returns False and changes nothing when the claim is over."""
    held = select(run_lease.c.owner).where(run_lease.c.run_id == claim.run_id)
    async with db.write() as connection:
        owner = await connection.scalar(held.with_for_update())  # the lease first, as journals do
        one = select(flow_run).where(flow_run.c.id == claim.run_id).with_for_update()
        run = (await connection.execute(one)).mappings().first()
        if owner is not None or run is None or run["state_id"] != claim.state_id:
            return False
        await _write(db, connection, run, state)
        await announce(connection, RUNS)
        return True


async def overrule(
    db: Database, run_id: UUID, epoch: int, state: State, *, proven_dead: bool = False, fence: bool = True
) -> bool:
    """Give a run whose executor is gone another state: Scheduled, to be claimed again, or a final one.
    Returns False and changes nothing when the lease no longer has `epoch`, when it has not lapsed (unless its
    holder is `proven_dead`), or when the run is not active. With `fence` the holder cannot write any more
    even if it lives; without it, a returning holder overrules this state.
    """
    lease = run_lease.c
    held = select((lease.until <= db.now()).label("lapsed")).where(
        lease.run_id == run_id, lease.epoch == epoch, lease.owner.is_not(None)
    )
    async with db.write() as connection:
        found = (await connection.execute(held.with_for_update())).first()  # the lease first, as journals do
        if found is None or not (found.lapsed or proven_dead):
            return False
        one = select(flow_run).where(flow_run.c.id == run_id).with_for_update()
        run = (await connection.execute(one)).mappings().first()
        if run is None or run["state_type"] not in AT_WORK:
            return False
        await _write(db, connection, run, state)
        if fence:
            free = update(run_lease).where(lease.run_id == run_id).values(owner=None, until=db.now())
            await connection.execute(free)
        await announce(connection, RUNS, COMMANDS)
        return True


async def _write(db: Database, connection: AsyncConnection, run: RowMapping, state: State) -> None:
    current = await read_state_within(connection, run["state_id"])
    verdict = Verdict(Accept(RULE, state), state, [(RULE, "ACCEPT", state.message or state.name)])
    await record_trail(connection, trail_of(run["id"], None, current, state, verdict))
    await write_within(db, connection, run, state, {"retry_type": "reschedule"})
