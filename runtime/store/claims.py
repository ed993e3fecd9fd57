"""Claiming runs that are due: one transaction finds them, counts limits, takes leases and moves the runs.

Claims of one pool run one after another only when the pool or one of its queues has a limit. A deployment's
limit is counted under a lock on the deployment (a shared limit under a lock on the limit); a deployment that
another claim has locked is left to that claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..records import Owner
from ..states import StateType
from . import shared_limits
from .claim_statements import due_runs, take_leases
from .database.database import Database
from .database.rows import HOLDING, OCCUPYING
from .database.tables import deployment, flow_run, rule_decision, work_pool, work_queue
from .deployment_rows import ClaimedRun
from .run_moves import Move, move_within

_MOST_ROUNDS = 20  # queries of one queue, each without the deployments that were found full before


async def claim(db: Database, pool_id: UUID, limit: int, owner: Owner, lease_s: float) -> list[ClaimedRun]:
    """Claim up to `limit` due runs of a pool: they become PENDING and are leased to `owner`.

    By queue priority, then by due time. Paused pools and queues give none. The limits of pool, queues and
    deployments hold however many processes claim at once. Runs that a client retries inside its own process
    are left to it. A run without room in a deployment with CANCEL_NEW is cancelled. Never waits for runs of
    another claim. An unknown pool has none.
    """
    async with db.write() as connection:
        queues = await open_queues(connection, pool_id)
        places = await _Places.of(connection, pool_id, queues)
        for queue in queues:
            await _gather(db, connection, places, queue.id, limit)
            if len(places.taken) >= limit:
                break
        await cancel_new_within(db, connection, places.refused)
        leased = await take_leases(db, connection, list(places.taken), owner, lease_s)
        claimed = [
            _claimed(run, *leased[run.id], queues[0].pool_updated)
            for run in places.taken.values()
            if run.id in leased
        ]
        moves = [Move(run.run_id, _details(run.due_at)) for run in claimed]
        await move_within(db, connection, moves, StateType.PENDING, "Pending")
        return claimed


@dataclass(slots=True)
class _Places:
    """The free slots while runs are collected, and the runs collected so far."""

    pool: int | None  # None: no limit
    queues: dict[UUID, int | None]
    # Free slots of counted limits, by deployment or, for a shared limit, by limit.
    slots: dict[UUID, float] = field(default_factory=dict[UUID, float])
    full: set[UUID] = field(default_factory=set[UUID])
    cancels: set[UUID] = field(default_factory=set[UUID])
    taken: dict[UUID, Any] = field(default_factory=dict[UUID, Any])
    refused: list[Any] = field(default_factory=list[Any])

    @classmethod
    async def of(cls, connection: AsyncConnection, pool_id: UUID, queues: Sequence[Any]) -> _Places:
        """The free slots of a pool and its queues, locked and counted only when there are limits."""
        pool_limit = queues[0].pool_limit if queues else None
        if pool_limit is None and all(queue.concurrency_limit is None for queue in queues):
            return cls(None, {queue.id: None for queue in queues})
        lock = select(work_pool.c.id).where(work_pool.c.id == pool_id).with_for_update(key_share=True)
        await connection.execute(lock)
        # Values read before may have changed while another transaction had the lock.
        queues = [
            each for each in await open_queues(connection, pool_id) if each.id in {q.id for q in queues}
        ]
        pool_limit = queues[0].pool_limit if queues else 0
        active = await active_by_queue(connection, pool_id)
        return cls(
            _free(pool_limit, sum(active.values())),
            {queue.id: _free(queue.concurrency_limit, active.get(queue.id, 0)) for queue in queues},
        )

    def seen(self) -> list[UUID]:
        """The runs that need not be queried again."""
        return [*self.taken, *(run.id for run in self.refused)]

    def room(self, queue_id: UUID, wanted: int) -> int:
        """How many more runs this queue may give."""
        # A missing queue was paused meanwhile.
        free = (wanted - len(self.taken), self.pool, self.queues.get(queue_id, 0))
        return max(0, min(number for number in free if number is not None))

    def take(self, queue_id: UUID, run: Any) -> None:
        self.taken[run.id] = run
        if self.pool is not None:
            self.pool -= 1
        if (free := self.queues[queue_id]) is not None:
            self.queues[queue_id] = free - 1

    def admits(self, run: Any) -> bool:
        """Whether the run's deployment has a slot for it; takes the slot."""
        key = _limit_key(run)
        if key is None:
            return True
        free = self.slots[key]
        if free <= 0:
            self.full.add(run.deployment_id)
            return False
        self.slots[key] = free - 1
        return True


async def open_queues(connection: AsyncConnection, pool_id: UUID) -> Sequence[Any]:
    """The queues that may give runs, by priority."""
    return (await connection.execute(_OPEN_QUEUES, {"pool": pool_id})).all()


_OPEN_QUEUES = (
    select(
        work_queue.c.id,
        work_queue.c.concurrency_limit,
        work_pool.c.concurrency_limit.label("pool_limit"),
        work_pool.c.updated.label("pool_updated"),
    )
    .join(work_pool, work_pool.c.id == work_queue.c.work_pool_id)
    .where(work_pool.c.id == bindparam("pool"), ~work_pool.c.is_paused, ~work_queue.c.is_paused)
    .order_by(work_queue.c.priority)
)


