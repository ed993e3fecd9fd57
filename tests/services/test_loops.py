"""The shell of a service: it starts and stops in any order, and goes on after a failure."""

from __future__ import annotations

import asyncio
from typing import ClassVar
from uuid import uuid4

from waiting import wait_until

from heliostat.actors.loops.loop import Loop
from heliostat.actors.loops.names import LOOPS
from heliostat.actors.loops.services import SERVICES
from heliostat.runtime.foundation.errors import DatabaseUnavailable
from heliostat.runtime.records import Owner
from heliostat.runtime.store import services
from heliostat.runtime.store.database import feed
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed


class Counting(Loop):
    name: ClassVar[str] = "counting"
    interval_s: ClassVar[float] = 30.0
    topics: ClassVar[tuple[str, ...]] = ("schedules",)

    def __init__(self, db: Database, feed: Feed | None = None) -> None:
        super().__init__(db, feed)
        self.steps = 0
        self.stepped = asyncio.Semaphore(0)
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.failures: list[Exception] = []
        self.again_s: float | None = None

    async def step(self) -> float | None:
        self.steps += 1
        self.stepped.release()
        await self.may_end.wait()
        if self.failures:
            raise self.failures.pop()
        return self.again_s


async def test_a_service_that_was_stopped_before_its_start_does_not_start(db: Database) -> None:
    loop = Counting(db)
    await loop.stop()
    loop.start()
    await asyncio.sleep(0)
    assert loop.steps == 0
    await loop.stop()


async def test_a_service_starts_once_and_ends_its_step_before_it_stops(db: Database) -> None:
    loop = Counting(db)
    loop.may_end.clear()
    loop.start()
    loop.start()
    await loop.stepped.acquire()
    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    loop.may_end.set()
    await asyncio.gather(stopping, loop.stop())
    assert loop.steps == 1 and loop.first_step.is_set()


async def test_a_service_takes_a_step_when_its_topic_is_announced(db: Database) -> None:
    changes = await Feed.open(db)
    loop = Counting(db, changes)
    loop.start()
    await loop.stepped.acquire()
    await loop.first_step.wait()
    async with db.write() as connection:
        await feed.announce(connection, "schedules")
    await wait_until(lambda: loop.steps, 2)  # long before the 30 s between its steps
    await loop.stop()
    await changes.close()


async def test_a_service_that_failed_goes_on(db: Database) -> None:
    loop = Counting(db)
    loop.failures = [DatabaseUnavailable("away", hint="wait")]
    loop.again_s = 0.0
    loop.start()
    async with asyncio.timeout(20):
        await loop.first_step.wait()
    assert loop.steps >= 2
    await loop.stop()


async def test_services_are_told_as_running_until_they_end(db: Database) -> None:
    process = Owner(uuid4(), "host-a", 12, 1.5)
    names = [service.name for service in SERVICES]
    await services.beat(db, process, names)
    await services.beat(db, process, names)
    assert [(row.name, row.running) for row in await services.list(db)] == [
        (name, True) for name in sorted(names)
    ]
    await services.end(db, process)
    assert not any(row.running for row in await services.list(db))


def test_every_loop_has_its_line_of_what_it_does() -> None:
    assert [service.name for service in SERVICES] == list(LOOPS)
