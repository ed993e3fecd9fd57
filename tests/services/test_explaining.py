"""Why a run waits: one reason for each thing that can hold it, with who has it and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.foundation.ids import task_run_base, task_run_id
from heliostat.runtime.records import CallSite, RunAppend, TaskRunBatch
from heliostat.runtime.states import Scheduled
from heliostat.runtime.store import (
    concurrency_limits,
    deployments,
    explaining,
    flow_runs,
    leases,
    scheduled_runs,
    work_pools,
    work_queues,
    workers,
)
from heliostat.runtime.store.commits.appends import commit
from heliostat.runtime.store.concurrency_limits import NewLimit
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool, NewWorkQueue
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun


@pytest.fixture
async def waiting(db: Database, given: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A due run of a process pool that has a worker: as punctual as it is, however slow the test."""
    await work_pools.create(db, NewWorkPool("hall", "process"))
    await workers.heartbeat(db, "hall", "w1")
    row = await given.deployment(db, work_pool_name="hall")
    run_id, _ = await scheduled_runs.create_run(db, row.id)
    moment = await db.time()

    async def stopped(_: Database) -> datetime:
        return moment

    monkeypatch.setattr(Database, "time", stopped)
    return row, run_id


async def codes(db: Database, run_id: UUID) -> list[str]:
    return [reason.code for reason in (await explaining.explain(db, run_id)).reasons]


async def test_a_run_that_nothing_holds_has_no_reason(db: Database, waiting: Any) -> None:
    _, run_id = waiting
    told = await explaining.explain(db, run_id)
    assert told.reasons == [] and "nothing holds it" in told.summary
    assert (told.state_type, told.state_name) == ("SCHEDULED", "Scheduled")
    with pytest.raises(NotFound):
        await explaining.explain(db, uuid4())


async def test_paused_places_and_absent_workers_are_told_with_what_to_do(db: Database, waiting: Any) -> None:
    _, run_id = waiting
    await work_pools.change(db, "hall", {"is_paused": True})
    await work_queues.change(db, "hall", "default", {"is_paused": True})
    assert await codes(db, run_id) == ["pool-paused", "queue-paused"]
    await work_pools.change(db, "hall", {"is_paused": False})
    await work_queues.change(db, "hall", "default", {"is_paused": False})
    await workers.delete(db, "hall", "w1")
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert (reason.code, reason.hint) == ("no-worker", "heliostat worker start --pool hall")


async def test_limits_that_are_full_tell_who_holds_them(db: Database, given: Any, waiting: Any) -> None:
    row, run_id = waiting
    holder, _ = await scheduled_runs.create_run(db, row.id)
    await given.move(db, holder, "RUNNING")
    await work_pools.change(db, "hall", {"concurrency_limit": 1})
    await work_queues.change(db, "hall", "default", {"concurrency_limit": 1})
    await deployments.change(db, row.id, {"concurrency_limit": 1})
    reasons = (await explaining.explain(db, run_id)).reasons
    assert [each.code for each in reasons] == ["deployment-limit", "queue-limit", "pool-limit"]
    assert all(each.holders[0]["id"] == str(holder) for each in reasons)
    await deployments.change(db, row.id, {"concurrency_limit": 2})
    await work_pools.change(db, "hall", {"concurrency_limit": 2})
    assert await codes(db, run_id) == ["queue-limit"]


async def test_runs_of_later_and_late_ones_tell_when(db: Database, waiting: Any) -> None:
    row, _ = waiting
    now = datetime.now(UTC)

    async def at(when: datetime, name: str = "Scheduled") -> list[str]:
        state = Scheduled(when, "Attempt 1 of 2 failed.", name=name)
        run_id, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=state))
        return await codes(db, run_id)

    assert await at(now + timedelta(hours=1)) == ["not-due"]
    assert await at(now + timedelta(hours=1), "AwaitingRetry") == ["awaiting-retry"]
    assert await at(now + timedelta(hours=1), "AwaitingConcurrencySlot") == ["deployment-limit"]
    await work_queues.polled(db, [row.work_queue_id])
    assert await at(now - timedelta(minutes=5), "Late") == ["workers-busy", "late"]


async def test_pauses_dead_executors_and_cancellations_are_told(db: Database, given: Any) -> None:
    paused = (await given.script(db, 60.0)).run_id
    await given.move(db, paused, "PAUSED", details={"run_input_keyset": {"schema": "s"}})
    assert await codes(db, paused) == ["waits-for-input"]
    await given.move(db, paused, "CANCELLING")
    assert await codes(db, paused) == ["cancelling"]
    dead = (await given.script(db, -30.0)).run_id
    (reason,) = (await explaining.explain(db, dead)).reasons
    assert reason.code == "dead-executor" and "host-a" in reason.text
    await given.move(db, dead, "FAILED")
    assert "has ended as Failed" in (await explaining.explain(db, dead)).summary


async def test_runs_of_a_deleted_queue_go_on_in_the_default_one(
    db: Database, waiting: Any, given: Any
) -> None:
    """Seen: after its queue was deleted a deployment named none, and its runs waited for ever while `explain`
    asked for a process that serves them. Deployments and runs of a queue that goes belong to the default one.
    """
    queue = await work_queues.create(db, "hall", NewWorkQueue("special"))
    row = await given.deployment(db, "special", work_pool_name="hall", work_queue_name="special")
    before, _ = await scheduled_runs.create_run(db, row.id)
    ended, _ = await scheduled_runs.create_run(db, row.id)
    await given.move(db, ended, "FAILED")
    await work_queues.delete(db, "hall", "special")
    after, _ = await scheduled_runs.create_run(db, row.id)
    assert (await deployments.read(db, row.id)).work_queue_name == "default"
    pool = await work_pools.read(db, "hall")
    for run_id in (before, after, ended):
        assert (await flow_runs.read(db, run_id)).work_queue_id == pool.default_queue_id != queue.id
    claimed = await scheduled_runs.claim(db, pool.id, 9, given.owner(), 60.0)
    assert {before, after} <= {run.run_id for run in claimed}


