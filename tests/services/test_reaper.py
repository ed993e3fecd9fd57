"""Runs whose executor is gone go on elsewhere or tell that they crashed, and no living one is harmed."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat.actors.loops import reaper
from heliostat.actors.loops.reaper import MOST_RESCUES, Reaper, rescue
from heliostat.runtime.states import Pending, Running
from heliostat.runtime.store import (
    flow_run_changes,
    flow_runs,
    leases,
    losses,
    polling,
    rescues,
    scheduled_runs,
    task_run_changes,
    work_pools,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool
from heliostat.runtime.store.task_run_changes import NewTaskRun

GONE = -100.0  # a lease that lapsed long ago


async def state_of(db: Database, run_id: Any) -> tuple[str | None, str | None]:
    run = await flow_runs.read(db, run_id)
    return run.state_type, run.state_name


async def test_a_run_of_a_pool_is_given_back_and_its_old_owner_can_write_no_more(
    db: Database, given: Any
) -> None:
    run = await given.claimed(db, GONE)
    await flow_run_changes.propose(db, run.run_id, Running())
    lease = await leases.read(db, run.run_id)
    assert lease is not None
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, run.run_id) == ("SCHEDULED", "AwaitingRetry")
    assert await leases.renew(db, [(run.run_id, run.epoch, lease.owner)], 15.0) == {run.run_id}
    pool = await work_pools.read(db, "hall")
    (again,) = await scheduled_runs.claim(db, pool.id, 5, given.owner(), 15.0)
    assert (again.run_id, again.epoch) == (run.run_id, run.epoch + 1)
    decision = (await flow_runs.decisions(db, run.run_id))[-1]
    assert (decision.rule, decision.to_name) == ("lapsed-lease", "AwaitingRetry")
    assert "host-a" in decision.reason


async def test_a_run_whose_lease_lives_is_left_alone_unless_its_owner_is_known_to_be_dead(
    db: Database, given: Any
) -> None:
    run = await given.claimed(db, 60.0)
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, run.run_id) == ("PENDING", "Pending")
    lease = await leases.read(db, run.run_id)
    assert lease is not None and lease.owner is not None
    from heliostat.runtime.store.deployment_rows import LapsedLease

    told = LapsedLease(
        run.run_id,
        run.epoch,
        lease.owner,
        lease.until,
        "host-a",
        1,
        "PENDING",
        "Pending",
        0,
        run.deployment_id,
        None,
    )
    assert not await rescue(db, told)
    assert await rescue(db, told, proven_dead=True)
    assert not await rescue(db, told, proven_dead=True)  # the lease is not that owner's any more
    assert await state_of(db, run.run_id) == ("SCHEDULED", "AwaitingRetry")


async def test_nothing_is_reaped_before_the_database_was_healthy_for_a_lease(
    db: Database, given: Any
) -> None:
    run = await given.claimed(db, GONE)
    patient = Reaper(db, lease_s=600.0)
    await patient.step()
    await patient.step()
    assert await state_of(db, run.run_id) == ("PENDING", "Pending")


async def test_a_run_that_loses_every_executor_is_given_up(db: Database, given: Any) -> None:
    run = await given.claimed(db, GONE)
    for lost in range(MOST_RESCUES + 1):
        assert await losses.count(db, run.run_id) == lost
        await Reaper(db, lease_s=0.0).step()
        if lost < MOST_RESCUES:
            assert (await state_of(db, run.run_id))[1] == "AwaitingRetry"
            await leases.take(db, run.run_id, given.owner(), GONE)
            await given.move(db, run.run_id, "RUNNING")
    assert await state_of(db, run.run_id) == ("CRASHED", "Crashed")


async def test_a_script_that_went_silent_is_crashed_and_may_still_come_back(db: Database, given: Any) -> None:
    gone, slow = await given.script(db, GONE), await given.script(db, -5.0)
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, gone.run_id) == ("CRASHED", "Crashed")
    assert await state_of(db, slow.run_id) == ("RUNNING", "Running")
    lease = await leases.read(db, gone.run_id)
    assert lease is not None and lease.epoch == gone.epoch and lease.owner is not None


async def test_a_cancellation_whose_executor_is_gone_is_carried_out(db: Database, given: Any) -> None:
    run = await given.claimed(db, GONE)
    await given.move(db, run.run_id, "RUNNING")
    await given.move(db, run.run_id, "CANCELLING")
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, run.run_id) == ("CANCELLED", "Cancelled")


async def test_a_sub_flow_is_left_to_its_parent_until_that_has_ended(db: Database, given: Any) -> None:
    parent = await given.script(db, GONE)
    new = NewTaskRun(None, parent.run_id, "k", "0", "child", (), {}, {}, None, {}, None, None)
    tracker, _ = await task_run_changes.create(db, new, Running())
    child = await given.script(db, GONE, parent_task_run_id=tracker.id)
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, parent.run_id) == ("CRASHED", "Crashed")
    assert await state_of(db, child.run_id) == ("RUNNING", "Running")
    await given.move(db, parent.run_id, "FAILED")
    await Reaper(db, lease_s=0.0).step()
    assert await state_of(db, child.run_id) == ("CRASHED", "Crashed")


@pytest.mark.parametrize("started", [False, True])
async def test_a_run_whose_worker_died_before_it_began_is_given_out_again(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """Seen: a worker claims over the API, without a lease; killed then, it left its run PENDING for good."""
    await work_pools.create(db, NewWorkPool("yard", "process"))
    await work_pools.create(db, NewWorkPool("far", "kubernetes"))
    near = await given.deployment(db, "near", work_pool_name="yard")
    far = await given.deployment(db, "far", work_pool_name="far")
    served = await given.deployment(db, "served")
    runs = [(await scheduled_runs.create_run(db, each.id))[0] for each in (near, served, far)]
    for run_id in runs:
        await flow_run_changes.propose(db, run_id, Pending())
        await flow_run_changes.propose(db, run_id, Pending(name="Submitting"))
        if started:
            await flow_run_changes.change(db, run_id, {"infrastructure_pid": "host-a:12"})
    patience = "PROCESS_PATIENCE_S" if started else "CLAIM_PATIENCE_S"
    await Reaper(db, lease_s=0.0).step()
    assert [await state_of(db, run_id) for run_id in runs] == [("PENDING", "Submitting")] * 3
    (seen, _) = await rescues.stranded(db, patience_s=-1.0, process_patience_s=-1.0)
    monkeypatch.setattr(reaper, patience, -1.0)
    await Reaper(db, lease_s=0.0).step()
    again = ("SCHEDULED", "AwaitingRetry")
    assert [await state_of(db, run_id) for run_id in runs] == [again, again, ("PENDING", "Submitting")]
    assert not await rescues.give_out_again(db, seen, Running())
    found = await polling.of_deployments(db, [near.id, served.id], before=await db.time())
    assert set(found) == set(runs[:2])


async def test_a_claim_whose_process_has_the_lease_is_not_given_out_again(db: Database, given: Any) -> None:
    run = await given.claimed(db, 60.0)
    assert await rescues.stranded(db, patience_s=-1.0, process_patience_s=-1.0) == []
    lease = await leases.read(db, run.run_id)
    assert lease is not None and await leases.release(db, run.run_id, lease.epoch, lease.owner)
    (claim,) = await rescues.stranded(db, patience_s=-1.0, process_patience_s=-1.0)
    await leases.take(db, run.run_id, given.owner(), 60.0)
    assert not await rescues.give_out_again(db, claim, Running())
    assert await state_of(db, run.run_id) == ("PENDING", "Pending")
