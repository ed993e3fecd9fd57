"""Slots of limited tags: taken together or not at all, in the order of asking, by claimants that race."""

from __future__ import annotations

import asyncio
from uuid import UUID

from sqlalchemy import update

from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.store import concurrency_limits, concurrency_slots, tag_slots, task_slots
from heliostat.runtime.store.concurrency_limits import TAG_PREFIX
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.setup_tables import concurrency_lease
from heliostat.runtime.store.slot_rows import SlotWant


def want(*tags: str, around: list[UUID] | None = None) -> SlotWant:
    return SlotWant(uuid7(), list(tags), uuid7(), uuid7(), around or [])


async def ask(db: Database, *wants: SlotWant, given: list[SlotWant] | None = None) -> list[str]:
    back = [each.id for each in given or []]
    return [each.verdict for each in await task_slots.exchange(db, back, wants, 15.0)]


async def active(db: Database, tag: str) -> float:
    return (await concurrency_limits.read(db, TAG_PREFIX + tag)).active_slots


async def test_slots_go_out_in_the_order_of_asking(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "t", 1)
    first, second, third = want("t"), want("t"), want("t")
    assert await ask(db, first) == ["granted"]
    assert await ask(db, second) == ["waits"]
    assert await ask(db, third) == ["waits"]
    assert await ask(db, third, given=[first]) == ["waits"]
    assert await ask(db, want("t")) == ["waits"]
    assert await ask(db, second) == ["granted"]
    assert await ask(db, second) == ["granted"], "an answer that was lost is given again"
    assert await active(db, "t") == 1


async def test_a_place_in_the_queue_lapses_when_nobody_asks_any_more(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "t", 1)
    first, dead, third = want("t"), want("t"), want("t")
    await ask(db, first)
    await ask(db, dead)
    await ask(db, third)
    async with db.write() as connection:
        await connection.execute(
            update(concurrency_lease).where(concurrency_lease.c.id == dead.id).values(until=db.from_now(-1))
        )
    assert await ask(db, third, given=[first]) == ["granted"]


async def test_slots_of_all_limits_are_taken_or_none(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "a", 1)
    await concurrency_limits.set_tag_limit(db, "b", 1)
    holder, both, only_b = want("a"), want("a", "b", "free"), want("b")
    assert await ask(db, holder, both, only_b) == ["granted", "waits", "granted"]
    assert await ask(db, both, given=[holder]) == ["waits"]
    assert await ask(db, both, given=[only_b]) == ["granted"]
    assert (await active(db, "a"), await active(db, "b")) == (1, 1)


async def test_a_limit_of_zero_is_told_from_no_limit(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "none", 0)
    assert await ask(db, want("none"), want("free")) == ["closed", "free"]
    assert await task_slots.limited(db, ["none", "free", "a\0b"]) == ["none"]


async def test_a_call_that_waits_for_its_own_caller_is_told_that_it_is_stuck(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "t", 2)
    outer, other = want("t"), want("t")
    await ask(db, outer, other)
    assert await ask(db, want("t", around=[outer.task_run_id])) == ["waits"], "the other one may end"
    await concurrency_limits.set_tag_limit(db, "t", 1)
    assert await ask(db, want("t", around=[outer.task_run_id])) == ["stuck"]


async def test_lowering_a_limit_takes_nothing_away_and_lets_nobody_in(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "t", 2)
    first, second, third = want("t"), want("t"), want("t")
    await ask(db, first, second)
    await concurrency_limits.set_tag_limit(db, "t", 1)
    assert await ask(db, third, given=[first]) == ["waits"]
    assert await ask(db, third, given=[second]) == ["granted"]


async def test_slots_of_old_clients_and_of_calls_count_together(db: Database) -> None:
    await concurrency_limits.set_tag_limit(db, "t", 1)
    task_run = uuid7()
    await tag_slots.take(db, ["t"], task_run)
    waiting = want("t")
    assert await ask(db, waiting) == ["waits"]
    await tag_slots.give_back(db, ["t"], task_run)
    assert await ask(db, waiting) == ["granted"]
    limit = await concurrency_limits.read(db, "tag:t")
    assert (await concurrency_slots.task_run_holders(db, [limit.id]))[limit.id] == [waiting.task_run_id]
    assert await task_slots.renew(db, [waiting.id, uuid7()], 15.0) != []
    assert await task_slots.renew(db, [waiting.id], 15.0) == []


async def test_many_who_ask_at_once_get_no_more_than_there_is(database_url: str) -> None:
    """Two databases stand for two processes; each has several claimants under way."""
    databases = [await Database.open(database_url) for _ in range(2)]
    try:
        await concurrency_limits.set_tag_limit(databases[0], "a", 3)
        await concurrency_limits.set_tag_limit(databases[0], "b", 2)
        holds: dict[str, int] = {"a": 0, "b": 0}
        most = dict(holds)

        async def claimant(db: Database, *tags: str) -> None:
            for _ in range(8):
                mine = want(*tags)
                while await ask(db, mine) != ["granted"]:
                    await asyncio.sleep(0.002)
                for tag in tags:
                    holds[tag] += 1
                    most[tag] = max(most[tag], holds[tag])
                await asyncio.sleep(0.001)
                for tag in tags:
                    holds[tag] -= 1
                await ask(db, given=[mine])

        await asyncio.gather(
            *(claimant(db, *tags) for db in databases for tags in (("a",), ("b", "a"), ("a", "b"), ("b",)))
        )
        assert most["a"] <= 3 and most["b"] <= 2
        assert (await active(databases[0], "a"), await active(databases[0], "b")) == (0, 0)
    finally:
        for db in databases:
            await db.close()
