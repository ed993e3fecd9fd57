"""Which runs the schedules of a deployment want now: pure, so that any number of schedulers may ask at once.

A slot is one date of one schedule. Its idempotency key makes it one run for ever, so planning twice, or on
two machines, is harmless. The limits and the key are the standard's (reference notes, section 8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Literal
from uuid import UUID

from .schedules import Schedule

AUTO_SCHEDULED_TAG = "auto-scheduled"
LATE_AFTER_S = 15.0
"""Overdue by less, a run is not late, and a slot was not missed: its run is made, whatever the policy. From
the reference notes, section 8.
"""

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


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """One schedule of a deployment."""

    id: UUID
    schedule: Schedule
    active: bool = True
    slug: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    # None is the standard's way: runs made ahead start late, slots for which none was made are let go.
    catch_up: CatchUp | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """What its runs get from a deployment."""

    id: UUID
    schedules: Sequence[ScheduleFacts]
    paused: bool = False
    tags: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class SlotRun:
    """A run to be made, in state Scheduled, marked `auto_scheduled`."""

    deployment_id: UUID
    schedule_id: UUID
    due_at: datetime  # aware UTC; may lie in the past when it catches up
    idempotency_key: str
    tags: tuple[str, ...]
    parameters: dict[str, Any]
    created_by: dict[str, Any]
    state_message: str


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What is to be done; nothing of it was there when it was planned."""

    runs: tuple[SlotRun, ...] = ()  # by due time
    # Keys of runs that were made ahead, missed, and are not wanted any more: to be dropped if not started.
    dropped: tuple[str, ...] = ()


def slot_key(deployment_id: UUID, schedule_id: UUID, due_at: datetime) -> str:
    """The idempotency key of a slot: the same for everyone."""
    return f"scheduled {deployment_id} {schedule_id} {due_at.astimezone(UTC)}"


def plan_slots(
    deployment: DeploymentFacts,
    now: datetime,
    existing_keys: Collection[str] = (),
    *,
    idle_since: datetime | None = None,
    horizon: Horizon = STANDARD_HORIZON,
) -> SlotPlan:
    """The runs that the active schedules of a deployment want within the horizon and that are not there yet.

    `existing_keys`: the idempotency keys of the deployment's runs, at least of those due after `idle_since`
    or `now`; a set is fastest. `idle_since`: no scheduler ran from then until now, so the catch-up policies
    apply to the slots between; None when there was no interruption. A paused deployment wants none.
    """
    if deployment.paused:
        return SlotPlan()
    runs: list[SlotRun] = []
    dropped: list[str] = []
    for schedule in deployment.schedules:
        if not schedule.active:
            continue
        wanted, unwanted = past_slots(schedule, now, idle_since, horizon)
        for due_at in (*wanted, *coming_slots(schedule.schedule, now, horizon)):
            if slot_key(deployment.id, schedule.id, due_at) not in existing_keys:
                runs.append(_run(deployment, schedule, due_at, now))
        keys = (slot_key(deployment.id, schedule.id, due_at) for due_at in unwanted)
        dropped += [key for key in keys if key in existing_keys]
    return SlotPlan(tuple(sorted(runs, key=lambda run: run.due_at)), tuple(dropped))


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
    facts: ScheduleFacts,
    now: datetime,
    idle_since: datetime | None,
    horizon: Horizon = STANDARD_HORIZON,
) -> tuple[list[datetime], list[datetime]]:
    """(to be run, not wanted any more) of the slots between the interruption's begin and now."""
    if facts.catch_up is None or idle_since is None or idle_since >= now:
        return [], []
    schedule = facts.schedule
    late = max(now - timedelta(seconds=LATE_AFTER_S), idle_since)
    due = list(takewhile(lambda date: date <= now, schedule.upcoming(late)))
    if facts.catch_up == "all":
        return [*_newest(schedule, idle_since, late, horizon.max_runs), *due], []
    newest = _newest(schedule, idle_since, late, 1) if facts.catch_up == "latest" and not due else []
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


def _run(deployment: DeploymentFacts, facts: ScheduleFacts, due_at: datetime, now: datetime) -> SlotRun:
    tags = (AUTO_SCHEDULED_TAG, *(tag for tag in deployment.tags if tag != AUTO_SCHEDULED_TAG))
    return SlotRun(
        deployment_id=deployment.id,
        schedule_id=facts.id,
        due_at=due_at,
        idempotency_key=slot_key(deployment.id, facts.id, due_at),
        tags=tags,
        parameters={**deployment.parameters, **facts.parameters},
        created_by={
            "id": str(facts.id),
            "type": "SCHEDULE",
            "display_value": facts.slug or type(facts.schedule).__name__,
        },
        state_message="Made by a schedule" if due_at > now else "Made by a schedule to catch up",
    )
