"""A run that nobody can set up, or that is gone, ends alone: the pool goes on with those behind it.

Seen: the template of a run gave "many" for the retries after a crash. What that raised ended the pool's loop
of claims for good: no run of the pool began any more until its actor was killed. Whatever a single run does
to the pool's code, it is set aside with the reason in its state, and the loop goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from waiting import wait_until

from heliostat.actors.assignments import Assignment, Described, Ended, ProcessSpec
from heliostat.actors.hosts import HostLimits, Hosts
from heliostat.actors.work_pool import WorkPool
from heliostat.runtime.records import Owner
from heliostat.runtime.states import Completed
from heliostat.runtime.store import (
    claims,
    deployments,
    flow_run_changes,
    flow_runs,
    flows,
    leases,
    scheduled_runs,
    work_pools,
    workers,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed
from heliostat.runtime.store.deployment_rows import NewDeployment, NewWorkPool
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

PATIENCE_S = 120.0
TEMPLATE = {
    "job_configuration": {
        "crash_retries": "{{ crash_retries }}",
        "isolation": "{{ isolation }}",
        "memory_bytes": "{{ memory_bytes }}",
        "env": "{{ env }}",
    },
    "variables": {
        "type": "object",
        "properties": {"crash_retries": {}, "isolation": {}, "memory_bytes": {}, "env": {}},
    },
}


class Obliging:
    """A launcher whose processes end each run at once, except those that a test wants otherwise."""

    name = "obliging"

    def __init__(self, db: Database) -> None:
        self.db = db
        self.fails_at: set[UUID] = set()

    def launch(self, spec: ProcessSpec) -> Obliging:
        return self

    def unmet(self, spec: ProcessSpec) -> str | None:
        return None

    async def describe(self) -> Described:
        return Described(self.name, 1, "host", "node", (), None, 1000)

    async def execute(self, assignment: Assignment) -> Ended:
        if assignment.run_id in self.fails_at:
            raise TypeError("cannot pickle such a job")
        await flow_run_changes.propose(self.db, assignment.run_id, Completed(), force=True)
        return Ended("COMPLETED", "Completed")

    def kill(self) -> None: ...


class Hall:
    """A pool at work, and runs for it."""

    def __init__(self, db: Database, feed: Feed, deployment_id: UUID, launcher: Obliging, row: Any) -> None:
        self.db = db
        self.deployment_id = deployment_id
        self.launcher = launcher
        self._make = lambda: WorkPool(
            db, feed, row, Hosts(launcher, HostLimits(most=8)), Owner(uuid4(), "head", 1, 1.0), 60.0
        )
        self.pool: WorkPool | None = None

    def open(self) -> WorkPool:
        self.pool = self._make()
        return self.pool

    async def run(self, **job_variables: Any) -> UUID:
        new = NewDeploymentRun(job_variables=job_variables or None)
        return (await scheduled_runs.create_run(self.db, self.deployment_id, new))[0]

    async def state(self, run_id: UUID) -> tuple[str | None, str]:
        run = await flow_runs.read(self.db, run_id)
        history = await flow_runs.history(self.db, run_id)
        return run.state_type, history[-1].message or ""

    async def ended(self, *run_ids: UUID) -> None:
        for run_id in run_ids:
            await wait_until(
                lambda run_id=run_id: self.state(run_id),
                lambda state: state[0] in ("COMPLETED", "CRASHED"),
                within_s=PATIENCE_S,
            )


@pytest.fixture
async def hall(db: Database) -> AsyncIterator[Hall]:
    await work_pools.create(db, NewWorkPool("hall", "ray", base_job_template=TEMPLATE))
    row = await work_pools.read(db, "hall")
    flow = await flows.get_or_create(db, "survey")
    deployment, _ = await deployments.upsert(db, NewDeployment(flow.id, "here", work_pool_name="hall"))
    feed = await Feed.open(db)
    hall = Hall(db, feed, deployment.id, Obliging(db), row)
    yield hall
    if hall.pool is not None:
        await hall.pool.close()
    await feed.close()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"crash_retries": "many"}, "many"),
        ({"isolation": "solitary"}, "solitary"),
        ({"isolation": ["pooled"]}, "pooled"),
        ({"memory_bytes": [1]}, "list"),
        ({"env": ["A=1"]}, "items"),
    ],
    ids=["words", "unknown", "unhashable", "list", "no-mapping"],
)
async def test_a_run_whose_job_makes_no_sense_crashes_with_the_reason(
    hall: Hall, variables: dict[str, Any], named: str
) -> None:
    poisoned, healthy = await hall.run(**variables), await hall.run()
    hall.open()
    await hall.ended(poisoned, healthy)
    assert (await hall.state(healthy))[0] == "COMPLETED"
    state, message = await hall.state(poisoned)
    assert state == "CRASHED" and named in message, message


async def test_one_poisoned_run_among_a_thousand_leaves_the_others_alone(hall: Hall) -> None:
    some = 499 if hall.db.is_sqlite else 49
    run_ids = [await hall.run() for _ in range(some)]
    poisoned = await hall.run(crash_retries="many")
    run_ids += [await hall.run() for _ in range(some + 1)]
    hall.open()
    await hall.ended(*run_ids, poisoned)
    states = [(await hall.state(run_id))[0] for run_id in run_ids]
    assert states == ["COMPLETED"] * (2 * some + 1)
    assert (await hall.state(poisoned))[0] == "CRASHED"


async def test_a_run_at_which_the_pool_itself_fails_is_set_aside(hall: Hall) -> None:
    poisoned, healthy = await hall.run(), await hall.run()
    hall.launcher.fails_at.add(poisoned)
    hall.open()
    await hall.ended(poisoned, healthy)
    state, message = await hall.state(poisoned)
    assert state == "CRASHED" and "cannot pickle such a job" in message
    lease = await leases.read(hall.db, poisoned)
    assert lease is None or lease.owner is None


async def test_a_run_that_was_deleted_while_it_was_claimed_ends_nothing(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed, healthy = await hall.run(crash_retries="many"), await hall.run()
    claim = claims.claim

    async def claim_and_lose(*args: Any, **kwargs: Any) -> Any:
        claimed = await claim(*args, **kwargs)
        if doomed in [each.run_id for each in claimed]:
            await flow_runs.delete(hall.db, doomed)
        return claimed

    monkeypatch.setattr(claims, "claim", claim_and_lose)
    hall.open()
    await hall.ended(healthy)
    later = await hall.run()
    await hall.ended(later)


async def test_each_loop_of_a_pool_goes_on_after_an_error_of_its_own(
    hall: Hall, failing_once: Any, caplog: pytest.LogCaptureFixture
) -> None:
    claimed = failing_once(claims, "claim")
    beaten = failing_once(workers, "heartbeat")
    with caplog.at_level(logging.ERROR):
        hall.open()
        async with asyncio.timeout(PATIENCE_S):
            await claimed.wait()
            await beaten.wait()
    told = [record.getMessage() for record in caplog.records if "injected" in record.getMessage()]
    assert any("claims" in text for text in told) and any("heartbeats" in text for text in told)
    await hall.ended(await hall.run())
