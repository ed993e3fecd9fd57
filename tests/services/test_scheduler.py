"""Schedules become runs: ahead of time, one a slot, also when schedulers die and schedules are edited."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from waiting import wait_until

from heliostat.actors.loops.scheduler import Scheduler, plan
from heliostat.runtime.records import Owner
from heliostat.runtime.scheduling.schedule_slots import slot_key
from heliostat.runtime.store import deployments, flow_runs, schedules, services
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed
from heliostat.runtime.store.deployment_rows import ScheduleRow, ScheduleSpec

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURLY = {"cron": "0 * * * *", "timezone": "UTC", "day_or": True}
SECOND = timedelta(seconds=1)


def a_schedule(next_at: datetime | None = NOON, **facts: Any) -> ScheduleRow:
    given: dict[str, Any] = {
        "key": "k",
        "slug": None,
        "definition": HOURLY,
        "revision": 3,
        "active": True,
        "parameters": {},
        "max_scheduled_runs": None,
        "catchup": None,
        "reserved_until": None,
        "created": NOON,
        "updated": NOON,
    }
    return ScheduleRow(uuid4(), uuid4(), next_at=next_at, **(given | facts))


def test_three_runs_and_an_hour_are_made_ahead_and_the_next_look_is_at_the_first() -> None:
    batch = plan(a_schedule(), NOON + 60 * SECOND, ())
    assert [slot.hour for slot in batch.slots] == [13, 14, 15]
    assert (batch.revision, batch.next_at) == (3, NOON + timedelta(hours=1))
    every_second = a_schedule(definition={"interval": 1, "anchor_date": NOON.isoformat(), "timezone": "UTC"})
    batch = plan(every_second, NOON, ())
    assert (len(batch.slots), batch.next_at) == (100, NOON + 26 * SECOND)


def test_no_more_runs_are_made_ahead_than_the_schedule_allows() -> None:
    """`max_scheduled_runs` was taken and shown, and as many runs made as for any other schedule."""
    every_minute = {"interval": 60, "anchor_date": NOON.isoformat(), "timezone": "UTC"}
    free = plan(a_schedule(definition=every_minute), NOON, ())
    row = a_schedule(definition=every_minute, max_scheduled_runs=2)
    batch = plan(row, NOON, ())
    assert batch.slots == list(free.slots)[:2] and len(free.slots) > 2
    assert batch.next_at == batch.slots[0]
    made = {slot_key(row.deployment_id, row.id, slot) for slot in free.slots}
    assert set(plan(row, NOON, made).dropped) == made - {
        slot_key(row.deployment_id, row.id, slot) for slot in batch.slots
    }


def test_a_slot_that_a_slow_scheduler_comes_to_late_is_made_all_the_same() -> None:
    at_11_59_50 = NOON - 10 * SECOND
    assert plan(a_schedule(at_11_59_50), NOON + 4 * SECOND, ()).slots[0] == NOON
    assert plan(a_schedule(NOON - timedelta(hours=9)), NOON + 4 * SECOND, ()).slots[0] == NOON
    assert plan(a_schedule(NOON + SECOND), NOON + 4 * SECOND, ()).slots[0] == NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("catchup", "hours"), [("all", [9, 10, 11]), ("latest", [11]), ("none", []), (None, [])]
)
def test_slots_that_were_missed_for_longer_are_caught_up_as_the_schedule_says(
    catchup: str | None, hours: list[int]
) -> None:
    row = a_schedule(NOON - timedelta(hours=3, minutes=30), catchup=catchup)
    batch = plan(row, NOON - timedelta(minutes=30), ())
    assert [slot.hour for slot in batch.slots] == [*hours, 12, 13, 14]


def test_a_schedule_without_more_dates_is_not_looked_at_again() -> None:
    once = {"rrule": "DTSTART:20260302T110000Z\nRRULE:FREQ=DAILY;COUNT=1", "timezone": "UTC"}
    assert plan(a_schedule(definition=once), NOON, ()).next_at is None
    unreadable = plan(a_schedule(definition={"cron": "no"}), NOON, ())
    assert (unreadable.slots, unreadable.next_at) == ((), NOON + timedelta(days=1))


async def test_a_new_schedule_has_its_runs_as_soon_as_it_is_announced(db: Database, given: Any) -> None:
    changes = await Feed.open(db)
    scheduler = Scheduler(db, changes)
    scheduler.start()
    await scheduler.first_step.wait()
    told = changes.subscribe("runs")
    await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    while len(await flow_runs.list(db)) < 3:
        assert await told.wait(20.0)
    await scheduler.stop()
    await changes.close()
    slots = sorted(run.slot_at for run in await flow_runs.list(db) if run.slot_at)
    assert all(
        later - earlier == timedelta(hours=1) for earlier, later in zip(slots, slots[1:], strict=False)
    )


async def test_paused_deployments_and_schedules_get_no_runs_until_they_go_on(
    db: Database, given: Any
) -> None:
    row = await given.deployment(db, paused=True, schedules=[ScheduleSpec(HOURLY, active=False)])
    scheduler = Scheduler(db)
    await scheduler.step()
    await deployments.resume(db, row.id)
    await scheduler.step()
    assert await flow_runs.list(db) == []
    await schedules.change(db, row.id, row.schedules[0].id, ScheduleSpec(active=True))
    await scheduler.step()
    assert len(await flow_runs.list(db)) == 3


async def test_a_scheduler_knows_how_long_there_was_none(db: Database, given: Any) -> None:
    minutely = {"cron": "* * * * *", "timezone": "UTC", "day_or": True}
    row = await given.deployment(db, schedules=[ScheduleSpec(minutely, catchup="latest")])
    assert await services.look_back(db, "scheduler") is None  # the first scheduler ever missed nothing
    await services.beat(db, Owner(uuid4(), "host-a", 1, 1.5), ["scheduler"])
    assert await services.look_back(db, "scheduler") is None  # another one is at work
    from sqlalchemy import text

    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    micros = int(hour_ago.timestamp() * 1e6)
    async with db.write() as connection:
        moment = str(micros) if db.is_sqlite else f"to_timestamp({micros} / 1e6)"
        day = "86400000000" if db.is_sqlite else "interval '1 day'"
        await connection.execute(text(f"UPDATE service SET last_beat = {moment}"))
        await connection.execute(
            text(f"UPDATE deployment_schedule SET created = {moment} - {day}, updated = {moment} - {day}")
        )
    await Scheduler(db).step()
    runs = await flow_runs.list(db)
    missed = [run for run in runs if run.slot_at and run.slot_at < datetime.now(UTC) - 15 * SECOND]
    assert len(missed) <= 1  # the latest; none where a slot is due this moment
    assert min(run.slot_at for run in runs if run.slot_at) > datetime.now(UTC) - 90 * SECOND
    assert row.schedules[0].catchup == "latest"


async def test_edits_one_after_the_other_owe_what_became_due_between_them(db: Database, given: Any) -> None:
    """A slot was missed: one edit took its run back, and a second one came before a scheduler did."""
    spec = ScheduleSpec({"interval": 0.05, "anchor_date": NOON.isoformat(), "timezone": "UTC"})
    row = await given.deployment(db, schedules=[spec])
    (schedule,) = row.schedules
    owed = schedule.next_at
    for edit in ({"parameters": {"x": 1}}, {"parameters": {"x": 2}}):
        await schedules.change(db, row.id, schedule.id, ScheduleSpec(**edit))
    await deployments.change(db, row.id, {"version": "2"})
    assert (await schedules.list(db, row.id))[0].next_at == owed
    replaced = await given.deployment(db, schedules=[spec])
    assert replaced.schedules[0].id != schedule.id and replaced.schedules[0].next_at == owed
    other = ScheduleSpec({**HOURLY})
    await schedules.change(db, row.id, replaced.schedules[0].id, other)
    now = (await schedules.list(db, row.id))[0].next_at
    assert owed is not None and now is not None and now > owed  # nothing is owed of other dates


SCHEDULER = """
import asyncio, sys
from heliostat.actors.loops.scheduler import Scheduler
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed

