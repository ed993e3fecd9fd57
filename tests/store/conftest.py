"""Runs and records for the store's tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.records import Ack, CallSite, FlowRunTransition, Owner, Record, RunAppend, TaskRunBatch
from heliostat.runtime.states import State, StateType
from heliostat.runtime.store import deployments, flow_run_changes, flow_runs, flows, scheduled_runs
from heliostat.runtime.store.commits.appends import commit
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import Lease, NewFlowRun
from heliostat.runtime.store.deployment_rows import DeploymentRow, NewDeployment
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

T0 = 1_700_000_000.0
_NAMES = {"COMPLETED": "Completed", "RUNNING": "Running", "PENDING": "Pending", "FAILED": "Failed"}


@dataclass
class Run:
    """A begun flow run and the writing end of its journal."""

    db: Database
    id: UUID
    owner: Owner
    lease: Lease
    seq: int = 0
    sent: list[RunAppend] = field(default_factory=list)

    def site(self, task: str = "work", scope: str = "", **facts: Any) -> CallSite:
        key = f"{task}-1a2b3c4d"
        return CallSite(self.id, scope, key, task, ids.task_run_base(self.id, scope, key), **facts)

    def append(self, *records: Record) -> RunAppend:
        """The next append of this run; nothing is sent."""
        made = RunAppend(self.id, self.lease.epoch, self.owner.id, self.seq + 1, list(records))
        self.seq = made.last_seq
        return made

    async def record(self, *records: Record) -> Ack:
        (ack,) = await commit(self.db, [self.append(*records)], 15.0)
        return ack


def a_owner() -> Owner:
    return Owner(uuid4(), "host-a", 123, 1.5)


def a_transition(state_type: str, at: float = T0, name: str | None = None, **facts: Any) -> FlowRunTransition:
    return FlowRunTransition(ids.uuid7(), state_type, name or state_type.capitalize(), at, **facts)


def a_batch(site: CallSite, indexes: Sequence[int], state: str = "COMPLETED", **facts: Any) -> TaskRunBatch:
    """Task runs that took the ordinary path; `facts` override."""
    count = len(indexes)
    ran, ended = state != "PENDING", state in ("COMPLETED", "FAILED")
    given: dict[str, Any] = {
        "expected": T0,
        "starts": [T0 + 1 if ran else None] * count,
        "ends": [T0 + 2 if ended else None] * count,
        "state_types": state,
        "state_names": _NAMES[state],
        "result_kinds": "none" if state == "COMPLETED" else None,
    }
    return TaskRunBatch(site, indexes, **(given | facts))


def a_flow_run(**facts: Any) -> NewFlowRun:
    given: dict[str, Any] = {
        "id": ids.uuid7(),
        "flow_name": "survey",
        "name": "bold-heron",
        "transitions": [a_transition("PENDING", T0), a_transition("RUNNING", T0 + 1)],
    }
    return NewFlowRun(**(given | facts))


@dataclass(frozen=True)
class Given:
    """Makers of what tests need: tests cannot import each other's files."""

    owner: Callable[[], Owner]
    transition: Callable[..., FlowRunTransition]
    batch: Callable[..., TaskRunBatch]
    flow_run: Callable[..., NewFlowRun]
    run: Callable[..., Awaitable[Run]]
    run_of: Callable[..., Awaitable[Run]]
    deployment: Callable[..., Awaitable[tuple[DeploymentRow, bool]]]
    move: Callable[..., Awaitable[None]]
    t0: float = T0


@pytest.fixture
def given() -> Given:
    async def run(db: Database, owner: Owner | None = None, **facts: Any) -> Run:
        owner = owner or a_owner()
        begun = await flow_runs.begin(db, a_flow_run(**facts), owner, 15.0)
        assert begun.lease is not None
        return Run(db, begun.run.id, owner, begun.lease)

    async def run_of(db: Database, deployment_id: UUID) -> Run:
        """A run of a deployment that an executor has taken."""
        owner = a_owner()
        run_id, _ = await scheduled_runs.create_run(db, deployment_id, NewDeploymentRun())
        adopted = await flow_runs.adopt(db, run_id, owner, 15.0)
        return Run(db, run_id, owner, adopted.lease)

    async def deployment(
        db: Database, flow_name: str = "survey", name: str = "nightly", **facts: Any
    ) -> tuple[DeploymentRow, bool]:
        flow = await flows.get_or_create(db, flow_name)
        return await deployments.upsert(db, NewDeployment(**({"flow_id": flow.id, "name": name} | facts)))

    async def move(db: Database, run_id: UUID, state_type: str, **facts: Any) -> None:
        """Bring a run into a state, whatever the rules would say."""
        state = State(StateType(state_type), **facts)
        await flow_run_changes.propose(db, run_id, state, force=True)

    return Given(a_owner, a_transition, a_batch, a_flow_run, run, run_of, deployment, move)
