"""Slots of the limits on tags, held by single task runs.

They are leased under the task run's id, so asking twice takes them once. Their takers (old clients, and the
rules for task runs that are orchestrated over REST) do not renew them, so the lease is long. When the client
died without giving them back, they are freed at the end of the task run or its flow run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NoFreeSlots
from ..states import FINAL_STATES
from . import concurrency_slots
from .concurrency_limits import TAG_PREFIX, LimitRow, selected
from .database.database import Database
from .database.setup_tables import concurrency_lease, concurrency_limit
from .database.tables import flow_run, task_run
from .database.wire_text import plain_text
from .slot_waiters import came_free

LEASE_S = 86_400.0
_FINAL = tuple(sorted(state.value for state in FINAL_STATES))


async def take(db: Database, tags: Collection[str], task_run_id: UUID) -> list[LimitRow]:
    """Give a task run one slot of each limited tag, or none. Returns the limits. Raises NoFreeSlots."""
    async with db.write() as connection:
        limits, full = await take_within(db, connection, tags, task_run_id)
    if full is not None:
        raise full
    return limits


async def give_back(db: Database, tags: Collection[str], task_run_id: UUID) -> list[LimitRow]:
    """Take back a task run's slots of these tags; returns the limits."""
    names = _names(tags)
    async with db.write() as connection:
        statement = selected(db).where(concurrency_limit.c.name.in_(names))
        rows = await connection.execute(statement.order_by(concurrency_limit.c.name))
        limits = [LimitRow(**row) for row in rows.mappings()]
        await connection.execute(
            delete(concurrency_lease).where(
                concurrency_lease.c.id == task_run_id,
                concurrency_lease.c.limit_id.in_([limit.id for limit in limits]),
            )
        )
        await came_free(db, connection, [limit.id for limit in limits])
        return limits


async def give_back_of_ended(db: Database, limit: int = 200) -> int:
    """Free the slots of task runs that have ended, or whose flow run has; returns the number of task runs."""
    lease = concurrency_lease.c
    over = or_(task_run.c.state_type.in_(_FINAL), flow_run.c.state_type.in_(_FINAL))
    statement = (
        select(lease.id)
        .distinct()
        .join(task_run, task_run.c.id == lease.id)
        .outerjoin(flow_run, flow_run.c.id == task_run.c.flow_run_id)
        .where(lease.slots > 0, over)
        .limit(limit)
    )
    async with db.read() as connection:
        ended = list(await connection.scalars(statement))
    for task_run_id in ended:
        await concurrency_slots.release(db, task_run_id)
    return len(ended)


async def take_within(
    db: Database, connection: AsyncConnection, tags: Collection[str], task_run_id: UUID
) -> tuple[list[LimitRow], NoFreeSlots | None]:
    """`take` inside an open transaction; NoFreeSlots is returned, not raised."""
    limits = await concurrency_slots.lock(db, connection, _names(tags)) if tags else []
    if not limits:
        return [], None
    lease = concurrency_lease.c
    held = set(
        await connection.scalars(
            select(lease.limit_id).where(lease.id == task_run_id, lease.until > db.now())
        )
    )
    wanted = [limit for limit in limits if limit.id not in held]
    full = [limit for limit in wanted if limit.active_slots + 1 > limit.limit]
    if full:
        await concurrency_slots.deny(connection, full, 1)
        # Waiting cannot help with a limit of 0, so that one is reported first.
        worst = min(full, key=lambda limit: limit.limit)
        return limits, NoFreeSlots(worst.name, concurrency_slots.retry_after_s(worst), worst.limit)
    holder = {"type": "task_run", "id": str(task_run_id)}
    if wanted:
        taken = concurrency_slots.Lease(LEASE_S, holder)
        await concurrency_slots.hold(db, connection, wanted, 1, task_run_id, taken)
    return limits, None


async def holds_within(connection: AsyncConnection, task_run_id: UUID) -> bool:
    """Whether a task run holds any slot, inside a transaction that is open."""
    lease = concurrency_lease.c
    return await connection.scalar(select(lease.id).where(lease.id == task_run_id).limit(1)) is not None


async def release_within(db: Database, connection: AsyncConnection, task_run_id: UUID) -> None:
    """Take all slots of a task run back, inside a transaction that is open."""
    lease = concurrency_lease.c
    gone = await connection.execute(
        delete(concurrency_lease).where(lease.id == task_run_id).returning(lease.limit_id)
    )
    if limit_ids := set(gone.scalars()):
        await came_free(db, connection, limit_ids)


def _names(tags: Collection[str]) -> Sequence[str]:
    return sorted({plain_text(TAG_PREFIX + tag) for tag in tags})