async def test_runs_of_a_deleted_pool_say_so_and_go_to_the_next_one(db: Database, waiting: Any) -> None:
    row, run_id = waiting
    await work_pools.delete(db, "hall")
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert reason.code == "no-worker" and "the pool was deleted" in reason.text
    await work_pools.create(db, NewWorkPool("barn", "process"))
    await deployments.change(db, row.id, {"work_pool_name": "barn"})
    barn = await work_pools.read(db, "barn")
    assert (await flow_runs.read(db, run_id)).work_queue_id == barn.default_queue_id
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert reason.hint == "heliostat worker start --pool barn"


async def test_a_paused_deployment_stops_its_schedules_and_not_this_run(db: Database, waiting: Any) -> None:
    row, run_id = waiting
    await deployments.pause(db, row.id)
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert reason.code == "deployment-paused" and "not this run" in reason.text
    await deployments.delete(db, row.id)
    assert "has ended as Cancelled" in (await explaining.explain(db, run_id)).summary


async def test_workers_that_serve_other_queues_are_named(db: Database, given: Any, waiting: Any) -> None:
    row, _ = waiting
    overdue = Scheduled(datetime.now(UTC) - timedelta(minutes=5))
    run_id, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=overdue))
    reason, late = (await explaining.explain(db, run_id)).reasons
    assert (reason.code, late.code) == ("queue-not-polled", "late")
    assert "'default': w1 serve other queues" in reason.text
    await work_queues.polled(db, [row.work_queue_id])
    assert await codes(db, run_id) == ["workers-busy", "late"]
    await work_pools.change(db, "hall", {"concurrency_limit": 0})
    reason, _ = (await explaining.explain(db, run_id)).reasons
    assert (reason.code, reason.holders) == ("pool-limit", []) and "is 0" in reason.text


async def test_a_shared_limit_and_runs_without_a_place_are_told(db: Database, given: Any) -> None:
    served = await given.deployment(db)
    run_id, _ = await scheduled_runs.create_run(db, served.id)
    assert await codes(db, run_id) == ["no-worker"]
    await deployments.polled(db, [served.id])
    assert await codes(db, run_id) == []
    limit = await concurrency_limits.create(db, NewLimit("licences", 1))
    await deployments.change(db, served.id, {"global_concurrency_limit_id": limit.id})
    holder, _ = await scheduled_runs.create_run(db, served.id)
    await given.move(db, holder, "RUNNING")
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert reason.code == "deployment-limit" and "'licences'" in reason.text
    script = (await given.script(db, -60.0)).run_id
    await given.move(db, script, "SCHEDULED", name="AwaitingRetry")
    assert await codes(db, script) == ["no-deployment"]


async def test_who_tries_a_run_again_itself_and_whose_claimer_is_gone_is_told(
    db: Database, waiting: Any, given: Any
) -> None:
    row, run_id = waiting
    await given.move(db, run_id, "PENDING")
    assert await codes(db, run_id) == ["starting"]
    await workers.delete(db, "hall", "w1")
    (reason,) = (await explaining.explain(db, run_id)).reasons
    assert reason.code == "claimer-gone" and "no worker of work pool 'hall' is online" in reason.text
    policy = {"retry_type": "in_process"}
    retried, _ = await scheduled_runs.create_run(
        db, row.id, NewDeploymentRun(state=Scheduled(row.created), empirical_policy=policy)
    )
    assert await codes(db, retried) == ["kept-by-process"]
    script = (await given.script(db, 60.0)).run_id
    await given.move(db, script, "SCHEDULED", name="AwaitingRetry")
    (reason,) = (await explaining.explain(db, script)).reasons
    assert reason.code == "kept-by-process" and "host-a" in reason.text


async def test_a_run_that_its_own_caller_keeps_from_starting_is_a_deadlock(
    db: Database, waiting: Any, given: Any
) -> None:
    row, outer = waiting
    await given.move(db, outer, "RUNNING")
    site = CallSite(outer, "", "flow:survey", "survey", task_run_base(outer, "", "flow:survey"))
    tracking = TaskRunBatch(site, [0], "RUNNING", "Running", 1_700_000_000.0, [1_700_000_000.0], [None])
    owner = given.owner()
    lease = await leases.take(db, outer, owner, 60.0)
    await commit(db, [RunAppend(outer, lease.epoch, owner.id, 1, [tracking])], 60.0)
    due = Scheduled(row.created)
    called = NewDeploymentRun(state=due, parent_task_run_id=task_run_id(site.base, 0))
    inner, _ = await scheduled_runs.create_run(db, row.id, called)
    other, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(state=Scheduled(row.created)))
    await deployments.change(db, row.id, {"concurrency_limit": 1})
    (reason,) = (await explaining.explain(db, inner)).reasons
    assert reason.code == "deadlock" and "neither can go on" in reason.text
    assert await codes(db, other) == ["deployment-limit"]


async def test_a_paused_run_whose_process_is_gone_says_so(db: Database, given: Any) -> None:
    paused = (await given.script(db, 60.0)).run_id
    await given.move(db, paused, "PAUSED")
    told = await explaining.explain(db, paused, lambda *_: "its process 123 is gone")
    assert [each.code for each in told.reasons] == ["paused", "dead-executor"]
