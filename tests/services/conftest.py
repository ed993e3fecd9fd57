"""Deployments, runs and owners for the tests of services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.records import FlowRunTransition, Owner
from heliostat.runtime.states import State, StateType
from heliostat.runtime.store import (
    deployments,
    flow_run_changes,
    flow_runs,
    flows,
    scheduled_runs,
    work_pools,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import Lease, NewFlowRun
from heliostat.runtime.store.deployment_rows import ClaimedRun, DeploymentRow, NewDeployment, NewWorkPool


@dataclass(frozen=True)
class Given:
    """Makers of what tests need: tests cannot import each other's files."""

    deployment: Callable[..., Awaitable[DeploymentRow]]
    claimed: Callable[..., Awaitable[ClaimedRun]]
    script: Callable[..., Awaitable[Lease]]
    move: Callable[..., Awaitable[None]]
    owner: Callable[[], Owner]


@pytest.fixture
def given() -> Given:
    def owner() -> Owner:
        return Owner(uuid4(), "host-a", 123, 1.5)

    async def deployment(db: Database, name: str = "nightly", **facts: Any) -> DeploymentRow:
        flow = await flows.get_or_create(db, "survey")
        row, _ = await deployments.upsert(db, NewDeployment(flow.id, name, **facts))
        return row

    async def claimed(db: Database, lease_s: float) -> ClaimedRun:
        """A run of a deployment that a process holds."""
        pool = await work_pools.get_or_create(db, NewWorkPool("hall", "ray"))
        row = await deployment(db, work_pool_name="hall")
        await scheduled_runs.create_run(db, row.id)
        (run,) = await scheduled_runs.claim(db, pool.id, 1, owner(), lease_s)
        return run

    async def script(db: Database, lease_s: float, **facts: Any) -> Lease:
        """A run that a script executes."""
        running = FlowRunTransition(uuid7(), "RUNNING", "Running", 1_700_000_000.0)
        new = NewFlowRun(uuid7(), "survey", "bold-heron", [running], **facts)
        begun = await flow_runs.begin(db, new, owner(), lease_s)
        assert begun.lease is not None
        return begun.lease

    async def move(db: Database, run_id: UUID, state_type: str, **facts: Any) -> None:
        """Bring a run into a state, whatever the rules would say."""
        await flow_run_changes.propose(db, run_id, State(StateType(state_type), **facts), force=True)

    return Given(deployment, claimed, script, move, owner)
