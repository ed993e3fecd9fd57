"""Requests of processes for slots for their calls, and the answers: plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

FREE, GRANTED, WAITS, CLOSED, STUCK = "free", "granted", "waits", "closed", "stuck"


@dataclass(frozen=True, slots=True)
class SlotWant:
    """One call that wants a slot of each limit on its tags. `id` identifies the request, then the lease."""

    id: UUID
    tags: list[str]
    flow_run_id: UUID
    task_run_id: UUID
    around: list[UUID] = field(default_factory=list[UUID])  # the task runs that enclose the call


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """The answer to a request: "free" (no limit), "granted", "waits", "closed" (a limit of 0), or "stuck"
    (all slots are held by calls that enclose it and wait for it). `tag` has the limit that decides.
    """

    id: UUID
    verdict: str
    tag: str | None = None
    limit: int = 0
    again_s: float | None = None  # when to ask again if slots come back by decay
