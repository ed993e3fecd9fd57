"""Jobs over many runs: one process at a time works on one, and nothing is done twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from heliostat.api.run_jobs import carry_out
from heliostat.runtime.foundation import clock
from heliostat.runtime.store import flow_runs, run_jobs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.run_jobs import Job


async def a_job(db: Database, given: Any, runs: int) -> tuple[Job, list[UUID]]:
    ids = [(await given.run(db)).id for _ in range(runs)]
    asked = {"state": {"type": "FAILED"}, "force": True}
    return await run_jobs.create(db, "set-state", asked, flow_run_ids=ids), ids


async def states_of(db: Database, run_ids: list[UUID]) -> list[int]:
    """How many states of that kind each run went through."""
    return [
        sum(state.type == "FAILED" for state in await flow_runs.history(db, run_id)) for run_id in run_ids
    ]


async def test_one_process_at_a_time_works_on_a_job(db: Database, given: Any) -> None:
    job, _ = await a_job(db, given, 1)
    taken = await run_jobs.take(db)
    assert taken is not None
    assert (taken.id, taken.status) == (job.id, "running")
    assert await run_jobs.take(db) is None


async def test_a_job_whose_process_died_is_taken_up_and_nothing_is_done_twice(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_jobs, "HELD_S", -1.0)  # as if its process had been silent for long
    job, ids = await a_job(db, given, 12)

    async def dies(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run_jobs, "note", dies)  # the runs were changed, and nobody has written that down
        await carry_out(db, job)
    again = await run_jobs.take(db)
    assert again is not None
    await carry_out(db, again)
    done = await run_jobs.read(db, job.id)
    assert (done.status, done.outcomes) == ("done", {"changed": 8, "done": 4})
    assert await states_of(db, ids) == [1] * 12


async def test_a_cancelled_job_changes_no_further_run(db: Database, given: Any) -> None:
    job, ids = await a_job(db, given, 12)
    await run_jobs.cancel(db, job.id)
    await carry_out(db, job)
    told = await run_jobs.read(db, job.id)
    assert told.status == "cancelled"
    assert sum(await states_of(db, ids)) <= 8, "what was at work is ended, and nothing more begun"


async def test_a_run_that_moved_on_since_is_left_as_it_is(db: Database, given: Any) -> None:
    job, (run_id,) = await a_job(db, given, 1)
    await given.move(db, run_id, "COMPLETED")
    await carry_out(db, job)
    assert (await run_jobs.read(db, job.id)).outcomes == {"changed": 1}
    assert (await flow_runs.read(db, run_id)).state_type == "COMPLETED"


async def test_a_job_waits_until_it_may_begin(db: Database, given: Any) -> None:
    ids = [(await given.run(db)).id]
    job = await run_jobs.create(db, "cancel", {}, flow_run_ids=ids, begins_in_s=30)
    assert await run_jobs.take(db) is None
    assert job.begins.timestamp() > clock.epoch_s() + 20
