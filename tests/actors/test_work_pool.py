"""A pool whose processes die: without Ray, each process is what the test makes of it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from waiting import wait_until

from heliostat.actors.assignments import Assignment, Described, Ended, ProcessSpec
from heliostat.actors.hosts import HostLost, Hosts
from heliostat.actors.work_pool import WorkPool
from heliostat.runtime.records import Owner
from heliostat.runtime.states import AwaitingRetry, Running
from heliostat.runtime.store import (
    deployments,
    flow_run_changes,
    flow_runs,
    flows,
    leases,
    losses,
    scheduled_runs,
    work_pools,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed
from heliostat.runtime.store.deployment_rows import NewDeployment, NewWorkPool

PATIENCE_S = 30.0


class Deadly:
    """A launcher whose processes take the run's lease, as supervisors do, and die; the second one hangs."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.executed = 0
        self.name = "deadly"
        self.hangs = asyncio.Event()

    def launch(self, spec: ProcessSpec) -> Deadly:
        return self

    def unmet(self, spec: ProcessSpec) -> str | None:
        return None

    async def describe(self) -> Described:
        return Described(self.name, 1, "host", "node", (), None, 1000)

    async def execute(self, assignment: Assignment) -> Ended:
        owner = Owner(uuid4(), "host", 1, 1.0)
        await leases.take(self.db, assignment.run_id, owner, 60.0, dead_epoch=assignment.epoch)
        await flow_run_changes.propose(self.db, assignment.run_id, Running(), force=True)
        self.executed += 1
        if self.executed == 2:
            self.hangs.set()
            await asyncio.Event().wait()
        raise HostLost("the process died")

    def kill(self) -> None: ...


async def test_a_run_that_kills_every_process_is_given_up_whichever_pool_counts(db: Database) -> None:
    """Seen: each new pool actor began to count anew, so such a run could go on for ever.

    What was lost by a worker, or found by the reaper, counts as well; an end of the run begins anew.
    """
    await work_pools.create(db, NewWorkPool("hall", "ray"))
    row = await work_pools.read(db, "hall")
    flow = await flows.get_or_create(db, "kills")
    new = NewDeployment(flow.id, "here", work_pool_name="hall", job_variables={"crash_retries": 3})
    deployment, _ = await deployments.upsert(db, new)
    run_id, _ = await scheduled_runs.create_run(db, deployment.id)
    owner, deadly, feed = Owner(uuid4(), "head", 1, 1.0), Deadly(db), await Feed.open(db)

    async def state() -> str | None:
        return (await flow_runs.read(db, run_id)).state_type

    lost = AwaitingRetry(await db.time(), f"{losses.LOST} was killed")
    await flow_run_changes.propose(db, run_id, lost, force=True)
    first = WorkPool(db, feed, row, Hosts(deadly), owner, 60.0)
    await asyncio.wait_for(deadly.hangs.wait(), PATIENCE_S)
    await first.close()
    assert await losses.count(db, run_id) == 2
    lease = await leases.read(db, run_id)
    assert lease is not None
    second = WorkPool(db, feed, row, Hosts(deadly), owner, 60.0)
    await second.rescue(run_id, lease.epoch)
    await wait_until(state, "CRASHED", within_s=PATIENCE_S)
    await second.close()
    assert deadly.executed == 3
    assert await losses.count(db, run_id) == 0
    await feed.close()
