"""Why a run waits: one reason for each thing that can hold it, with who has it and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.errors import NotFound
from heliostat.runtime.states import Scheduled
from heliostat.runtime.store import deployments, explaining, scheduled_runs, work_pools, work_queues, workers
from heliostat.runtime.store.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool
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
    assert await at(now - timedelta(minutes=5), "Late") == ["no-keeper", "late"]


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