async def main():
    db = await Database.open(sys.argv[1])
    await Scheduler(db, await Feed.open(db)).run()

asyncio.run(main())
"""


async def test_no_slot_is_missed_or_doubled_while_schedulers_are_killed_and_schedules_edited(
    db: Database, database_url: str, given: Any
) -> None:
    """R6. Edits change parameters only, so every second of every schedule wants exactly one run.

    Catching up, because on a busy machine there may be no scheduler for longer than runs may be late.
    """

    def a_scheduler() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SCHEDULER, database_url])

    anchor = datetime.now(UTC).replace(microsecond=0)
    definition = {"interval": 1.0, "anchor_date": anchor.isoformat(), "timezone": "UTC"}
    rows = [
        await given.deployment(db, f"d{number}", schedules=[ScheduleSpec(definition, catchup="all")])
        for number in range(4)
    ]
    processes = [a_scheduler(), a_scheduler()]
    try:
        await _until_made(db, anchor, 4)
        for kill in range(2):
            for number, row in enumerate(rows):
                (schedule,) = await schedules.list(db, row.id)
                spec = ScheduleSpec(parameters={"edit": kill * 10 + number})
                await schedules.change(db, row.id, schedule.id, spec)
            victim = processes.pop(0)
            victim.send_signal(signal.SIGKILL)  # while it makes the runs of what was just edited
            victim.wait()
            processes.append(a_scheduler())
        edited = await db.time()
        await _until_made(db, edited + 2 * SECOND, 4)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for row in rows:
        runs = await flow_runs.list(db, limit=2000)
        slots = Counter(run.slot_at for run in runs if run.deployment_id == row.id)
        times = sorted(slot for slot in slots if slot)
        wanted = [times[0] + second * SECOND for second in range(len(times))]
        assert times == wanted, "a slot is missing"
        assert set(slots.values()) == {1}
        assert times[0] <= anchor + 60 * SECOND and times[-1] >= edited


async def _until_made(db: Database, until: datetime, of_deployments: int) -> None:
    """Wait until that many deployments have runs for slots after a moment."""

    async def made() -> int:
        runs = await flow_runs.list(db, limit=2000)
        return len({run.deployment_id for run in runs if run.slot_at and run.slot_at > until})

    await wait_until(made, lambda count: count >= of_deployments)
