"""Slots of concurrency limits: taking all or none, giving them back, leasing and renewing them.

Every tagged task of a stock client asks here before it runs, mostly for names without a limit, which cost one
short read. Existing limits are locked in the order of their names.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import BadSlots, NoFreeSlots, NotFound
from ..foundation.ids import uuid7
from .concurrency_limits import (
    TAG_PREFIX,
    LimitRow,
    decayed,
    missing,
    seconds_between,
    selected,
)
from .database.database import Database
from .database.setup_tables import concurrency_lease, concurrency_limit
from .database.wire_text import json_value, plain_text
from .slot_waiters import came_free

Mode = Literal["concurrency", "rate_limit"]

_LONGEST_WAIT_S, _LONGEST_TAG_WAIT_S = 30.0, 10.0  # of an answer that tells when to ask again
_MOST_DENIED = 1_000_000


@dataclass(frozen=True, slots=True)
class Lease:
    """How long slots are taken for, and by whom. `id` None: a new id is made."""

    duration_s: float
    holder: Mapping[str, Any] | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The limits whose slots were taken, and the id under which they are held."""

    lease_id: UUID
    limits: list[LimitRow]


async def take(
    db: Database,
    names: Collection[str],
    slots: int,
    *,
    mode: Mode = "concurrency",
    lease: Lease | None = None,
) -> Taken:
    """Take `slots` of each active limit in `names`, or none at all. Names without a limit are ignored.

    Raises NoFreeSlots, and BadSlots (more than a limit has; a rate from a limit without slot decay).
    """
    lease_id = (lease.id if lease else None) or uuid7()
    wanted = sorted({plain_text(name) for name in names})
    if not await _any_active(db, wanted):
        return Taken(lease_id, [])
    async with db.write() as connection:
        limits = await lock(db, connection, wanted)
        refusal = _refusal(limits, slots, mode)
        if refusal is None:
            await hold(db, connection, limits, slots, lease_id, lease)
            return Taken(lease_id, limits)
        if isinstance(refusal, BadSlots):
            raise refusal
        await deny(connection, limits, slots)
    raise refusal


async def give_back(
    db: Database, names: Collection[str], slots: int, occupancy_s: float | None = None
) -> list[LimitRow]:
    """Give back slots that were taken without a lease; `occupancy_s` is how long they were held."""
    wanted = sorted({plain_text(name) for name in names})
    if not await _any_active(db, wanted):
        return []
    async with db.write() as connection:
        limits = await lock(db, connection, wanted)
        for limit in limits:
            await unhold(db, connection, limit.id, limit.limit, slots, occupancy_s)
        await came_free(db, connection, [limit.id for limit in limits])
        return limits


async def release(db: Database, lease_id: UUID) -> bool:
    """Give a lease's slots back. False when the lease does not exist (any more)."""
    async with db.write() as connection:
        return await release_within(db, connection, lease_id)


async def release_within(db: Database, connection: AsyncConnection, lease_id: UUID) -> bool:
    """`release` inside an open transaction."""
    lease, limit = concurrency_lease.c, concurrency_limit.c
    held = select(
        limit.id, limit.slot_limit, limit.slot_decay_per_second, limit.avg_slot_occupancy_seconds
    ).where(limit.id.in_(select(lease.limit_id).where(lease.id == lease_id)))
    limits = (await connection.execute(held.order_by(limit.name).with_for_update())).all()
    gone = await connection.execute(
        delete(concurrency_lease)
        .where(lease.id == lease_id)
        .returning(lease.limit_id, lease.slots, seconds_between(db, lease.taken, db.now()).label("held_s"))
    )
    leases = {row.limit_id: row for row in gone}
    for each in limits:
        if (row := leases.get(each.id)) is not None:
            refills = each.slot_decay_per_second > 0
            await unhold(db, connection, each.id, each.slot_limit, row.slots if refills else 0, row.held_s)
    if leases:
        await came_free(db, connection, leases)
    return bool(leases)


