"""Small services about events: one makes the events of pools and deployments, one removes old events."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from ...runtime.foundation.settings import current_settings
from ...runtime.store import events, place_events
from .loop import Loop


class PlaceEvents(Loop):
    """Makes the events of pools, queues and deployments: made, changed, removed, ready, not ready."""

    name: ClassVar[str] = "place-events"
    interval_s: ClassVar[float] = 10.0

    async def step(self) -> float | None:
        await place_events.tell(self.db)
        return None


class EventRetention(Loop):
    """Removes events in small batches, so that writers of new ones hardly notice."""

    name: ClassVar[str] = "event-retention"
    interval_s: ClassVar[float] = 600.0

    _between_batches_s: ClassVar[float] = 0.05

    async def step(self) -> float | None:
        days = current_settings().event_retention_days
        if days == 0:
            return None
        removed = await events.remove_before(self.db, timedelta(days=days))
        return self._between_batches_s if removed else None
