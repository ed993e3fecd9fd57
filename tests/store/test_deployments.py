"""Deployments and their schedules: replacing, changing, pausing and deleting, with what hangs on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from heliostat.runtime.foundation.errors import BadSchedule, Duplicate, NotFound
from heliostat.runtime.store import deployments, flow_runs, schedules, slot_runs, work_pools, work_queues
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool, ScheduleSpec
from heliostat.runtime.store.slot_runs import SlotBatch

HOURLY = {"cron": "0 * * * *", "timezone": "UTC", "day_or": True}
DAILY = {"cron": "0 6 * * *", "timezone": "UTC", "day_or": True}
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


async def test_a_deployment_is_made_once_and_then_replaced(db: Database, given: Any) -> None:
    first, made = await given.deployment(db, tags=("b", "a"), parameters={"x": 1}, version="1")
    assert made and (first.tags, first.status, first.paused) == (["b", "a"], "NOT_READY", False)
    second, made = await given.deployment(db, parameters={"y": 2}, version="2", created_by={"id": "me"})
    assert not made and (second.id, second.created) == (first.id, first.created)
    assert (second.parameters, second.version, second.tags) == ({"y": 2}, "2", [])
    assert (second.created_by, second.updated_by) == (None, {"id": "me"})
    assert await deployments.list(db) == [second]


async def test_a_deployment_is_found_by_its_names_or_its_id(db: Database, given: Any) -> None:
    odd, _ = await given.deployment(db, flow_name="a/b", name="c/d")
    assert (await deployments.find(db, "a/b/c/d")).id == odd.id
    assert (await deployments.find(db, str(odd.id))).flow_name == "a/b"
    assert [row.name for row in await deployments.list(db, name_like="A/")] == ["c/d"]
    for wrong in ("a/b", "c/d", "b/c/d", str(uuid4())):
        with pytest.raises(NotFound):
            await deployments.find(db, wrong)


async def test_a_deployment_names_pool_and_queue_and_makes_the_queue(db: Database, given: Any) -> None:
    pool = await work_pools.create(db, NewWorkPool("yard", "process"))
    row, _ = await given.deployment(db, work_pool_name="yard")
    assert (row.work_queue_name, row.work_queue_id) == ("default", pool.default_queue_id)
    row, _ = await given.deployment(db, work_pool_name="yard", work_queue_name="fast")
    assert row.work_queue_id == (await work_queues.read(db, "yard", "fast")).id
    moved = await deployments.change(db, row.id, {"work_queue_name": "slow"})
    assert (moved.work_pool_name, moved.work_queue_name) == ("yard", "slow")


async def test_a_queue_alone_is_one_of_the_default_pool(db: Database, given: Any) -> None:
    with pytest.raises(NotFound):
        await given.deployment(db, work_queue_name="fast")
    await work_pools.get_or_create(db, NewWorkPool(work_pools.DEFAULT_POOL, "ray"))
    row, _ = await given.deployment(db, work_queue_name="fast")
    assert row.work_pool_name == work_pools.DEFAULT_POOL


async def test_an_unknown_flow_or_pool_changes_nothing(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, version="1")
    with pytest.raises(NotFound):
        await given.deployment(db, version="2", work_pool_name="nowhere")
    with pytest.raises(NotFound):
        await given.deployment(db, flow_id=uuid4())
    with pytest.raises(NotFound):
        await deployments.change(db, row.id, {"version": "2", "work_pool_name": "nowhere"})
    assert (await deployments.read(db, row.id)).version == "1"


async def test_deleting_a_pool_leaves_its_deployments_without_one(db: Database, given: Any) -> None:
    await work_pools.create(db, NewWorkPool("yard", "process"))
    row, _ = await given.deployment(db, work_pool_name="yard")
    await work_pools.delete(db, "yard")
    left = await deployments.read(db, row.id)
    assert (left.work_pool_id, left.work_queue_id, left.work_pool_name) == (None, None, None)


async def test_polling_makes_a_deployment_ready(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db)
    await deployments.polled(db, [row.id])
    assert (await deployments.read(db, row.id)).status == "READY"


async def ahead(db: Database, deployment_id: Any) -> list[Any]:
    return [run for run in await flow_runs.list(db) if run.deployment_id == deployment_id]


async def plan(db: Database, *slots: datetime) -> slot_runs.SlotsTaken:
    """What a scheduler does: take what is due, hand in the same slots for each."""
    due = await slot_runs.due(db, 60)
    return await slot_runs.insert_slots(
        db, [SlotBatch(row.id, row.revision, slots, SOON + timedelta(days=1)) for row in due]
    )


async def test_replacing_a_deployment_makes_its_schedules_anew(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    again, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    assert again.schedules[0].id != row.schedules[0].id
    assert again.schedules[0].key == row.schedules[0].key


async def test_pausing_takes_runs_back_and_makes_none_until_resumed(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    await plan(db, SOON)
    await deployments.pause(db, row.id)
    assert await ahead(db, row.id) == [] and await slot_runs.due(db, 60) == []
    await deployments.resume(db, row.id)
    assert (await plan(db, SOON)).made == 1


async def test_a_new_description_leaves_runs_made_ahead_alone(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    await plan(db, SOON)
    changed = await deployments.change(db, row.id, {"description": "hello", "parameters": None})
    assert changed.description == "hello" and len(await ahead(db, row.id)) == 1


async def test_deleting_a_deployment_takes_the_runs_made_ahead_and_leaves_others(
    db: Database, given: Any
) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    await plan(db, SOON, SOON + timedelta(hours=1))
    first, _ = await ahead(db, row.id)
    await flow_runs.begin(db, given.flow_run(id=first.id), given.owner(), 15.0)
    await given.move(db, first.id, "RUNNING")
    await deployments.delete(db, row.id)
    (left,) = await flow_runs.list(db)
    assert (left.id, left.deployment_id) == (first.id, row.id)
    with pytest.raises(NotFound):
        await schedules.list(db, row.id)
    with pytest.raises(NotFound):
        await deployments.delete(db, row.id)


async def test_schedules_are_listed_newest_first(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY), ScheduleSpec(DAILY)])
    assert [each.definition for each in row.schedules] == [DAILY, HOURLY]


async def test_an_edit_raises_the_revision_and_concerns_only_that_schedules_runs(
    db: Database, given: Any
) -> None:
    row, _ = await given.deployment(
        db, schedules=[ScheduleSpec(HOURLY, slug="h"), ScheduleSpec(DAILY, slug="d")]
    )
    await plan(db, SOON)
    daily, hourly = row.schedules
    edited = await schedules.change(db, row.id, hourly.id, ScheduleSpec(parameters={"p": 1}))
    assert (edited.revision, edited.definition, edited.parameters) == (2, HOURLY, {"p": 1})
    assert {run.schedule_key: run.parameters for run in await ahead(db, row.id)} == {
        daily.key: {},
        hourly.key: {"p": 1},
    }
    await schedules.delete(db, row.id, daily.id)
    assert [run.schedule_key for run in await ahead(db, row.id)] == [hourly.key]
    assert [each.id for each in await schedules.list(db, row.id)] == [hourly.id]


async def test_an_inactive_schedule_makes_no_runs(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    await plan(db, SOON)
    (schedule,) = row.schedules
    await schedules.change(db, row.id, schedule.id, ScheduleSpec(active=False))
    assert await ahead(db, row.id) == [] and await slot_runs.due(db, 60) == []


async def test_unknown_schedules_and_taken_slugs_are_refused(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY, slug="h")])
    with pytest.raises(Duplicate):
        await schedules.create(db, row.id, ScheduleSpec(DAILY, slug="h"))
    with pytest.raises(BadSchedule):
        await schedules.create(db, row.id, ScheduleSpec(slug="x"))
    with pytest.raises(NotFound):
        await schedules.create(db, uuid4(), ScheduleSpec(DAILY))
    with pytest.raises(NotFound):
        await schedules.change(db, row.id, uuid4(), ScheduleSpec(DAILY))
    with pytest.raises(NotFound):
        await schedules.delete(db, uuid4(), row.schedules[0].id)
    made = await schedules.create(db, row.id, ScheduleSpec(DAILY, slug="d"))
    with pytest.raises(Duplicate):
        await schedules.change(db, row.id, made.id, ScheduleSpec(slug="h"))


async def test_a_patch_matches_schedules_by_slug(db: Database, given: Any) -> None:
    row, _ = await given.deployment(
        db, schedules=[ScheduleSpec(HOURLY, slug="a"), ScheduleSpec(HOURLY, slug="b")]
    )
    sent = [ScheduleSpec(DAILY, slug="c", replaces="a"), ScheduleSpec(DAILY, slug="new")]
    patched = await deployments.change(db, row.id, {}, sent)
    before = {each.slug: each.id for each in row.schedules}
    after = {each.slug: each.id for each in patched.schedules}
    assert set(after) == {"b", "c", "new"} and after["c"] == before["a"] and after["b"] == before["b"]


async def test_a_patch_without_slugs_replaces_the_list(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db, schedules=[ScheduleSpec(HOURLY)])
    patched = await deployments.change(db, row.id, {}, [ScheduleSpec(DAILY), ScheduleSpec(DAILY)])
    assert [each.definition for each in patched.schedules] == [DAILY, DAILY]
    assert len({each.key for each in patched.schedules}) == 2


@pytest.mark.parametrize(
    "sent",
    [
        [ScheduleSpec(DAILY)],
        [ScheduleSpec(DAILY, slug="x"), ScheduleSpec(DAILY, slug="x")],
        [ScheduleSpec(DAILY, slug="x", replaces="a"), ScheduleSpec(DAILY, slug="a")],
        [ScheduleSpec(DAILY, slug="b", replaces="a")],
    ],
)
async def test_schedules_that_cannot_be_matched_change_nothing(
    db: Database, given: Any, sent: list[ScheduleSpec]
) -> None:
    row, _ = await given.deployment(
        db, schedules=[ScheduleSpec(HOURLY, slug="a"), ScheduleSpec(HOURLY, slug="b")]
    )
    with pytest.raises((BadSchedule, Duplicate)):
        await deployments.change(db, row.id, {"version": "9"}, sent)
    assert await deployments.read(db, row.id) == row
