"""Concurrency limits: slots are taken all or none, decay, and come back by themselves."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from heliostat.runtime.foundation.errors import BadSlots, Duplicate, NoFreeSlots, NotFound
from heliostat.runtime.store import concurrency_limits, concurrency_slots
from heliostat.runtime.store.concurrency_limits import NewLimit
from heliostat.runtime.store.concurrency_slots import Lease
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.setup_tables import concurrency_lease, concurrency_limit


async def a_limit(db: Database, name: str = "api", limit: int = 2, **facts: Any) -> None:
    await concurrency_limits.create(db, NewLimit(name, limit, **facts))


async def active(db: Database, name: str = "api") -> float:
    return (await concurrency_limits.read(db, name)).active_slots


async def let_time_pass(db: Database, seconds: float) -> None:
    """Everything that is known of slots happened that much earlier."""
    async with db.write() as connection:
        await connection.execute(update(concurrency_lease).values(until=db.from_now(300 - seconds)))
        await connection.execute(update(concurrency_limit).values(decayed_at=db.from_now(-seconds)))


async def test_slots_are_taken_all_or_none(db: Database) -> None:
    await a_limit(db, "one", 1)
    await a_limit(db, "two", 2)
    taken = await concurrency_slots.take(db, ["one", "two", "nobody knows it"], 1)
    assert [limit.name for limit in taken.limits] == ["one", "two"]
    with pytest.raises(NoFreeSlots) as refused:
        await concurrency_slots.take(db, ["one", "two"], 1)
    assert refused.value.name == "one" and 0 < refused.value.retry_after_s <= 30
    assert (await active(db, "one"), await active(db, "two")) == (1, 1)
    await concurrency_slots.give_back(db, ["one", "two"], 1, 0.5)
    assert (await active(db, "one"), await active(db, "two")) == (0, 0)


async def test_names_without_a_limit_always_succeed(db: Database) -> None:
    await a_limit(db, "off", 1, active=False)
    for _ in range(3):
        assert (await concurrency_slots.take(db, ["off", "tag:x"], 1, lease=Lease(60))).limits == []


async def test_slots_that_can_never_be_granted_are_refused(db: Database) -> None:
    await a_limit(db)
    with pytest.raises(BadSlots):
        await concurrency_slots.take(db, ["api"], 3)
    with pytest.raises(BadSlots):
        await concurrency_slots.take(db, ["api"], 1, mode="rate_limit")
    assert await active(db) == 0


async def test_an_expired_lease_gives_its_slots_back_by_itself(db: Database) -> None:
    await a_limit(db, limit=1)
    first = await concurrency_slots.take(db, ["api"], 1, lease=Lease(300))
    assert await active(db) == 1
    await concurrency_slots.renew(db, first.lease_id, 300)
    await let_time_pass(db, 301)
    assert await active(db) == 0
    with pytest.raises(NotFound):
        await concurrency_slots.renew(db, first.lease_id, 300)
    second = await concurrency_slots.take(db, ["api"], 1, lease=Lease(300))
    assert not await concurrency_slots.release(db, first.lease_id)
    assert await active(db) == 1
    assert await concurrency_slots.release(db, second.lease_id)
    assert await active(db) == 0


async def test_slots_of_a_rate_decay(db: Database) -> None:
    await a_limit(db, limit=4, slot_decay_per_second=0.01)
    await concurrency_slots.take(db, ["api"], 3, mode="rate_limit")
    await concurrency_slots.take(db, ["api"], 1, lease=Lease(300))
    assert await active(db) == 4
    await let_time_pass(db, 250)
    assert await active(db) == 2
    await concurrency_limits.change(db, "api", {"slot_decay_per_second": 0.0})
    assert await active(db) >= 2


async def test_when_many_ask_at_once_as_many_get_slots_as_there_are(db: Database) -> None:
    await a_limit(db, limit=3)
    asked = [concurrency_slots.take(db, ["api"], 1, lease=Lease(300)) for _ in range(12)]
    got = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, concurrency_slots.Taken) for each in got) == 3
    assert sum(isinstance(each, NoFreeSlots) for each in got) == 9
    assert await active(db) == 3


async def test_a_limit_is_made_changed_listed_and_removed(db: Database) -> None:
    await a_limit(db, "b")
    await a_limit(db, "tag:a", active_slots=1)
    with pytest.raises(Duplicate):
        await a_limit(db, "b")
    with pytest.raises(Duplicate):
        await concurrency_limits.change(db, "b", {"name": "tag:a"})
    assert [row.name for row in await concurrency_limits.list(db)] == ["b", "tag:a"]
    assert [row.name for row in await concurrency_limits.list(db, tags_only=True)] == ["tag:a"]
    row = await concurrency_limits.read(db, "b")
    await concurrency_limits.change(db, row.id, {"limit": 9, "active_slots": 4, "name": "c"})
    changed = await concurrency_limits.read(db, row.id)
    assert (changed.name, changed.limit, changed.active_slots) == ("c", 9, 4)
    await concurrency_limits.delete(db, "c")
    for act in (concurrency_limits.read(db, "c"), concurrency_limits.delete(db, row.id)):
        with pytest.raises(NotFound):
            await act


async def test_holders_of_a_tag_are_its_task_runs(db: Database) -> None:
    row, is_new = await concurrency_limits.set_tag_limit(db, "gpu", 3)
    assert is_new and not (await concurrency_limits.set_tag_limit(db, "gpu", 2))[1]
    task = uuid4()
    holder = {"type": "task_run", "id": str(task)}
    await concurrency_slots.take(db, ["tag:gpu"], 1, lease=Lease(300, holder))
    assert await concurrency_slots.task_run_holders(db, [row.id]) == {row.id: [task]}
    others = [uuid4(), uuid4()]
    await concurrency_slots.reset(db, "tag:gpu", others, 300)
    assert set((await concurrency_slots.task_run_holders(db, [row.id]))[row.id]) == set(others)
    await concurrency_slots.reset(db, "tag:gpu", [], 300)
    assert await active(db, "tag:gpu") == 0
