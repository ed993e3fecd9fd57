"""Makes the runs of schedules ahead of time: exactly one per slot, whatever is edited meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar, cast

from ...runtime.foundation.long_lived import is_away
from ...runtime.scheduling.schedule_slots import (
    LATE_AFTER_S,
    STANDARD_HORIZON,
    CatchUp,
    coming_slots,
    past_slots,
    slot_key,
)
from ...runtime.scheduling.schedules import schedule_from_json
from ...runtime.store import services, slot_runs
from ...runtime.store.database.feed import SCHEDULES
from ...runtime.store.deployment_rows import ScheduleRow
from ...runtime.store.slot_runs import SlotBatch
from .loop import Loop

_log = logging.getLogger("heliostat.services")

_BATCH = 100  # schedules per transaction: edits of their deployments wait for it
_SOONEST_S = 1.0  # runs are made long ahead, so that schedules may share a step; edits are announced
_LATER = timedelta(days=1)


class Scheduler(Loop):
    """Looks at schedules as they come due; several schedulers may run, each with other schedules."""

    name: ClassVar[str] = "scheduler"
    interval_s: ClassVar[float] = 10.0
    topics: ClassVar[tuple[str, ...]] = (SCHEDULES,)

    _has_looked_back = False

    async def step(self) -> float:
        if not self._has_looked_back:
            since = await services.look_back(self.db, self.name)
            if since is not None:
                _log.warning("no scheduler has run since %s; schedules catch up as they say", since)
            self._has_looked_back = True
        while rows := await slot_runs.due(self.db, 0.0, _BATCH):
            await self._make(rows)
            if len(rows) < _BATCH:
                break
            await asyncio.sleep(0)
        next_look_s = await slot_runs.next_look(self.db)
        if next_look_s is None:
            return self.interval_s
        return min(max(next_look_s, _SOONEST_S), self.interval_s)

    async def _make(self, rows: list[ScheduleRow]) -> None:
        now = await self.db.time()
        since = min(row.next_at or now for row in rows)
        made = await slot_runs.made_slots(self.db, [row.id for row in rows], since)
        batches = [plan(row, now, made.get(row.id, frozenset())) for row in rows]
        try:
            await slot_runs.insert_slots(self.db, batches)
        except Exception as error:
            if is_away(error):
                raise
            if len(rows) > 1:  # one bad schedule must not keep the others from their runs
                for row in rows:
                    await self._make([row])
                return
            await slot_runs.insert_slots(self.db, [_passed_over(rows[0], now, error)])


def _passed_over(row: ScheduleRow, now: datetime, error: Exception) -> SlotBatch:
    """No runs for a schedule that cannot be carried out; it is looked at again later, or once edited."""
    told = "schedule %s of deployment %s is passed over for a day: %r"
    _log.error(told, row.id, row.deployment_id, error, exc_info=error)
    return SlotBatch(row.id, row.revision, (), now + _LATER)


def plan(row: ScheduleRow, now: datetime, made: Collection[str]) -> SlotBatch:
    """The runs to make and to drop at `now` for a schedule whose runs with the keys in `made` exist.

    Slots that came due since the planned look are made up for: for a few seconds always, because then the
    scheduler was late; for longer as the schedule's catch-up says. A schedule that cannot be carried out
    gets no runs, and is looked at again in a day.
    """
    try:
        return _plan(row, now, made)
    except Exception as error:
        return _passed_over(row, now, error)


def _plan(row: ScheduleRow, now: datetime, made: Collection[str]) -> SlotBatch:
    schedule = schedule_from_json(row.definition)
    since = min(row.next_at or now, now)
    past, unwanted = past_slots(schedule, cast("CatchUp | None", row.catchup), now, since)
    if row.catchup is None:
        past = schedule.dates(max(since, now - timedelta(seconds=LATE_AFTER_S)), 1000, now)
    coming = list(coming_slots(schedule, now))
    beyond = [] if row.max_scheduled_runs is None else coming[row.max_scheduled_runs :]
    coming = coming[: len(coming) - len(beyond)]

    def key(slot: datetime) -> str:
        return slot_key(row.deployment_id, row.id, slot)

    slots = [slot for slot in (*past, *coming) if key(slot) not in made]
    dropped = [key(slot) for slot in (*unwanted, *beyond) if key(slot) in made]
    return SlotBatch(row.id, row.revision, slots, _next_look(coming, now, row), dropped)


def _next_look(coming: list[datetime], now: datetime, row: ScheduleRow) -> datetime | None:
    """The time when a quarter of the runs made ahead has come due, so that each look makes many runs."""
    if coming:
        return coming[len(coming) // 4 if len(coming) > STANDARD_HORIZON.min_runs else 0]
    later = schedule_from_json(row.definition).next_date(now)
    return (
        None if later is None else max(now + _LATER, later - timedelta(seconds=STANDARD_HORIZON.max_time_s))
    )
