"""One run, one writer: who may have it and when."""

from __future__ import annotations

import time
from typing import Any

import pytest

from heliostat.api.executors import executor_of
from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import LeaseHeld
from heliostat.runtime.store import leases
from heliostat.runtime.store.commits.appends import commit
from heliostat.runtime.store.database.database import Database


async def test_a_living_lease_is_held_against_others(db: Database, given: Any) -> None:
    run = await given.run(db)
    with pytest.raises(LeaseHeld, match="process 123 on host-a"):
        await leases.take(db, run.id, given.owner(), 15.0)


async def test_lapsed_lease_gives_run_to_one_new_owner(db: Database, given: Any) -> None:
    run = await given.run(db)
    await leases.renew(db, [(run.id, 1, run.owner.id)], -1.0)
    second, third = given.owner(), given.owner()
    taken = await leases.take(db, run.id, second, 15.0)
    assert taken.epoch == 2
    with pytest.raises(LeaseHeld):
        await leases.take(db, run.id, third, 15.0)


async def test_one_of_those_who_find_a_holder_dead_gets_the_lease(db: Database, given: Any) -> None:
    run = await given.run(db)
    second, third = given.owner(), given.owner()
    taken = await leases.take(db, run.id, second, 15.0, dead_epoch=1)
    assert taken.epoch == 2
    with pytest.raises(LeaseHeld):
        await leases.take(db, run.id, third, 15.0, dead_epoch=1)
    row = await leases.read(db, run.id)
    assert row is not None and row.owner == second.id


async def test_a_taken_lease_goes_on_where_the_journal_stands(db: Database, given: Any) -> None:
    run = await given.run(db)
    await run.record(given.batch(run.site(), range(7)))
    taken = await leases.take(db, run.id, given.owner(), 15.0, force=True)
    assert (taken.epoch, taken.last_seq) == (2, 7)


async def test_takeover_fences_the_old_owner_with_its_next_write(db: Database, given: Any) -> None:
    run = await given.run(db)
    new_owner = given.owner()
    await leases.take(db, run.id, new_owner, 15.0, force=True)
    ack = await run.record(given.batch(run.site(), range(3)))
    assert ack.fenced
    assert await leases.renew(db, [(run.id, 1, run.owner.id)], 15.0) == {run.id}
    assert not await leases.release(db, run.id, 1, run.owner.id)
    row = await leases.read(db, run.id)
    assert row is not None and (row.owner, row.epoch, row.last_seq) == (new_owner.id, 2, 0)


async def test_an_owner_that_takes_its_own_lease_again_gets_a_new_epoch(db: Database, given: Any) -> None:
    run = await given.run(db)
    again = await leases.take(db, run.id, run.owner, 15.0)
    assert again.epoch == 2
    (ack,) = await commit(db, [run.append(given.batch(run.site(), range(1)))], 15.0)
    assert ack.fenced


async def test_renewal_reports_only_fenced_runs(db: Database, given: Any) -> None:
    kept, lost = await given.run(db), await given.run(db)
    await leases.take(db, lost.id, given.owner(), 15.0, force=True)
    held = [(run.id, 1, run.owner.id) for run in (kept, lost)]
    assert await leases.renew(db, held, 15.0) == {lost.id}


async def test_a_released_lease_is_free_and_its_epoch_stays(db: Database, given: Any) -> None:
    run = await given.run(db)
    assert await leases.release(db, run.id, 1, run.owner.id)
    row = await leases.read(db, run.id)
    assert row is not None and row.lapsed and row.owner is None and row.epoch == 1
    assert (await leases.take(db, run.id, given.owner(), 15.0)).epoch == 2


async def test_a_commit_renews_the_lease(db: Database, given: Any) -> None:
    run = await given.run(db)
    await leases.renew(db, [(run.id, 1, run.owner.id)], -1.0)
    lapsed = await leases.read(db, run.id)
    assert lapsed is not None and lapsed.lapsed
    await run.record(given.batch(run.site(), range(1)))
    renewed = await leases.read(db, run.id)
    assert renewed is not None and not renewed.lapsed


async def test_a_commit_that_is_told_no_time_leaves_the_lease_alone(db: Database, given: Any) -> None:
    run = await given.run(db)
    before = await leases.read(db, run.id)
    await commit(db, [run.append(given.batch(run.site(), range(1)))], None)
    after = await leases.read(db, run.id)
    assert before is not None and after is not None and after.until == before.until


async def test_what_is_left_of_a_lease_is_told_by_the_databases_clock(db: Database, given: Any) -> None:
    """A command on a host whose clock is wrong said of a living process that it was silent for an hour."""
    run = await given.run(db)
    await leases.renew(db, [(run.id, 1, run.owner.id)], 600.0)
    row = await leases.read(db, run.id)
    assert row is not None and not row.lapsed and 500.0 < row.left_s <= 600.0
    clock.set_wall_clock(lambda: time.time() + 3_600)
    try:
        executor = executor_of(row, 600.0)
    finally:
        clock.set_wall_clock(None)
    assert executor is not None and executor.silent_s < 100.0
