"""Work pools, their queues and their workers."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import Duplicate, NotFound, Reserved
from heliostat.runtime.store import work_pools, work_queues, workers
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool, NewWorkQueue, WorkPoolRow


async def a_pool(db: Database, name: str = "yard", **facts: object) -> WorkPoolRow:
    return await work_pools.create(db, NewWorkPool(name, "process", **facts))  # type: ignore[arg-type]


async def priorities(db: Database, pool: str = "yard") -> list[tuple[str, int]]:
    return [(queue.name, queue.priority) for queue in await work_queues.list(db, pool)]


async def test_a_new_pool_has_a_default_queue_of_first_priority(db: Database) -> None:
    pool = await a_pool(db, base_job_template={"variables": {}})
    queue = await work_queues.read(db, "yard", "default")
    assert pool.default_queue_id == queue.id and queue.priority == 1
    assert (pool.status, pool.active_slots, pool.base_job_template) == ("NOT_READY", None, {"variables": {}})
    assert await work_pools.read_by_id(db, pool.id) == pool == await work_pools.read(db, "yard")


async def test_a_second_pool_of_a_name_is_refused_and_changes_nothing(db: Database) -> None:
    pool = await a_pool(db)
    with pytest.raises(Duplicate, match="'yard'"):
        await a_pool(db, is_paused=True)
    assert await work_pools.list(db) == [pool]
    assert await work_pools.get_or_create(db, NewWorkPool("yard", "ray")) == pool


async def test_many_may_ask_for_the_default_pool_at_once(db: Database) -> None:
    wanted = NewWorkPool(work_pools.DEFAULT_POOL, "ray")
    made = await asyncio.gather(*(work_pools.get_or_create(db, wanted) for _ in range(4)))
    assert len({pool.id for pool in made}) == 1
    assert len(await work_queues.list(db, "default")) == 1


@pytest.mark.parametrize("name", ["prefect", "Prefect-managed", "PREFECTx"])
async def test_names_of_the_reference_are_reserved(db: Database, name: str) -> None:
    with pytest.raises(Reserved):
        await a_pool(db, name)
    with pytest.raises(Reserved):
        await work_pools.change(db, name, {"description": "mine"})
    with pytest.raises(Reserved):
        await work_pools.delete(db, name)
    assert await work_pools.list(db) == []


async def test_a_pool_is_paused_and_limited(db: Database) -> None:
    await a_pool(db)
    changed = await work_pools.change(db, "yard", {"is_paused": True, "concurrency_limit": 3})
    assert (changed.status, changed.concurrency_limit, changed.active_slots) == ("PAUSED", 3, 0)
    with pytest.raises(NotFound):
        await work_pools.change(db, "nowhere", {"is_paused": True})


async def test_a_deleted_pool_takes_queues_and_workers_along(db: Database) -> None:
    await a_pool(db)
    queue = await work_queues.create(db, "yard", NewWorkQueue("fast"))
    await workers.heartbeat(db, "yard", "w1")
    await work_pools.delete(db, "yard")
    for reading in (
        work_pools.read(db, "yard"),
        workers.list(db, "yard"),
        work_queues.read_by_id(db, queue.id),
    ):
        with pytest.raises(NotFound):
            await reading
    await a_pool(db)
    assert await workers.list(db, "yard") == [] and len(await work_queues.list(db, "yard")) == 1


async def test_a_new_queue_goes_behind_the_others(db: Database) -> None:
    await a_pool(db)
    await work_queues.create(db, "yard", NewWorkQueue("second"))
    await work_queues.create(db, "yard", NewWorkQueue("third"))
    assert await priorities(db) == [("default", 1), ("second", 2), ("third", 3)]
    with pytest.raises(Duplicate):
        await work_queues.create(db, "yard", NewWorkQueue("second"))
    with pytest.raises(NotFound):
        await work_queues.create(db, "nowhere", NewWorkQueue("second"))


async def test_a_queue_that_takes_a_priority_moves_the_others_back(db: Database) -> None:
    await a_pool(db)
    await work_queues.create(db, "yard", NewWorkQueue("last", priority=5))
    await work_queues.create(db, "yard", NewWorkQueue("first", priority=1))
    assert await priorities(db) == [("first", 1), ("default", 2), ("last", 5)]
    await work_queues.change(db, "yard", "last", {"priority": 1})
    assert await priorities(db) == [("last", 1), ("first", 2), ("default", 3)]


async def test_queues_made_at_once_get_distinct_priorities(db: Database) -> None:
    await a_pool(db)
    await asyncio.gather(
        *(work_queues.create(db, "yard", NewWorkQueue(f"q{i}", priority=1)) for i in range(5))
    )
    assert [number for _, number in await priorities(db)] == [1, 2, 3, 4, 5, 6]


async def test_a_queue_is_renamed_paused_and_limited(db: Database) -> None:
    await a_pool(db)
    await work_queues.create(db, "yard", NewWorkQueue("slow"))
    changed = await work_queues.change(
        db, "yard", "slow", {"name": "fast", "is_paused": True, "concurrency_limit": 0}
    )
    assert (changed.name, changed.status, changed.concurrency_limit) == ("fast", "PAUSED", 0)
    with pytest.raises(Duplicate):
        await work_queues.change(db, "yard", "fast", {"name": "default"})
    with pytest.raises(NotFound):
        await work_queues.change(db, "yard", "slow", {"is_paused": False})


async def test_a_pool_keeps_its_default_queue(db: Database) -> None:
    await a_pool(db)
    await work_queues.create(db, "yard", NewWorkQueue("more"))
    with pytest.raises(Reserved):
        await work_queues.delete(db, "yard", "default")
    await work_queues.delete(db, "yard", "more")
    assert await priorities(db) == [("default", 1)]


async def test_a_queue_is_ready_while_someone_polls_it(db: Database) -> None:
    pool = await a_pool(db)
    await work_queues.polled(db, [pool.default_queue_id, uuid4()])
    queue = await work_queues.read(db, "yard", "default")
    assert queue.status == "READY"
    long_ago = clock.epoch_s() - 61
    queue = await work_queues.change(db, "yard", "default", {"last_polled": long_ago})
    assert queue.status == "NOT_READY"


async def test_a_heartbeat_makes_a_worker_known_and_its_pool_ready(db: Database) -> None:
    await a_pool(db)
    first = await workers.heartbeat(db, "yard", "w1", interval_s=10)
    again = await workers.heartbeat(db, "yard", "w1", interval_s=10)
    assert first.id == again.id and again.status == "ONLINE"
    assert again.last_heartbeat_time >= first.last_heartbeat_time
    assert (await work_pools.read(db, "yard")).status == "READY"
    with pytest.raises(NotFound):
        await workers.heartbeat(db, "nowhere", "w1")


async def test_a_forgotten_worker_is_gone(db: Database) -> None:
    await a_pool(db)
    await workers.heartbeat(db, "yard", "w1")
    await workers.delete(db, "yard", "w1")
    assert await workers.list(db, "yard") == []
    with pytest.raises(NotFound):
        await workers.delete(db, "yard", "w1")


async def test_a_worker_silent_for_three_heartbeats_is_offline(db: Database) -> None:
    await a_pool(db)
    await workers.heartbeat(db, "yard", "w1", interval_s=10)
    async with db.write() as connection:
        from sqlalchemy import update

        from heliostat.runtime.store.database.tables import worker

        await connection.execute(update(worker).values(last_heartbeat_time=clock.epoch_s() - 31))
    (silent,) = await workers.list(db, "yard")
    assert silent.status == "OFFLINE"
    assert (await work_pools.read(db, "yard")).status == "NOT_READY"
