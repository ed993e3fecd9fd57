"""A state that the server's own parts write is refused when the run is somebody else's by then.

Seen: a pool whose process had failed wrote Crashed by force. Meanwhile the run's lease had lapsed and another
pool executed it: that one was stopped in the middle of its work by a state about an earlier execution.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import StaleState
from heliostat.runtime.states import Cancelled, Cancelling, Crashed, Paused, Running, Scheduled
from heliostat.runtime.store import cleanups, flow_run_changes, flow_runs, leases
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.fences import Fence

FUTURE = timedelta(hours=1)


async def _state(db: Database, run_id: UUID) -> str | None:
    return (await flow_runs.read(db, run_id)).state_type


async def _running(db: Database, given: Any) -> Any:
    run = await given.run(db)
    await flow_run_changes.propose(db, run.id, Running(), force=True)
    return run


async def test_the_end_that_a_holder_writes_gives_the_lease_back(db: Database, given: Any) -> None:
    run = await _running(db, given)
    fence = Fence(frozenset({run.owner.id}), run.lease.epoch, releases=True)
    await flow_run_changes.propose(db, run.id, Crashed("lost"), force=True, fence=fence)
    assert await _state(db, run.id) == "CRASHED"
    lease = await leases.read(db, run.id)
    assert lease is not None and lease.owner is None
    ack = await run.record(given.batch(run.site(), range(1)))
    assert ack.fenced, "whoever held it writes no more"


@pytest.mark.parametrize("by_epoch", [True, False])
async def test_what_a_pool_says_of_a_run_that_was_adopted_elsewhere_is_refused(
    db: Database, given: Any, by_epoch: bool
) -> None:
    run = await _running(db, given)
    elsewhere = given.owner()
    taken = await leases.take(db, run.id, elsewhere, 15.0, dead_epoch=run.lease.epoch)
    fence = Fence(frozenset({run.owner.id, None}), run.lease.epoch if by_epoch else None, releases=True)
    with pytest.raises(StaleState, match="another process executes it now"):
        await flow_run_changes.propose(db, run.id, Crashed("lost"), force=True, fence=fence)
    assert await _state(db, run.id) == "RUNNING"
    lease = await leases.read(db, run.id)
    assert lease is not None and (lease.owner, lease.epoch) == (elsewhere.id, taken.epoch)


async def test_a_holder_that_took_the_run_once_more_does_not_end_it_for_its_earlier_self(
    db: Database, given: Any
) -> None:
    run = await _running(db, given)
    await leases.take(db, run.id, run.owner, 15.0)
    fence = Fence(frozenset({run.owner.id}), run.lease.epoch)
    with pytest.raises(StaleState, match="taken over meanwhile"):
        await flow_run_changes.propose(db, run.id, Crashed("lost"), force=True, fence=fence)


async def test_a_run_that_waits_to_go_on_elsewhere_is_not_crashed_any_more(db: Database, given: Any) -> None:
    run = await _running(db, given)
    await leases.release(db, run.id, run.lease.epoch, run.owner.id)
    waits = Scheduled(clock.now() + FUTURE, name="AwaitingRetry")
    await flow_run_changes.propose(db, run.id, waits, force=True)
    fence = Fence(frozenset({run.owner.id, None}), is_at_work=True)
    with pytest.raises(StaleState, match="its state has changed"):
        await flow_run_changes.propose(db, run.id, Crashed("lost"), force=True, fence=fence)


async def test_a_run_whose_lease_nobody_holds_can_be_ended_by_who_lost_it(db: Database, given: Any) -> None:
    run = await _running(db, given)
    await leases.release(db, run.id, run.lease.epoch, run.owner.id)
    fence = Fence(frozenset({run.owner.id, None}), is_at_work=True)
    await flow_run_changes.propose(db, run.id, Crashed("lost"), force=True, fence=fence)
    assert await _state(db, run.id) == "CRASHED"


async def test_a_fence_on_a_state_and_on_living_holders(db: Database, given: Any) -> None:
    run = await _running(db, given)
    before = (await flow_runs.read(db, run.id)).state_id
    with pytest.raises(StaleState, match="a process executes it"):
        await flow_run_changes.propose(db, run.id, Cancelled(), fence=Fence(is_unheld=True))
    with pytest.raises(StaleState, match="its state has changed"):
        await flow_run_changes.propose(db, run.id, Cancelled(), fence=Fence(state_id=uuid4()))
    await leases.renew(db, [(run.id, run.lease.epoch, run.owner.id)], -1.0)
    fence = Fence(is_unheld=True, state_id=before)
    assert (await flow_run_changes.propose(db, run.id, Cancelled(), fence=fence)).written


async def test_a_pause_that_was_resumed_a_moment_ago_does_not_fail(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clean-up has read that the pause is over, and then somebody resumes the run."""
    run = await _running(db, given)
    await flow_run_changes.propose(db, run.id, Paused(timeout_s=-5), force=True)
    propose = flow_run_changes.propose

    async def resumed_first(db: Database, run_id: UUID, *args: Any, **options: Any) -> Any:
        await propose(db, run_id, Running(), force=True)
        return await propose(db, run_id, *args, **options)

    monkeypatch.setattr(flow_run_changes, "propose", resumed_first)
    assert await cleanups.expire_pauses(db) == []
    assert await _state(db, run.id) == "RUNNING"


async def test_a_cancelling_run_that_was_adopted_a_moment_ago_is_left_to_its_holder(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await _running(db, given)
    await flow_run_changes.propose(db, run.id, Cancelling(), force=True)
    await leases.renew(db, [(run.id, run.lease.epoch, run.owner.id)], -1.0)
    propose, elsewhere = flow_run_changes.propose, given.owner()

    async def adopted_first(db: Database, run_id: UUID, *args: Any, **options: Any) -> Any:
        await leases.take(db, run_id, elsewhere, 15.0)
        return await propose(db, run_id, *args, **options)

    monkeypatch.setattr(flow_run_changes, "propose", adopted_first)
    assert await cleanups.give_up_on_cancelling(db, after_s=-5) == []
    assert await _state(db, run.id) == "CANCELLING"
