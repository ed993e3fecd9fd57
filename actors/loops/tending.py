"""Small services for late runs, pauses that time out, and what is left of cancelled runs."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import ClassVar

from ...runtime.foundation.long_lived import about, is_away, subject_of
from ...runtime.store import cleanups, collisions, scheduled_runs, tag_slots
from ...runtime.store.database.feed import COMMANDS
from .loop import Loop

_log = logging.getLogger("heliostat.services")
_BATCH = 500
_LOOK_BACK = timedelta(minutes=10)  # how long cancelled runs are looked at: their tasks may still report
CANCEL_WITHIN_S = 300.0
"""Seconds after which a run that is CANCELLING while nobody holds it becomes Cancelled."""


class LateMarker(Loop):
    """Marks runs Late that wait 15 s longer than they should, and cancels those that may not wait."""

    name: ClassVar[str] = "late-runs"
    interval_s: ClassVar[float] = 5.0

    async def step(self) -> float | None:
        await collisions.cancel_new(self.db)
        marked = await scheduled_runs.mark_late(self.db, limit=_BATCH)
        return 0.0 if len(marked) == _BATCH else None


class PauseExpiry(Loop):
    """Fails runs whose pause timed out."""

    name: ClassVar[str] = "pause-expiry"
    interval_s: ClassVar[float] = 5.0

    async def step(self) -> float | None:
        expired = await cleanups.expire_pauses(self.db, _BATCH)
        return 0.0 if len(expired) == _BATCH else None


class CancellationCleanup(Loop):
    """Ends task runs and sub-flow runs of cancelled runs, and runs whose cancellation nobody carries out.
    Frees the slots of tag limits that ended runs of clients never gave back.
    """

    name: ClassVar[str] = "cancellation-cleanup"
    interval_s: ClassVar[float] = 20.0
    topics: ClassVar[tuple[str, ...]] = (COMMANDS,)

    _since: datetime | None = None  # None: the first step looks at all

    async def step(self) -> float | None:
        now = await self.db.time()
        for run_id in await cleanups.cancelled_with_remains(self.db, self._since):
            try:
                with about(f"flow run {run_id}"):
                    await cleanups.cancel_remains(self.db, run_id)
            except Exception as error:
                if is_away(error):
                    raise
                # The run has ended, so there is nothing to set aside; it is looked at for a while only.
                where = subject_of(error)
                _log.error("what is left%s cannot be ended: %r", where, error, exc_info=error)
        self._since = now - _LOOK_BACK
        await cleanups.give_up_on_cancelling(self.db, CANCEL_WITHIN_S)
        await tag_slots.give_back_of_ended(self.db)
        return None
