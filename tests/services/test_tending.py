"""Late runs, pauses that timed out, and what is left of cancelled runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from heliostat.actors.loops.tending import CancellationCleanup, LateMarker, PauseExpiry
from heliostat.runtime.foundation.errors import NoFreeSlots
from heliostat.runtime.states import Pending, Running, Scheduled
from heliostat.runtime.store import (
    cleanups,
    collisions,
    concurrency_limits,
    flow_runs,
    scheduled_runs,
    tag_slots,
    task_run_changes,
    task_runs,
    work_pools,
    work_queues,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun
from heliostat.runtime.store.task_run_changes import NewTaskRun


async def name_of(db: Database, run_id: Any) -> str | None:
    return (await flow_runs.read(db, run_id)).state_name


async def test_a_run_that_waits_too_long_is_late(db: Database, given: Any) -> None:
    row = await given.deployment(db)
    early = datetime.now(UTC) - timedelta(seconds=16)
    late, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=Scheduled(early)))
    due, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=Scheduled()))
    await LateMarker(db).step()
    assert (await name_of(db, late), await name_of(db, due)) == ("Late", "Scheduled")


@pytest.mark.parametrize("full", ["nothing", "queue", "pool"])
async def test_new_runs_of_a_full_deployment_are_cancelled_also_where_pool_or_queue_is_full(
    db: Database, given: Any, full: str
) -> None:
    """Seen: with a full pool or queue such a run's turn never came, so it waited, as if it were to queue."""
    await work_pools.create(db, NewWorkPool("hall", "process"))
    options = {"collision_strategy": "CANCEL_NEW"}
    facts: dict[str, Any] = {"work_pool_name": "hall", "concurrency_limit": 1}
    strict = await given.deployment(db, "strict", concurrency_options=options, **facts)
    patient = await given.deployment(db, "patient", **facts)
    if full == "pool":
        await work_pools.change(db, "hall", {"concurrency_limit": 2})
    elif full == "queue":
        await work_queues.change(db, "hall", "default", {"concurrency_limit": 2})
    runs = {
        row.id: [(await scheduled_runs.create_run(db, row.id))[0] for _ in range(2)]
        for row in (strict, patient)
    }
    later, _ = await scheduled_runs.create_run(
        db, strict.id, NewDeploymentRun(state=Scheduled(datetime.now(UTC) + timedelta(hours=1)))
    )
    for first, _ in runs.values():
        await given.move(db, first, "RUNNING")
    await work_pools.change(db, "hall", {"is_paused": True})
    assert await collisions.cancel_new(db) == []  # nothing asks for a slot there
    await work_pools.change(db, "hall", {"is_paused": False})
    await LateMarker(db).step()
    assert await name_of(db, runs[strict.id][1]) == "Cancelled"
    assert [await name_of(db, each) for each in (runs[patient.id][1], later)] == ["Scheduled", "Scheduled"]
    assert (await flow_runs.decisions(db, runs[strict.id][1]))[-1].rule == "DeploymentLimit"
    await given.move(db, runs[strict.id][0], "COMPLETED")
    again, _ = await scheduled_runs.create_run(db, strict.id)
    assert await collisions.cancel_new(db) == []
    assert await name_of(db, again) == "Scheduled"


async def test_slots_that_a_dead_client_never_gave_back_come_free_with_its_run(
    db: Database, given: Any
) -> None:
    """Seen: an old client takes slots over REST and renews nothing. When it died its slots were gone for a
    day, although its run had been told as crashed.
    """
    await concurrency_limits.set_tag_limit(db, "loud", 2)
    runs = [await given.script(db, 60.0) for _ in range(2)]
    tasks = [
        (
            await task_run_changes.create(
                db, NewTaskRun(None, run.run_id, "k", "1", "1", (), {}, {}, None, {}, None, None), Running()
            )
        )[0].id
        for run in runs
    ]
    for task_run_id in tasks:
        await tag_slots.take(db, ["loud"], task_run_id)
    await CancellationCleanup(db).step()
    with pytest.raises(NoFreeSlots):
        await tag_slots.take(db, ["loud"], uuid4())
    await given.move(db, runs[0].run_id, "CRASHED")
    await CancellationCleanup(db).step()
    assert await tag_slots.take(db, ["loud"], uuid4())
    with pytest.raises(NoFreeSlots):  # the other run goes on, and keeps its slot
        await tag_slots.take(db, ["loud"], uuid4())


