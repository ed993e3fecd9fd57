"""Slots of the limits on tags for calls of Heliostat's own engine: taken together, waited for in order.

A process asks for its calls (`exchange`): each gets a slot of every limited tag that its task has, or none of
them. Slots are leases of the process, which renews them (`renew`) as long as it lives: those of a dead one
lapse. A call that gets none waits with a lease of no slots on each of the limits. That is its place in the
queue, in the order of asking; it is lost when its process has not asked again for half the time of a lease. A
call that waits for a full limit does not hold up later calls that want other limits. Lowering a limit below
its held slots takes none away; deleting or deactivating a limit lets all waiting calls go.

A verb that frees slots or changes a limit announces it if calls wait (`slot_waiters`), so that the first ones
ask again at once. Stock clients have no place in the queue: they get what is free when they ask.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .concurrency_limits import TAG_PREFIX, LimitRow, seconds_between, selected
from .concurrency_slots import Lease, hold, unhold
from .database.database import Database
from .database.setup_tables import concurrency_lease, concurrency_limit
from .database.wire_text import plain_text
from .slot_rows import CLOSED, FREE, GRANTED, STUCK, WAITS, SlotAnswer, SlotWant
from .slot_waiters import came_free

WAITS_FOR_SLOT = "waiting_task_run"
"""The type of the holder of a lease without slots."""


async def limited(db: Database, tags: Collection[str]) -> list[str]:
    """The tags among these that have a limit now."""
    columns = concurrency_limit.c
    statement = select(columns.name).where(columns.name.in_(_names(tags)), columns.active)
    async with db.read() as connection:
        found = set(await connection.scalars(statement))
    return [tag for tag in tags if plain_text(TAG_PREFIX + tag) in found]


async def exchange(
    db: Database, given: Sequence[UUID], wants: Sequence[SlotWant], lease_s: float
) -> list[SlotAnswer]:
    """Give back slots and places, then answer requests in the order of the queue and of asking. May be
    repeated when its answer was lost: granted slots stay granted.
    """
    async with db.write() as connection:
        names = _names({tag for want in wants for tag in want.tags})
        of_given = select(concurrency_lease.c.limit_id).where(concurrency_lease.c.id.in_(given)).distinct()
        freed = set(await connection.scalars(of_given))
        limit = concurrency_limit.c
        wanted = limit.name.in_(names) & limit.active
        lock = select(limit.id).where(or_(wanted, limit.id.in_(freed))).order_by(limit.name)
        await connection.execute(lock.with_for_update())
        await _give_back(db, connection, given, freed)
        rows = await connection.execute(selected(db).where(wanted).order_by(limit.name))
        queue = _Queue([LimitRow(**row) for row in rows.mappings()], lease_s)
        answers = await queue.answer(db, connection, wants)
        if freed:
            await came_free(db, connection, freed, but={want.id for want in wants})
        return answers


async def renew(db: Database, lease_ids: Sequence[UUID], lease_s: float) -> list[UUID]:
    """Renew leases; returns those that are gone: they had lapsed, or their limit was deleted or reset."""
    lease = concurrency_lease.c
    mine = lease.id.in_(lease_ids) & (lease.slots > 0)
    async with db.write() as connection:
        await connection.execute(update(concurrency_lease).where(mine).values(until=db.from_now(lease_s)))
        kept = set(await connection.scalars(select(lease.id).where(mine)))
    return [each for each in lease_ids if each not in kept]


class _Queue:
    """Locked limits, with their holders and waiting calls, while requests are answered."""

    def __init__(self, limits: Sequence[LimitRow], lease_s: float) -> None:
        self._limits = {limit.name: limit for limit in limits}
        self._by_id = {limit.id: limit for limit in limits}
        self._free = {limit.id: limit.limit - limit.active_slots for limit in limits}
        self._lease_s = lease_s

    async def answer(
        self, db: Database, connection: AsyncConnection, wants: Sequence[SlotWant]
    ) -> list[SlotAnswer]:
        if not wants:
            return []
        lease = concurrency_lease.c
        here = lease.limit_id.in_(list(self._by_id))
        await connection.execute(delete(concurrency_lease).where(here, lease.until <= db.now()))
        mine = {want.id: want for want in wants}
        found = await connection.execute(
            select(lease.id, lease.limit_id, lease.slots, lease.holder)
            .where(or_(here, lease.id.in_(list(mine))))
            .order_by(lease.taken, lease.id)
        )
        rows = found.all()
        granted = {row.id for row in rows if row.slots and row.id in mine}
        places: dict[UUID, list[UUID]] = {}
        for row in rows:
            if not row.slots:
                places.setdefault(row.id, []).append(row.limit_id)
        answers: dict[UUID, SlotAnswer] = {}
        for each in [*places, *(want.id for want in wants if want.id not in places)]:
            want = mine.get(each)
            if want is None:
                self._take(places[each])  # reserved for a call of another process
            elif each in granted:
                answers[each] = SlotAnswer(each, GRANTED)
            else:
                answers[each] = self._judge(want, rows)
        await self._write(db, connection, wants, answers, places)
        return [answers[want.id] for want in wants]

    def _judge(self, want: SlotWant, rows: Sequence[Any]) -> SlotAnswer:
        limits = self._of(want)
        if not limits:
            return SlotAnswer(want.id, FREE)
        for limit in limits:
            if limit.limit <= 0:
                return SlotAnswer(want.id, CLOSED, _tag(limit))
        full = [limit for limit in limits if self._free[limit.id] < 1]
        if not full:
            self._take([limit.id for limit in limits])
            return SlotAnswer(want.id, GRANTED)
        around = {str(each) for each in want.around}
        for limit in full:
            holders = [row.holder for row in rows if row.limit_id == limit.id and row.slots]
            theirs = sum(bool(holder) and holder.get("id") in around for holder in holders)
            if theirs >= limit.limit:
                return SlotAnswer(want.id, STUCK, _tag(limit), limit.limit)
        refills = [limit.slot_decay_per_second for limit in full if limit.slot_decay_per_second > 0]
        again_s = 1 / max(refills) if refills else None
        return SlotAnswer(want.id, WAITS, _tag(full[0]), full[0].limit, again_s)

    def _take(self, limit_ids: Collection[UUID]) -> bool:
        """Count a slot of each of these limits as taken, if all have a free one."""
        known = [limit_id for limit_id in limit_ids if limit_id in self._free]
        if any(self._free[limit_id] < 1 for limit_id in known):
            return False
        for limit_id in known:
            self._free[limit_id] -= 1
        return True

    def _of(self, want: SlotWant) -> list[LimitRow]:
        return [self._limits[name] for name in _names(want.tags) if name in self._limits]

    async def _write(
        self,
        db: Database,
        connection: AsyncConnection,
        wants: Sequence[SlotWant],
        answers: dict[UUID, SlotAnswer],
        places: dict[UUID, list[UUID]],
    ) -> None:
        lease = concurrency_lease.c
        kept = [each for each in places if each in answers and answers[each].verdict == WAITS]
        gone = [each for each in places if each in answers and answers[each].verdict != WAITS]
        if gone:
            await connection.execute(delete(concurrency_lease).where(lease.id.in_(gone), lease.slots == 0))
        if kept:
            await connection.execute(
                update(concurrency_lease)
                .where(lease.id.in_(kept), lease.slots == 0)
                .values(until=db.from_now(self._lease_s / 2))
            )
        for number, want in enumerate(wants):
            limits = self._of(want)
            verdict = answers[want.id].verdict
            if verdict == GRANTED:
                await self._grant(db, connection, want, limits)
            elif verdict == WAITS:
                new = [limit.id for limit in limits if limit.id not in places.get(want.id, ())]
                holder = _holder(want, WAITS_FOR_SLOT)
                if new:
                    await connection.execute(
                        insert(concurrency_lease).values(
                            # A microsecond apart, so that the queue keeps the order of asking.
                            taken=db.from_now(number * 1e-6),
                            until=db.from_now(self._lease_s / 2),
                        ),
                        [{"id": want.id, "limit_id": each, "slots": 0, "holder": holder} for each in new],
                    )

    async def _grant(
        self, db: Database, connection: AsyncConnection, want: SlotWant, limits: Sequence[LimitRow]
    ) -> None:
        lease = concurrency_lease.c
        held = set(await connection.scalars(select(lease.limit_id).where(lease.id == want.id)))
        new = [limit for limit in limits if limit.id not in held]
        if new:
            taking = Lease(self._lease_s, _holder(want, "task_run"))
            await hold(db, connection, new, 1, want.id, taking)


async def _give_back(
    db: Database, connection: AsyncConnection, lease_ids: Sequence[UUID], limit_ids: Collection[UUID]
) -> None:
    if not lease_ids:
        return
    lease, limit = concurrency_lease.c, concurrency_limit.c
    found = await connection.execute(
        delete(concurrency_lease)
        .where(lease.id.in_(lease_ids))
        .returning(lease.limit_id, lease.slots, seconds_between(db, lease.taken, db.now()).label("held_s"))
    )
    gone = [row for row in found if row.slots]
    if not gone:
        return
    sizes = await connection.execute(
        select(limit.id, limit.slot_limit, limit.slot_decay_per_second).where(limit.id.in_(limit_ids))
    )
    for each in sizes:
        of_it = [row for row in gone if row.limit_id == each.id]
        if of_it:
            slots = sum(row.slots for row in of_it) if each.slot_decay_per_second > 0 else 0
            mean_s = sum(row.held_s for row in of_it) / len(of_it)
            await unhold(db, connection, each.id, each.slot_limit, slots, mean_s)


def _holder(want: SlotWant, kind: str) -> dict[str, str]:
    return {"type": kind, "id": str(want.task_run_id), "flow_run_id": str(want.flow_run_id)}


def _names(tags: Collection[str]) -> list[str]:
    return sorted({plain_text(TAG_PREFIX + tag) for tag in tags})


def _tag(limit: LimitRow) -> str:
    return limit.name.removeprefix(TAG_PREFIX)
