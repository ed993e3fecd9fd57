"""What a process asks of slots for its calls, and what it is told: plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

FREE, GRANTED, WAITS, CLOSED, STUCK = "free", "granted", "waits", "closed", "stuck"


@dataclass(frozen=True, slots=True)
class SlotWant:
    """One call that wants a slot of each limit on its tags. `id` is its question's, and then its lease's."""

    id: UUID
    tags: list[str]
    flow_run_id: UUID
    task_run_id: UUID
    around: list[UUID] = field(default_factory=list[UUID])  # the task runs that it is called inside


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """What became of a want: "free" (no limit), "granted", "waits", "closed" (a limit of 0), or "stuck" (all
    slots are held by the calls around it, which wait for it). `tag` has the limit that says so.
    """

    id: UUID
    verdict: str
    tag: str | None = None
    limit: int = 0
    again_s: float | None = None  # when to ask again where slots come back without anyone giving them