async def active_by_queue(connection: AsyncConnection, pool_id: UUID) -> dict[UUID, int]:
    """How many runs take slots of each queue of a pool."""
    statement = (
        select(flow_run.c.work_queue_id, func.count())
        .join(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
        .where(work_queue.c.work_pool_id == pool_id, flow_run.c.state_type.in_(OCCUPYING))
        .group_by(flow_run.c.work_queue_id)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}


def _free(limit: int | None, active: int) -> int | None:
    return None if limit is None else max(0, limit - active)


async def _gather(
    db: Database, connection: AsyncConnection, places: _Places, queue_id: UUID, wanted: int
) -> None:
    """Lock due runs of a queue until there are enough, no slots, or no more runs."""
    for _ in range(_MOST_ROUNDS):
        room = places.room(queue_id, wanted)
        if not room:
            return
        found = await due_runs(db, connection, queue_id, room, places.full, places.seen())
        await _count_deployments(connection, places, found)
        await _count_shared(db, connection, places, found)
        passed_over = False
        for run in found:
            if places.admits(run):
                places.take(queue_id, run)
            else:
                passed_over = True
                if run.deployment_id in places.cancels:
                    places.refused.append(run)
        if not passed_over:
            return


async def _count_deployments(connection: AsyncConnection, places: _Places, runs: Sequence[Any]) -> None:
    """Count the free slots of the runs' limited deployments that were not counted yet."""
    own = {run.deployment_id for run in runs if run.deployment_limit is not None and not run.shared_limit_id}
    new = own - set(places.slots)
    if not new:
        return
    locked = await connection.execute(
        select(deployment.c.id, deployment.c.concurrency_limit, deployment.c.concurrency_options)
        .where(deployment.c.id.in_(new))
        .order_by(deployment.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    limits = {row.id: row for row in locked}
    counted = await connection.execute(
        select(flow_run.c.deployment_id, func.count())
        .where(flow_run.c.deployment_id.in_(list(limits)), flow_run.c.state_type.in_(HOLDING))
        .group_by(flow_run.c.deployment_id)
    )
    active: dict[UUID, int] = {row[0]: row[1] for row in counted}
    for deployment_id in new:
        row = limits.get(deployment_id)
        if row is None:  # another transaction has it: the next claim takes its runs
            places.slots[deployment_id] = 0
            continue
        limit: int = row.concurrency_limit if row.concurrency_limit is not None else len(runs)
        places.slots[deployment_id] = limit - active.get(deployment_id, 0)
        if cancels_new(row):
            places.cancels.add(deployment_id)


async def _count_shared(
    db: Database, connection: AsyncConnection, places: _Places, runs: Sequence[Any]
) -> None:
    """Count the free slots of limits that deployments share."""
    shared = [run for run in runs if run.shared_limit_id is not None]
    for run in shared:
        if cancels_new(run):
            places.cancels.add(run.deployment_id)
    new = {run.shared_limit_id for run in shared} - set(places.slots)
    if new:
        places.slots |= await shared_limits.free_slots(db, connection, new)


def _limit_key(run: Any) -> UUID | None:
    if run.shared_limit_id is not None:
        return run.shared_limit_id
    return None if run.deployment_limit is None else run.deployment_id


def cancels_new(owner: Any) -> bool:
    """Whether a deployment's new runs are cancelled while it is full, by its `concurrency_options`."""
    options: dict[str, Any] = owner.concurrency_options or {}
    return options.get("collision_strategy") == "CANCEL_NEW"


async def cancel_new_within(db: Database, connection: AsyncConnection, runs: Sequence[Any]) -> None:
    """Cancel locked runs (`id` and `due_at` of each) for which their deployment has no slot."""
    reason = "The deployment's concurrency limit is reached and its strategy is to cancel new runs"
    moves = [Move(run.id, _details(run.due_at)) for run in runs]
    await move_within(db, connection, moves, StateType.CANCELLED, "Cancelled", reason)
    if runs:
        decisions = [
            {
                "flow_run_id": run.id,
                "timestamp": clock.epoch_s(),
                "rule": "DeploymentLimit",
                "outcome": "REJECT",
                "reason": reason,
                "from_type": "SCHEDULED",
                "to_type": "PENDING",
                "to_name": "Pending",
            }
            for run in runs
        ]
        await connection.execute(insert(rule_decision), decisions)


def _claimed(run: Any, epoch: int, last_seq: int, pool_updated: datetime) -> ClaimedRun:
    return ClaimedRun(
        run_id=run.id,
        epoch=epoch,
        last_seq=last_seq,
        flow_id=run.flow_id,
        name=run.name,
        deployment_id=run.deployment_id,
        work_queue_id=run.work_queue_id,
        due_at=run.due_at,
        run_count=run.run_count,
        entrypoint=run.entrypoint,
        code_revision=run.code_revision,
        job_variables=run.job_variables,
        deployment_variables=run.deployment_variables,
        path=run.path,
        pull_steps=run.pull_steps,
        pool_updated=pool_updated,
    )


def _details(due_at: datetime) -> Mapping[str, Any]:
    return {"scheduled_time": due_at}