async def renew(db: Database, lease_id: UUID, duration_s: float) -> None:
    """Keep a lease for `duration_s` from now. Raises NotFound when it has expired or was given back.

    A lease on names without limits holds nothing and cannot be renewed.
    """
    columns = concurrency_lease.c
    statement = (
        update(concurrency_lease)
        .where(columns.id == lease_id, columns.until > db.now())
        .values(until=db.from_now(duration_s))
    )
    async with db.write() as connection:
        if not (await connection.execute(statement)).rowcount:
            raise NotFound(f"there is no lease {lease_id} on concurrency slots")


async def task_run_holders(db: Database, limit_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The task runs that hold slots of these limits by leases, the longest first."""
    columns = concurrency_lease.c
    statement = (
        select(columns.limit_id, columns.holder)
        .where(columns.limit_id.in_(limit_ids), columns.until > db.now())
        .order_by(columns.limit_id, columns.taken, columns.id)
    )
    holders: dict[UUID, list[UUID]] = {limit_id: [] for limit_id in limit_ids}
    async with db.read() as connection:
        for limit_id, holder in await connection.execute(statement):
            if holder and holder.get("type") == "task_run":
                holders[limit_id].append(UUID(holder["id"]))
    return holders


async def waiting(db: Database, name: str) -> list[UUID]:
    """The task runs that wait for a slot of a limit, in their order."""
    columns = concurrency_lease.c
    of_limit = select(concurrency_limit.c.id).where(concurrency_limit.c.name == plain_text(name))
    statement = (
        select(columns.holder)
        .where(columns.limit_id.in_(of_limit), columns.slots == 0, columns.until > db.now())
        .order_by(columns.taken, columns.id)
    )
    async with db.read() as connection:
        return [UUID(holder["id"]) for holder in await connection.scalars(statement)]


async def reset(db: Database, name: str, holders: Sequence[UUID], duration_s: float) -> None:
    """Free all slots of a limit, then give one to each task run in `holders`. Raises NotFound."""
    async with db.write() as connection:
        limit_id = await connection.scalar(
            select(concurrency_limit.c.id)
            .where(concurrency_limit.c.name == plain_text(name))
            .with_for_update()
        )
        if limit_id is None:
            raise missing(name)
        held = (concurrency_lease.c.limit_id == limit_id) & (concurrency_lease.c.slots > 0)
        await connection.execute(delete(concurrency_lease).where(held))
        await came_free(db, connection, [limit_id])
        await connection.execute(
            update(concurrency_limit)
            .where(concurrency_limit.c.id == limit_id)
            .values(active_slots=0.0, decayed_at=db.now(), updated=db.now())
        )
        for task_run_id in dict.fromkeys(holders):
            await connection.execute(
                insert(concurrency_lease).values(
                    id=task_run_id,
                    limit_id=limit_id,
                    slots=1,
                    taken=db.now(),
                    until=db.from_now(duration_s),
                    holder={"type": "task_run", "id": str(task_run_id)},
                )
            )


async def lock(db: Database, connection: AsyncConnection, names: Collection[str]) -> list[LimitRow]:
    """The active limits of these names, locked until the transaction ends and counted after that."""
    columns = concurrency_limit.c
    found = columns.name.in_(names) & columns.active
    await connection.execute(select(columns.id).where(found).order_by(columns.name).with_for_update())
    # A Postgres statement sees the data at its start, so the count must start after the lock.
    rows = await connection.execute(selected(db).where(found).order_by(columns.name))
    return [LimitRow(**row) for row in rows.mappings()]


async def hold(
    db: Database,
    connection: AsyncConnection,
    limits: Sequence[LimitRow],
    slots: int,
    lease_id: UUID,
    lease: Lease | None,
) -> None:
    """Record that slots of locked limits are taken."""
    ids = [limit.id for limit in limits]
    if lease is not None:
        columns = concurrency_lease.c
        await connection.execute(
            delete(concurrency_lease).where(columns.limit_id.in_(ids), columns.until <= db.now())
        )
        rows = [
            {
                "id": lease_id,
                "limit_id": limit_id,
                "slots": slots,
                "holder": json_value(dict(lease.holder)) if lease.holder else None,
            }
            for limit_id in ids
        ]
        await connection.execute(
            insert(concurrency_lease).values(taken=db.now(), until=db.from_now(lease.duration_s)), rows
        )
    for limit in limits:
        counted = lease is None or limit.slot_decay_per_second > 0
        if counted or limit.denied_slots:
            await connection.execute(
                update(concurrency_limit)
                .where(concurrency_limit.c.id == limit.id)
                .values(
                    active_slots=decayed(db) + (slots if counted else 0),
                    decayed_at=db.now(),
                    denied_slots=max(limit.denied_slots - slots, 0),
                )
            )


async def deny(connection: AsyncConnection, limits: Sequence[LimitRow], slots: int) -> None:
    """Count a refused request: the more there are, the later each is told to come back."""
    columns = concurrency_limit.c
    await connection.execute(
        update(concurrency_limit)
        .where(columns.id.in_([limit.id for limit in limits]), columns.denied_slots < _MOST_DENIED)
        .values(denied_slots=columns.denied_slots + slots)
    )


def retry_after_s(limit: LimitRow) -> float:
    """Seconds until asking again: the time until a slot is free, longer with more refusals, with jitter."""
    refill = limit.slot_decay_per_second
    per_slot_s = 1.0 / refill if refill > 0 else limit.avg_slot_occupancy_seconds
    waiting = max(1.0, limit.denied_slots if refill > 0 else limit.denied_slots / max(limit.limit, 1))
    longest_s = _LONGEST_TAG_WAIT_S if limit.name.startswith(TAG_PREFIX) else _LONGEST_WAIT_S
    return min(per_slot_s * waiting * random.uniform(0.5, 1.5), longest_s)


def _refusal(limits: Sequence[LimitRow], slots: int, mode: Mode) -> BadSlots | NoFreeSlots | None:
    for limit in limits:
        if slots > limit.limit:
            return BadSlots(
                f"{slots} slots were asked for and concurrency limit {limit.name!r} has {limit.limit}"
            )
        if mode == "rate_limit" and limit.slot_decay_per_second <= 0:
            return BadSlots(
                f"concurrency limit {limit.name!r} has no slot decay: it cannot limit a rate",
                hint="set slot_decay_per_second",
            )
    full = [limit for limit in limits if limit.active_slots + slots > limit.limit]
    if not full:
        return None
    return max((NoFreeSlots(each.name, retry_after_s(each), each.limit) for each in full), key=_wait_s)


def _wait_s(refusal: NoFreeSlots) -> float:
    return refusal.retry_after_s


async def _any_active(db: Database, names: Collection[str]) -> bool:
    columns = concurrency_limit.c
    statement = select(columns.id).where(columns.name.in_(names), columns.active).limit(1)
    async with db.read() as connection:
        return await connection.scalar(statement) is not None


async def unhold(
    db: Database,
    connection: AsyncConnection,
    limit_id: UUID,
    slot_limit: int,
    slots: int,
    occupancy_s: float | None,
) -> None:
    """Give back slots held without a lease, and update the average time that slots are held."""
    columns = concurrency_limit.c
    values: dict[str, Any] = {}
    if slots:
        greatest = func.max if db.is_sqlite else func.greatest
        values |= {"active_slots": greatest(decayed(db) - slots, 0.0), "decayed_at": db.now()}
    if occupancy_s:
        # A moving average over as many slots as the limit has, at least two.
        weight = 1.0 / max(slot_limit, 2)
        average = columns.avg_slot_occupancy_seconds
        values["avg_slot_occupancy_seconds"] = average + (occupancy_s - average) * weight
    if values:
        await connection.execute(update(concurrency_limit).where(columns.id == limit_id).values(**values))
