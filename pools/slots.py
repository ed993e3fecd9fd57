"""Who may start now: the arithmetic of limits on pools, queues and deployments. Pure.

Source of the order (reference notes, section 9): queues by priority, 1 first; within a queue by the run's own
priority, then by due time. A run that must wait holds up no other one, unless both need the same slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class WaitReason(StrEnum):
    """Why a run is not claimed. Listed as they are checked: the first that holds is told."""

    NOT_DUE = "not-due"
    POOL_PAUSED = "pool-paused"
    QUEUE_PAUSED = "queue-paused"
    NO_SUCH_QUEUE = "no-such-queue"  # the queue was deleted meanwhile
    DEPLOYMENT_LIMIT = "deployment-limit"
    QUEUE_LIMIT = "queue-limit"
    POOL_LIMIT = "pool-limit"
    BATCH_FULL = "batch-full"  # free slots, but this claim takes no more; the next one does


@dataclass(frozen=True, slots=True)
class Slots:
    """The limit of one pool, queue or deployment, and who holds its slots; a limit of None is none.

    `running` counts runs that are Pending or Running. `holders` are their ids as far as they are known: they
    are only told, never counted.
    """

    name: str = ""
    limit: int | None = None
    running: int = 0
    holders: Sequence[UUID] = ()

    @property
    def free(self) -> float:
        """How many more may run; infinite without a limit, never negative."""
        return float("inf") if self.limit is None else max(0, self.limit - self.running)


@dataclass(frozen=True, slots=True)
class QueueSlots:
    """One work queue of the pool."""

    id: UUID
    slots: Slots = field(default_factory=Slots)
    priority: int = 1  # 1 is the highest
    paused: bool = False


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run in state Scheduled."""

    id: UUID
    queue_id: UUID
    due_at: datetime
    priority: int = 0  # within its queue: lower goes first
    deployment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Why one run waits, with what a person asks next: for what, how many, held by whom."""

    run_id: UUID
    reason: WaitReason
    name: str = ""  # of the pool, queue or deployment
    limit: int | None = None
    holders: tuple[UUID, ...] = ()  # those claimed just now come last
    due_at: datetime | None = None

    def __str__(self) -> str:
        place, _, what = self.reason.partition("-")
        if self.reason is WaitReason.NOT_DUE:
            return f"It is due at {self.due_at:%Y-%m-%d %H:%M:%S %Z}."
        if self.reason is WaitReason.NO_SUCH_QUEUE:
            return "Its work queue does not exist any more."
        if self.reason is WaitReason.BATCH_FULL:
            return "It is next: there is a free slot for it."
        name = f"{'Deployment' if place == 'deployment' else 'Work ' + place} {self.name!r}"
        if what == "paused":
            return f"{name} is paused."
        if not self.limit:
            return f"{name} lets no run start: its limit is 0."
        runs = "run" if self.limit == 1 else "runs"
        return f"{name} takes {self.limit} {runs} at a time, and all of its slots are held."


@dataclass(frozen=True, slots=True)
class Claims:
    """What one look at a pool decides."""

    claimed: tuple[WaitingRun, ...]  # in the order in which they start
    waits: tuple[Wait, ...]  # all others, in the order in which they would start


def claim(
    pool: Slots,
    queues: Iterable[QueueSlots],
    waiting: Iterable[WaitingRun],
    now: datetime,
    *,
    pool_paused: bool = False,
    deployments: Mapping[UUID, Slots] | None = None,
    at_most: int | None = None,
) -> Claims:
    """Which of the waiting runs to start now, in order, and why each of the others waits.

    `deployments` holds those with a limit whose runs are to wait for it. `at_most` bounds the claim.
    """
    by_id = {queue.id: queue for queue in queues}
    open_slots = _OpenSlots(pool, by_id, deployments or {})
    claimed: list[WaitingRun] = []
    waits: list[Wait] = []
    for run in sorted(waiting, key=lambda run: _rank(run, by_id)):
        queue = by_id.get(run.queue_id)
        if run.due_at > now:
            waits.append(Wait(run.id, WaitReason.NOT_DUE, due_at=run.due_at))
        elif pool_paused:
            waits.append(Wait(run.id, WaitReason.POOL_PAUSED, pool.name))
        elif queue is None:
            waits.append(Wait(run.id, WaitReason.NO_SUCH_QUEUE))
        elif queue.paused:
            waits.append(Wait(run.id, WaitReason.QUEUE_PAUSED, queue.slots.name))
        elif (full := open_slots.full_for(run)) is not None:
            waits.append(full)
        elif at_most is not None and len(claimed) >= at_most:
            waits.append(Wait(run.id, WaitReason.BATCH_FULL))
        else:
            open_slots.take(run)
            claimed.append(run)
    return Claims(tuple(claimed), tuple(waits))


def _rank(run: WaitingRun, queues: Mapping[UUID, QueueSlots]) -> tuple[float, int, datetime, int]:
    queue = queues.get(run.queue_id)
    return (queue.priority if queue else float("inf"), run.priority, run.due_at, run.id.int)


class _OpenSlots:
    """The slots that are left while a claim is made."""

    def __init__(
        self, pool: Slots, queues: Mapping[UUID, QueueSlots], deployments: Mapping[UUID, Slots]
    ) -> None:
        self._pool = _Counter(pool)
        self._queues = {key: _Counter(queue.slots) for key, queue in queues.items()}
        self._deployments = {key: _Counter(slots) for key, slots in deployments.items()}

    def full_for(self, run: WaitingRun) -> Wait | None:
        for reason, counter in self._needed(run):
            if counter.free <= 0:
                return Wait(run.id, reason, counter.slots.name, counter.slots.limit, counter.held_by())
        return None

    def take(self, run: WaitingRun) -> None:
        for _, counter in self._needed(run):
            counter.free -= 1
            counter.taken.append(run.id)

    def _needed(self, run: WaitingRun) -> list[tuple[WaitReason, _Counter]]:
        needed = [
            (WaitReason.QUEUE_LIMIT, self._queues[run.queue_id]),
            (WaitReason.POOL_LIMIT, self._pool),
        ]
        deployment = self._deployments.get(run.deployment_id) if run.deployment_id else None
        if deployment is not None:
            needed.insert(0, (WaitReason.DEPLOYMENT_LIMIT, deployment))
        return needed


class _Counter:
    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.free = slots.free
        self.taken: list[UUID] = []
        self._holders: tuple[UUID, ...] | None = None

    def held_by(self) -> tuple[UUID, ...]:
        """Asked when it is full, so the answer stays: thousands of waiting runs share it."""
        if self._holders is None:
            self._holders = (*self.slots.holders, *self.taken)
        return self._holders