async def test_a_run_whose_pause_cannot_be_read_is_set_aside_and_the_others_expire(
    db: Database, given: Any
) -> None:
    bad, over = [(await given.script(db, 60.0)).run_id for _ in range(2)]
    await given.move(db, bad, "PAUSED", details={"pause_timeout": "soon"})
    past = datetime.now(UTC) - timedelta(seconds=1)
    await given.move(db, over, "PAUSED", details={"pause_timeout": past})
    await PauseExpiry(db).step()
    assert (await name_of(db, bad), await name_of(db, over)) == ("Crashed", "Failed")
    assert "soon" in ((await flow_runs.history(db, bad))[-1].message or "")


async def test_a_pause_that_was_not_ended_in_time_fails_the_run(db: Database, given: Any) -> None:
    over, waiting, endless = [(await given.script(db, 60.0)).run_id for _ in range(3)]
    moment = datetime.now(UTC)
    await given.move(db, over, "PAUSED", details={"pause_timeout": moment - timedelta(seconds=1)})
    await given.move(db, waiting, "PAUSED", details={"pause_timeout": moment + timedelta(seconds=60)})
    await given.move(db, endless, "PAUSED")
    await PauseExpiry(db).step()
    assert [await name_of(db, run) for run in (over, waiting, endless)] == ["Failed", "Paused", "Paused"]


async def test_what_is_left_of_a_cancelled_run_is_cancelled(db: Database, given: Any) -> None:
    run, deployment = await given.script(db, 60.0), await given.deployment(db)

    async def task(key: str, first: Any) -> Any:
        new = NewTaskRun(None, run.run_id, "k", key, key, (), {}, {}, None, {}, None, None)
        row, _ = await task_run_changes.create(db, new, first)
        return row.id

    waiting, tracker, far = await task("1", Pending()), await task("2", Running()), await task("3", Running())
    child = await given.script(db, 60.0, parent_task_run_id=tracker)
    asked = NewDeploymentRun(parent_task_run_id=far)
    other, _ = await scheduled_runs.create_run(db, deployment.id, asked)
    await given.move(db, other, "RUNNING")
    await given.move(db, run.run_id, "CANCELLED")
    cleanup = CancellationCleanup(db)
    await cleanup.step()
    await cleanup.step()
    assert await name_of(db, child.run_id) == "Cancelled"
    assert await name_of(db, other) == "Cancelling"  # its own executor ends it
    names = {task_id: (await task_runs.read(db, task_id)).state_name for task_id in (waiting, tracker)}
    assert set(names.values()) == {"Cancelled"}


async def test_calls_of_a_cancelled_run_that_is_run_again_are_left_alone(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: the remains of a cancelled run were found in one transaction and those with a history ended, one
    by one and by force, in others. Between them the run was started again, and its call was cancelled.
    """
    run = await given.script(db, 60.0)
    task = NewTaskRun(None, run.run_id, "k", "1", "1", (), {}, {}, None, {}, None, None)
    row, _ = await task_run_changes.create(db, task, Running())
    await given.move(db, run.run_id, "CANCELLED")
    seen: list[str | None] = []
    write = db.write

    @asynccontextmanager
    async def then_it_is_run_again() -> AsyncIterator[Any]:
        async with write() as connection:
            yield connection
        if not seen:
            seen.append(None)
            await given.move(db, run.run_id, "RUNNING")
            seen.append((await task_runs.read(db, row.id)).state_name)

    monkeypatch.setattr(db, "write", then_it_is_run_again)
    await cleanups.cancel_remains(db, run.run_id)
    assert (await task_runs.read(db, row.id)).state_name == seen[1]


async def test_a_cancellation_that_nobody_carries_out_is_given_up(db: Database, given: Any) -> None:
    held, left = await given.script(db, 60.0), await given.script(db, -5.0)
    for lease in (held, left):
        await given.move(db, lease.run_id, "CANCELLING")
    assert await cleanups.give_up_on_cancelling(db, 300.0) == []
    assert await cleanups.give_up_on_cancelling(db, -1.0) == [left.run_id]
    assert (await name_of(db, held.run_id), await name_of(db, left.run_id)) == ("Cancelling", "Cancelled")
