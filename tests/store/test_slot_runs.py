"""One run a slot: however many schedulers, whatever is repeated, whoever edits meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.store import deployments, flow_runs, schedules, slot_runs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import ScheduleRow, ScheduleSpec
from heliostat.runtime.store.slot_runs import SlotBatch

HOURLY = {"cron": "0 * * * *", "timezone": "UTC", "day_or": True}
START = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
SLOTS = [START + timedelta(hours=hour) for hour in range(3)]


def a_batch(row: ScheduleRow, slots: list[datetime] = SLOTS, **facts: Any) -> SlotBatch:
    return SlotBatch(row.id, row.revision, slots, facts.pop("next_at", START), **facts)


async def the_schedule(db: Database, given: Any, **facts: Any) -> ScheduleRow:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY, slug="hourly")], **facts)
    return row.schedules[0]


async def slots_with_runs(db: Database) -> list[datetime]:
    return sorted(run.slot_at for run in await flow_runs.list(db) if run.slot_at is not None)


async def test_a_run_of_a_slot_gets_what_deployment_and_schedule_say(db: Database, given: Any) -> None:
    row, _ = await given.deployment(
        db,
        tags=("t",),
        parameters={"x": 1, "y": 1},
        labels={"team": "sky"},
        version="7",
        entrypoint="flows.py:survey",
        code_revision="abc",
        schedules=[ScheduleSpec(HOURLY, slug="hourly", parameters={"y": 2})],
    )
    (schedule,) = row.schedules
    assert (await slot_runs.insert_slots(db, [a_batch(schedule, SLOTS[:1])])).made == 1
    (run,) = await flow_runs.list(db)
    assert (run.state_type, run.state_name, run.auto_scheduled) == ("SCHEDULED", "Scheduled", True)
    assert run.expected_start_time == run.next_scheduled_start_time == run.slot_at == SLOTS[0]
    assert (run.parameters, run.tags, run.labels) == (
        {"x": 1, "y": 2},
        ["t", "auto-scheduled"],
        {
            "team": "sky",
            "prefect.flow.id": str(row.flow_id),
            "prefect.deployment.id": str(row.id),
        },
    )
    assert (run.deployment_id, run.deployment_version) == (row.id, "7")
    assert (run.entrypoint, run.code_revision) == ("flows.py:survey", "abc")
    assert run.created_by == {"id": str(schedule.id), "type": "SCHEDULE", "display_value": "hourly"}
    (state,) = await flow_runs.history(db, run.id)
    assert (state.type, state.message) == ("SCHEDULED", "Made by a schedule")
    assert await slot_runs.made_slots(db, [schedule.id], START - timedelta(days=1)) == {
        schedule.id: {run.idempotency_key}
    }


async def test_the_last_run_is_none_that_a_schedule_made_ahead(db: Database, given: Any) -> None:
    """Seen after a first deployment with a schedule: `@last` was a run that was due days later."""
    schedule = await the_schedule(db, given)
    await slot_runs.insert_slots(db, [a_batch(schedule)])
    with pytest.raises(NotFound, match="no flow has run yet"):
        await flow_runs.find(db, "@last")
    asked = await given.run(db)
    assert (await flow_runs.find(db, "@last")).id == asked.id


async def test_slots_that_are_handed_in_again_make_no_second_run(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    assert (await slot_runs.insert_slots(db, [a_batch(schedule)])).made == 3
    again = await slot_runs.insert_slots(db, [a_batch(schedule, [*SLOTS, START + timedelta(hours=3)])])
    assert (again.made, again.stale) == (1, frozenset())
    assert len(await slots_with_runs(db)) == 4


async def test_a_slot_that_has_run_is_not_made_again_after_a_new_deployment(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    await slot_runs.insert_slots(db, [a_batch(schedule, SLOTS[:1])])
    (run,) = await flow_runs.list(db)
    await given.move(db, run.id, "RUNNING")
    renewed = await the_schedule(db, given)
    assert renewed.id != schedule.id
    assert (await slot_runs.insert_slots(db, [a_batch(renewed)])).made == 2
    assert await slots_with_runs(db) == SLOTS


async def test_slots_of_an_old_revision_are_refused(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    await schedules.change(db, schedule.deployment_id, schedule.id, ScheduleSpec(parameters={"x": 1}))
    taken = await slot_runs.insert_slots(db, [a_batch(schedule)])
    assert (taken.made, taken.stale) == (0, {schedule.id})
    assert await slots_with_runs(db) == []


async def test_slots_of_paused_and_removed_schedules_are_refused(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    await deployments.pause(db, schedule.deployment_id)
    (now,) = await schedules.list(db, schedule.deployment_id)
    gone = SlotBatch(uuid4(), 1, SLOTS, None)
    taken = await slot_runs.insert_slots(db, [a_batch(now), gone])
    assert (taken.made, taken.stale) == (0, {schedule.id, gone.schedule_id})


async def test_a_schedule_is_reserved_for_one_scheduler_until_it_hands_in(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    (due,) = await slot_runs.due(db, 60)
    assert due.id == schedule.id
    assert await slot_runs.due(db, 60) == []
    await slot_runs.insert_slots(db, [a_batch(due, next_at=START)])
    assert await slot_runs.due(db, 60) == []
    assert [row.id for row in await slot_runs.due(db, 7200)] == [schedule.id]


async def test_a_reservation_that_ran_out_frees_the_schedule(db: Database, given: Any) -> None:
    await the_schedule(db, given)
    assert len(await slot_runs.due(db, 60, reserved_for_s=-1.0)) == 1
    assert len(await slot_runs.due(db, 60)) == 1


async def test_a_schedule_without_more_slots_is_not_due_any_more(db: Database, given: Any) -> None:
    schedule = await the_schedule(db, given)
    await slot_runs.insert_slots(db, [a_batch(schedule, next_at=None)])
    assert await slot_runs.due(db, 1e9) == []


async def test_schedulers_share_what_is_due(db: Database, given: Any) -> None:
    for number in range(6):
        await given.deployment(db, name=f"d{number}", schedules=[ScheduleSpec(HOURLY)])
    shares = await asyncio.gather(*(slot_runs.due(db, 60, limit=2) for _ in range(3)))
    taken = [row.id for share in shares for row in share]
    assert len(taken) == len(set(taken))
    rest = await slot_runs.due(db, 60)
    assert len(taken) + len(rest) == 6


async def test_runs_that_catching_up_does_not_want_are_dropped_unless_started(
    db: Database, given: Any
) -> None:
    schedule = await the_schedule(db, given)
    await slot_runs.insert_slots(db, [a_batch(schedule)])
    runs = {run.slot_at: run for run in await flow_runs.list(db)}
    await given.move(db, runs[SLOTS[0]].id, "RUNNING")
    dropped = [str(runs[slot].idempotency_key) for slot in SLOTS[:2]]
    await slot_runs.insert_slots(db, [a_batch(schedule, [], dropped=dropped)])
    assert await slots_with_runs(db) == [SLOTS[0], SLOTS[2]]


async def test_every_slot_has_one_run_while_schedulers_and_editors_compete(db: Database, given: Any) -> None:
    """Schedulers hand in what they planned for what they saw; editors change it under them."""
    schedule = await the_schedule(db, given)
    deployment_id = schedule.deployment_id
    editing = True
    plans: list[SlotBatch] = []

    def slots_of(row: ScheduleRow) -> list[datetime]:
        minute = int(str(row.definition["cron"]).split()[0])
        return [slot + timedelta(minutes=minute) for slot in SLOTS]

    async def scheduler() -> None:
        while editing:
            for row in await slot_runs.due(db, 60, reserved_for_s=-1.0):  # nobody keeps the others out
                planned = a_batch(row, slots_of(row), next_at=datetime.now(UTC))
                plans.append(planned)
                await slot_runs.insert_slots(db, [planned])

    async def editor(number: int) -> None:
        nonlocal editing
        for step in range(6):
            for row in await schedules.list(db, deployment_id):
                spec = ScheduleSpec({**HOURLY, "cron": f"{step} * * * *"}, parameters={"step": step})
                await ignoring_gone(schedules.change(db, deployment_id, row.id, spec))
            if step % 3 == 1:
                await the_schedule(db, given, version=f"{number}.{step}")
            if step % 3 == 2:
                await deployments.pause(db, deployment_id)
                await deployments.resume(db, deployment_id)

    async def all_editors() -> None:
        nonlocal editing
        try:
            await asyncio.gather(editor(1), editor(2))
        finally:
            editing = False

    await asyncio.gather(all_editors(), scheduler(), scheduler())
    for plan in plans:  # a slow scheduler hands in everything once more
        await slot_runs.insert_slots(db, [plan])
    (last,) = await schedules.list(db, deployment_id)
    await slot_runs.insert_slots(db, [a_batch(last, slots_of(last))])
    assert Counter(await slots_with_runs(db)) == Counter(slots_of(last))
    for run in await flow_runs.list(db):
        assert run.created_by is not None and UUID(run.created_by["id"]) == last.id
        assert run.parameters == last.parameters


async def ignoring_gone(change: Any) -> None:
    from heliostat.runtime.foundation.errors import NotFound

    try:
        await change
    except NotFound:  # another editor replaced it meanwhile
        pass
