"""Edits and the runs that are there: only what lies in the future and never began may go, with its slot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from heliostat.runtime.foundation import clock
from heliostat.runtime.states import Scheduled
from heliostat.runtime.store import (
    deployments,
    flow_removal,
    flow_run_changes,
    flow_runs,
    polling,
    rescues,
    resuming,
    scheduled_runs,
    schedules,
    slot_runs,
    work_pools,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import FlowRunRow
from heliostat.runtime.store.deployment_rows import DeploymentRow, NewWorkPool, ScheduleSpec
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun
from heliostat.runtime.store.slot_runs import SlotBatch

HOURLY = {"cron": "0 * * * *", "timezone": "UTC", "day_or": True}
NOON = {"cron": "0 12 * * *", "timezone": "UTC", "day_or": True}
NOW = datetime.now(UTC)
NEXT = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
DAYS = [(NOW + timedelta(days=day)).replace(hour=12, minute=0, second=0, microsecond=0) for day in (2, 3)]
PAST = [NOW - timedelta(minutes=minutes) for minutes in (5, 2)]

Edit = Callable[[Database, Any, DeploymentRow], Awaitable[object]]


async def the_deployment(db: Database, given: Any, **facts: Any) -> DeploymentRow:
    if not any(pool.name == "yard" for pool in await work_pools.list(db)):
        await work_pools.create(db, NewWorkPool("yard", "process"))
    wanted = {"work_pool_name": "yard", "schedules": [ScheduleSpec(HOURLY, slug="hourly")]}
    row, _ = await given.deployment(db, **(wanted | facts))
    return row


async def make(db: Database, row: DeploymentRow, *slots: datetime) -> dict[datetime, FlowRunRow]:
    """What schedulers made for these slots of each schedule; runs by their slot."""
    now = [SlotBatch(each.id, each.revision, slots, NEXT) for each in row.schedules]
    await slot_runs.insert_slots(db, now)
    await scheduled_runs.mark_late(db)
    return {run.slot_at: run for run in await flow_runs.list(db) if run.slot_at is not None}


async def of_slots(db: Database) -> dict[datetime, FlowRunRow]:
    return {run.slot_at: run for run in await flow_runs.list(db) if run.slot_at is not None}


async def due(db: Database) -> set[UUID]:
    """What workers of the pool are given: those that poll, and those that claim."""
    pool = await work_pools.read(db, "yard")
    return {run_id for run_id, _ in await polling.of_pool(db, pool.id, before=clock.now())}


async def tags_patched(db: Database, given: Any, row: DeploymentRow) -> object:
    return await deployments.change(db, row.id, {"tags": ["changed"]})


async def deployed_again(db: Database, given: Any, row: DeploymentRow) -> object:
    return await the_deployment(db, given)


async def deployed_without_schedules(db: Database, given: Any, row: DeploymentRow) -> object:
    return await the_deployment(db, given, schedules=[])


async def paused(db: Database, given: Any, row: DeploymentRow) -> object:
    return await deployments.pause(db, row.id)


async def schedule_paused(db: Database, given: Any, row: DeploymentRow) -> object:
    return await schedules.change(db, row.id, row.schedules[0].id, ScheduleSpec(active=False))


async def schedule_removed(db: Database, given: Any, row: DeploymentRow) -> object:
    return await schedules.delete(db, row.id, row.schedules[0].id)


async def schedule_renamed(db: Database, given: Any, row: DeploymentRow) -> object:
    return await schedules.change(db, row.id, row.schedules[0].id, ScheduleSpec(slug="other"))


async def other_dates(db: Database, given: Any, row: DeploymentRow) -> object:
    return await schedules.change(
        db, row.id, row.schedules[0].id, ScheduleSpec({**HOURLY, "cron": "30 1 * * *"})
    )


async def other_zone(db: Database, given: Any, row: DeploymentRow) -> object:
    spec = ScheduleSpec({**HOURLY, "timezone": "Asia/Kolkata"})
    return await schedules.change(db, row.id, row.schedules[0].id, spec)


EDITS: list[Edit] = [
    tags_patched, deployed_again, deployed_without_schedules, paused, schedule_paused, schedule_removed,
    schedule_renamed, other_dates, other_zone,
]  # fmt: skip
ENDS_SLOTS = {deployed_without_schedules, paused, schedule_paused, schedule_removed, other_dates, other_zone}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_an_edit_leaves_every_run_alone_that_is_due_or_was_touched(
    db: Database, given: Any, edit: Edit
) -> None:
    """Seen: a PATCH of tags, and a new deployment of unchanged code, deleted the Late runs of an hour without
    a worker, and nobody made them again. A run may go only if it lies in the future, nobody has touched it,
    and its slot is gone.
    """
    row = await the_deployment(db, given)
    future = [NEXT + timedelta(hours=hours) for hours in range(6)]
    runs = await make(db, row, *PAST, *future)
    assert [runs[slot].state_name for slot in PAST] == ["Late", "Late"]
    claimed, retried, full, moved, resumed = (runs[slot].id for slot in future[:5])
    await given.move(db, claimed, "PENDING")
    await given.move(db, retried, "RUNNING")
    later = {"details": {"scheduled_time": NEXT + timedelta(days=9)}}
    await given.move(db, retried, "SCHEDULED", name="AwaitingRetry", **later)
    await given.move(db, full, "SCHEDULED", name="AwaitingConcurrencySlot", **later)
    await given.move(db, moved, "SCHEDULED", name="Scheduled", **later)
    await given.move(db, resumed, "RUNNING")
    await given.move(db, resumed, "PAUSED", name="Suspended")
    asked, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=Scheduled(future[5])))
    before = {run.id: run for run in await flow_runs.list(db)}
    await edit(db, given, row)
    after = {run.id: run for run in await flow_runs.list(db)}
    untouched = runs[future[5]].id
    assert after.keys() - {untouched} == before.keys() - {untouched}
    assert (untouched in after) == (edit not in ENDS_SLOTS)
    for run_id in (*(runs[slot].id for slot in PAST), claimed, retried, full, moved, resumed, asked):
        assert after[run_id] == before[run_id]
    assert {runs[slot].id for slot in PAST} <= await due(db)


async def test_deploying_again_unchanged_changes_no_run(db: Database, given: Any) -> None:
    row = await the_deployment(db, given)
    runs = await make(db, row, *PAST, NEXT)
    again = await the_deployment(db, given)
    after = await of_slots(db)
    for slot in PAST:
        assert after[slot] == runs[slot]
    assert after[NEXT].id == runs[NEXT].id and after[NEXT].name == runs[NEXT].name
    assert after[NEXT].created_by is not None
    assert after[NEXT].created_by["id"] == str(again.schedules[0].id)
    made = await slot_runs.made_slots(db, [again.schedules[0].id], NOW)
    assert made == {again.schedules[0].id: {after[NEXT].idempotency_key}}
    (now,) = (await deployments.read(db, row.id)).schedules
    assert (
        await slot_runs.insert_slots(db, [SlotBatch(now.id, now.revision, [*PAST, NEXT], NEXT)])
    ).made == 0


async def test_runs_made_ahead_get_what_an_edit_changes_and_keep_the_rest(db: Database, given: Any) -> None:
    """Whoever changed the parameters of one coming run by hand finds them there after a PATCH of tags."""
    row = await the_deployment(db, given, parameters={"x": 1}, entrypoint="f.py:f", version="1")
    runs = await make(db, row, NEXT, NEXT + timedelta(hours=1))
    await flow_run_changes.change(db, runs[NEXT].id, {"parameters": {"x": "by hand"}})
    await work_pools.create(db, NewWorkPool("quay", "process"))
    changes = {"tags": ["t"], "version": "2", "entrypoint": "g.py:g", "work_pool_name": "quay"}
    changed = await deployments.change(db, row.id, changes)
    after = await of_slots(db)
    for slot, run in after.items():
        assert run.id == runs[slot].id
        assert (run.tags, run.deployment_version, run.entrypoint) == (["t", "auto-scheduled"], "2", "g.py:g")
        assert (run.work_pool_id, run.work_queue_id) == (changed.work_pool_id, changed.work_queue_id)
    assert after[NEXT].parameters == {"x": "by hand"}
    assert after[NEXT + timedelta(hours=1)].parameters == {"x": 1}
    await deployments.change(db, row.id, {"parameters": {"x": 2}})
    assert [run.parameters for run in (await of_slots(db)).values()] == [{"x": 2}, {"x": 2}]


async def test_dates_that_a_new_rule_shares_with_the_old_one_keep_their_runs(
    db: Database, given: Any
) -> None:
    row = await the_deployment(db, given)
    runs = await make(db, row, *DAYS, DAYS[0] + timedelta(hours=1))
    await schedules.change(db, row.id, row.schedules[0].id, ScheduleSpec(NOON, slug="noon"))
    after = await of_slots(db)
    assert {slot: run.id for slot, run in after.items()} == {slot: runs[slot].id for slot in DAYS}
    (now,) = await schedules.list(db, row.id)
    assert {run.schedule_key for run in after.values()} == {now.key}
    assert (await slot_runs.insert_slots(db, [SlotBatch(now.id, now.revision, DAYS, NEXT)])).made == 0


async def test_one_of_several_schedules_is_replaced_and_the_others_keep_their_runs(
    db: Database, given: Any
) -> None:
    row = await the_deployment(db, given, schedules=[ScheduleSpec(HOURLY), ScheduleSpec(NOON)])
    await make(db, row, *DAYS)
    by_key = {(run.schedule_key, run.slot_at): run.id for run in await flow_runs.list(db)}
    await the_deployment(
        db, given, schedules=[ScheduleSpec(NOON), ScheduleSpec({**HOURLY, "cron": "5 * * * *"})]
    )
    noon = next(each.key for each in row.schedules if each.definition == NOON)
    assert {run.id for run in await flow_runs.list(db)} == {by_key[noon, slot] for slot in DAYS}


async def test_a_deployed_schedule_that_was_deployed_paused_makes_runs_from_now_on(
    db: Database, given: Any
) -> None:
    row = await the_deployment(db, given)
    await make(db, row, NEXT)
    await the_deployment(db, given, paused=True)
    assert await of_slots(db) == {} and await slot_runs.due(db, 60) == []
    await the_deployment(db, given)
    assert len(await slot_runs.due(db, 60)) == 1


async def test_runs_of_a_deleted_deployment_keep_their_record_and_nobody_is_given_them(
    db: Database, given: Any
) -> None:
    """Seen: deleting a deployment deleted a run that had failed once and waited for its next try, with its
    history. What has come due or was asked for stays; what waited to be started is cancelled.
    """
    row = await the_deployment(db, given)
    runs = await make(db, row, *PAST, NEXT)
    asked, _ = await scheduled_runs.create_run(db, row.id)
    tomorrow, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=Scheduled(NEXT)))
    retrying, _ = await scheduled_runs.create_run(db, row.id)
    await given.move(db, retrying, "RUNNING")
    await given.move(db, retrying, "SCHEDULED", name="AwaitingRetry", details={"scheduled_time": PAST[0]})
    begun, _ = await scheduled_runs.create_run(db, row.id)
    await given.move(db, begun, "PENDING")
    await deployments.delete(db, row.id)
    left = {run.id: run for run in await flow_runs.list(db)}
    waited = {*(runs[slot].id for slot in PAST), asked, tomorrow, retrying}
    assert left.keys() == waited | {begun}
    assert {left[run_id].state_type for run_id in waited} == {"CANCELLED"}
    assert left[begun].state_type == "PENDING"
    history = [state.name for state in await flow_runs.history(db, retrying)]
    assert history == ["Scheduled", "Running", "AwaitingRetry", "Cancelled"]
    assert (await flow_runs.history(db, retrying))[-1].message == (
        "Its deployment was deleted, so it will not be started."
    )
    assert left[retrying].run_count == 1
    await nobody_is_given_any(db, given)


async def nobody_is_given_any(db: Database, given: Any) -> None:
    pool = await work_pools.read(db, "yard")
    assert await scheduled_runs.claim(db, pool.id, 10, given.owner(), 15.0) == []
    assert await due(db) == set()


async def test_a_run_whose_process_tries_it_again_outlives_its_deployment(db: Database, given: Any) -> None:
    row = await the_deployment(db, given)
    run_id, _ = await scheduled_runs.create_run(db, row.id)
    owner = given.owner()
    pool = await work_pools.read(db, "yard")
    (claimed,) = await scheduled_runs.claim(db, pool.id, 1, owner, 60.0)
    await given.move(db, run_id, "RUNNING")
    await given.move(db, run_id, "SCHEDULED", name="AwaitingRetry", details={"scheduled_time": PAST[0]})
    await deployments.delete(db, row.id)
    assert (await flow_runs.read(db, run_id)).state_name == "AwaitingRetry"
    await nobody_is_given_any(db, given)
    assert await rescues.is_orphaned(db, claimed.run_id)


async def test_a_claim_that_is_given_back_after_the_deployment_went_is_cancelled(
    db: Database, given: Any
) -> None:
    row = await the_deployment(db, given)
    run_id, _ = await scheduled_runs.create_run(db, row.id)
    owner = given.owner()
    pool = await work_pools.read(db, "yard")
    (claimed,) = await scheduled_runs.claim(db, pool.id, 1, owner, 60.0)
    await deployments.delete(db, row.id)
    assert await scheduled_runs.release(db, run_id, claimed.epoch, owner.id)
    assert (await flow_runs.read(db, run_id)).state_type == "CANCELLED"


async def test_a_suspended_run_of_a_deleted_deployment_is_not_resumed_to_wait_for_ever(
    db: Database, given: Any
) -> None:
    row = await the_deployment(db, given)
    run_id, _ = await scheduled_runs.create_run(db, row.id)
    await given.move(db, run_id, "RUNNING")
    await given.move(db, run_id, "PAUSED", name="Suspended", details={"pause_reschedule": True})
    await deployments.delete(db, row.id)
    answer = await resuming.resume(db, run_id)
    assert answer.verdict.decision.outcome == "REJECT" and not answer.written
    assert (await flow_runs.read(db, run_id)).state_name == "Suspended"


async def test_a_deleted_flow_takes_its_runs_with_it(db: Database, given: Any) -> None:
    row = await the_deployment(db, given)
    await make(db, row, *PAST, NEXT)
    assert await flow_removal.remove(db, row.flow_id) == 2
    assert await flow_runs.list(db) == []


async def test_runs_due_stay_in_hand_when_their_pool_is_deleted(db: Database, given: Any) -> None:
    row = await the_deployment(db, given)
    runs = await make(db, row, *PAST)
    await work_pools.delete(db, "yard")
    assert {run.id for run in await flow_runs.list(db)} == {run.id for run in runs.values()}
