"""Evaluates automations, for new events and as time passes."""

from __future__ import annotations

from typing import ClassVar

from ...runtime.store import automation_evaluation
from ...runtime.store.database.feed import EVENTS
from .loop import Loop

_SOONEST_S = 0.05


class Triggers(Loop):
    """Several may run; one at a time reads new events, from where the last reader stopped."""

    name: ClassVar[str] = "automations"
    interval_s: ClassVar[float] = 5.0
    topics: ClassVar[tuple[str, ...]] = (EVENTS,)

    async def step(self) -> float | None:
        while await automation_evaluation.advance(self.db):
            pass
        next_end_s = await automation_evaluation.close_windows(self.db)
        return self.interval_s if next_end_s is None else min(max(next_end_s, _SOONEST_S), self.interval_s)
