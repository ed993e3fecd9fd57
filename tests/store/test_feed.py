"""The change feed: what one process writes, another hears of; what is lost costs a poll and no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from heliostat.runtime.states import Cancelled, Running
from heliostat.runtime.store import (
    commands,
    deployments,
    flow_run_changes,
    scheduled_runs,
    schedules,
    work_pools,
    work_queues,
)
from heliostat.runtime.store.database import feed
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed
from heliostat.runtime.store.deployment_rows import NewWorkPool, NewWorkQueue, ScheduleSpec

LONG_S = 20.0
HOURLY = ScheduleSpec({"cron": "0 * * * *", "timezone": "UTC", "day_or": True})


@pytest.fixture
async def changes(db: Database) -> AsyncIterator[Feed]:
    opened = await Feed.open(db)
    await settled(opened)
    yield opened
    await opened.close()


async def settled(opened: Feed) -> None:
    """Take what a feed tells at its start, when it has missed what was before."""
    while await opened.wait(feed.TOPICS, 0.3):
        pass


async def announce(db: Database, *topics: str) -> None:
    async with db.write() as connection:
        await feed.announce(connection, *topics)


async def test_an_announcement_wakes_only_those_who_wait_for_its_topic(db: Database, changes: Feed) -> None:
    runs, both = changes.subscribe("runs"), changes.subscribe("runs", "pools")
    await announce(db, "pools")
    assert await both.wait(LONG_S) == {"pools"}
    await announce(db, "runs")
    assert await both.wait(LONG_S) == {"runs"}
    assert await runs.wait(LONG_S) == {"runs"}
    assert await runs.wait(0) == set()


async def test_what_is_announced_while_a_consumer_is_busy_is_told_at_its_next_wait(
    db: Database, changes: Feed
) -> None:
    other = changes.subscribe("events")
    await announce(db, "runs", "schedules")
    await announce(db, "schedules")
    await announce(db, "events")
    await other.wait(LONG_S)  # the feed has heard everything by now
    assert await changes.wait(["runs", "schedules"], LONG_S) == {"runs", "schedules"}
    assert await changes.wait(["runs", "schedules"], 0) == set()


async def test_what_is_rolled_back_was_never_announced(db: Database, changes: Feed) -> None:
    both = changes.subscribe("runs", "pools")
    with pytest.raises(ZeroDivisionError):
        async with db.write() as connection:
            await feed.announce(connection, "runs")
            raise ZeroDivisionError
    await announce(db, "pools")
    assert await both.wait(LONG_S) == {"pools"}


async def test_a_topic_that_does_not_exist_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="rums"):
        await announce(db, "rums")


async def test_another_process_is_heard(db: Database, changes: Feed, database_url: str) -> None:
    subscription = changes.subscribe("pools")
    code = (
        "import asyncio, sys\n"
        "from heliostat.runtime.store import work_pools\n"
        "from heliostat.runtime.store.database.database import Database\n"
        "from heliostat.runtime.store.deployment_rows import NewWorkPool\n"
        "async def main():\n"
        "    db = await Database.open(sys.argv[1])\n"
        "    await work_pools.create(db, NewWorkPool('far', 'process'))\n"
        "    await db.close()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, database_url])
    try:
        assert await subscription.wait(60.0) == {"pools"}
    finally:
        assert process.wait(60) == 0


async def test_a_lost_connection_is_made_again_and_nothing_stays_untold(postgres_url: str) -> None:
    db = await Database.open(postgres_url)
    opened = await Feed.open(db)
    await settled(opened)
    subscription = opened.subscribe("runs")
    async with db.write() as connection:
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_notify%' "
        await connection.execute(text(kill + "AND pid <> pg_backend_pid() AND datname = current_database()"))
    assert await subscription.wait(LONG_S) == {"runs"}  # it may have missed something
    await settled(opened)
    await announce(db, "runs")
    assert await subscription.wait(LONG_S) == {"runs"}
    await opened.close()
    await db.close()


async def test_behind_a_pooler_everything_counts_as_changed_again_and_again(postgres_url: str) -> None:
    joint = "&" if "?" in postgres_url else "?"
    db = await Database.open(f"{postgres_url}{joint}pgbouncer=true")
    opened = await Feed.open(db)
    subscription = opened.subscribe("runs")
    assert await subscription.wait(LONG_S) == {"runs"}
    assert await subscription.wait(LONG_S) == {"runs"}
    await opened.close()
    await db.close()


async def test_verbs_announce_what_they_change(db: Database, changes: Feed, given: Any) -> None:
    async def told(act: Callable[[], Awaitable[Any]]) -> set[str]:
        """What is announced by `act`; a mark behind it tells when that is complete."""
        before = changes.subscribe(*feed.TOPICS - {"events"})
        mark = changes.subscribe("events")
        await act()
        await announce(db, "events")
        await mark.wait(LONG_S)
        return await before.wait(0)

    assert await told(lambda: work_pools.create(db, NewWorkPool("hall", "process"))) == {"pools"}
    assert await told(lambda: work_queues.create(db, "hall", NewWorkQueue("fast"))) == {"pools"}
    assert await told(lambda: work_pools.change(db, "hall", {"is_paused": False})) == {"pools", "runs"}
    assert await told(lambda: work_queues.change(db, "hall", "fast", {"is_paused": False})) == {
        "pools",
        "runs",
    }
    deployment, _ = await given.deployment(db, work_pool_name="hall")
    assert "schedules" in await told(lambda: deployments.change(db, deployment.id, {"version": "2"}))
    assert "schedules" in await told(lambda: schedules.create(db, deployment.id, HOURLY))
    assert await told(lambda: scheduled_runs.create_run(db, deployment.id)) == {"runs"}
    pool = await work_pools.read(db, "hall")
    owner = given.owner()

    async def claim() -> None:
        (claimed,) = await scheduled_runs.claim(db, pool.id, 10, owner, 15.0)
        lease.update(run_id=claimed.run_id, epoch=claimed.epoch)

    lease: dict[str, Any] = {}
    assert await told(claim) == set()
    propose = flow_run_changes.propose
    assert await told(lambda: propose(db, lease["run_id"], Running())) == set()
    assert await told(lambda: given.move(db, lease["run_id"], "CANCELLING")) == {"commands", "runs"}
    assert await told(lambda: propose(db, lease["run_id"], Cancelled())) == {"commands"}


async def test_the_end_of_a_run_of_a_pool_announces_its_slot_and_that_of_a_script_does_not(
    db: Database, changes: Feed, given: Any
) -> None:
    subscription = changes.subscribe("runs")
    script = await given.run(db)
    await script.record(given.transition("COMPLETED", release=True))
    await announce(db, "events")
    await changes.wait({"events"}, LONG_S)
    assert await subscription.wait(0) == set()

    await work_pools.create(db, NewWorkPool("hall", "process"))
    await given.deployment(db, work_pool_name="hall")
    pooled = await given.run(db)
    async with db.write() as connection:
        queue = "(SELECT default_queue_id FROM work_pool)"
        await connection.execute(text(f"UPDATE flow_run SET work_queue_id = {queue}"))
    await pooled.record(given.transition("COMPLETED", release=True))
    assert await subscription.wait(LONG_S) == {"runs"}


@pytest.mark.parametrize(
    ("state", "facts", "kind"),
    [
        ("CANCELLING", {}, "cancel"),
        ("PAUSED", {"name": "Paused"}, "pause"),
        ("PAUSED", {"name": "Suspended", "details": {"pause_reschedule": True}}, "suspend"),
        ("FAILED", {}, "stop"),
    ],
)
async def test_a_state_that_another_process_writes_is_a_command(
    db: Database, given: Any, state: str, facts: dict[str, Any], kind: str
) -> None:
    run, other = await given.run(db), await given.run(db)
    assert await commands.pending(db, [run.id, other.id]) == []
    await given.move(db, run.id, state, **facts)
    assert await commands.pending(db, [run.id, other.id]) == [commands.Command(run.id, kind)]
    assert await commands.pending(db, []) == []
