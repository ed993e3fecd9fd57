"""For which dates of a schedule runs are wanted now: pure, so that any number of schedulers may ask at once.

A slot is one date of one schedule. Its idempotency key makes it one run for ever, so planning twice, or on
two machines, is harmless. The limits and the form of the key are those of the standard API.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal
from uuid import UUID

from .schedules import Schedule

AUTO_SCHEDULED_TAG = "auto-scheduled"
LATE_AFTER_S = 15.0
"""Overdue by less, a run is not late, and a slot was not missed: its run is made, whatever the policy."""

_FIRST_WINDOW = timedelta(minutes=15)

CatchUp = Literal["all", "latest", "none"]
"""Of the slots that were missed while nothing ran: run each, only the newest, or none."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far ahead runs are made: until both minimums are met, and never past a maximum."""

    min_runs: int = 3
    min_time_s: float = 3600.0
    max_runs: int = 100
    max_time_s: float = 100 * 86_400.0


STANDARD_HORIZON = Horizon()


def slot_key(deployment_id: UUID, schedule_id: UUID, due_at: datetime) -> str:
    """The idempotency key of a slot, equal in every process."""
    return f"scheduled {deployment_id} {schedule_id} {due_at.astimezone(UTC)}"


def coming_slots(
    schedule: Schedule, now: datetime, horizon: Horizon = STANDARD_HORIZON
) -> Iterator[datetime]:
    """The dates after `now` for which runs are made ahead."""
    enough = now + timedelta(seconds=horizon.min_time_s)
    end = now + timedelta(seconds=horizon.max_time_s)
    for number, due_at in enumerate(takewhile(lambda date: date <= end, schedule.upcoming(now)), 1):
        if number > horizon.max_runs:
            return
        yield due_at
        if number >= horizon.min_runs and due_at >= enough:
            return


def past_slots(
    schedule: Schedule,
    catch_up: CatchUp | None,
    now: datetime,
    idle_since: datetime | None,
    horizon: Horizon = STANDARD_HORIZON,
) -> tuple[list[datetime], list[datetime]]:
    """(to be run, not wanted any more) of the slots between the interruption's begin and now.

    `catch_up` None is the standard's way: runs made ahead start late, slots for which none was made are let
    go. `idle_since` None: there was no interruption.
    """
    if catch_up is None or idle_since is None or idle_since >= now:
        return [], []
    late = max(now - timedelta(seconds=LATE_AFTER_S), idle_since)
    due = list(takewhile(lambda date: date <= now, schedule.upcoming(late)))
    if catch_up == "all":
        return [*_newest(schedule, idle_since, late, horizon.max_runs), *due], []
    newest = _newest(schedule, idle_since, late, 1) if catch_up == "latest" and not due else []
    # No more than the horizon allows were made ahead, so none of the later ones can be there.
    made_ahead = schedule.dates(idle_since, horizon.max_runs, late)
    return [*newest, *due], [due_at for due_at in made_ahead if due_at not in newest]


def _newest(schedule: Schedule, since: datetime, until: datetime, count: int) -> list[datetime]:
    """The last `count` dates of the time between, found from its end: it may be long, and the dates many."""
    window = _FIRST_WINDOW
    while True:
        start = max(since, until - window)
        dates = deque(takewhile(lambda date: date <= until, schedule.upcoming(start)), maxlen=count)
        if len(dates) == count or start == since:
            return list(dates)
        window *= 4
