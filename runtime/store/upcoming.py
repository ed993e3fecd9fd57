"""What schedules are going to start: runs that were made ahead, and the dates after them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import BadSchedule, NotFound
from ..scheduling.previews import dates_between
from ..scheduling.schedules import schedule_from_json
from . import run_figures
from .database.database import Database
from .database.tables import deployment, deployment_schedule, flow, flow_run, work_pool, work_queue
from .deployment_rows import ScheduleRow
from .run_figures import UsualLength
from .slot_runs import SlotBatch, insert_slots

SKIPPED = "Skipped"
"""The name of the cancelled state of a run that was taken out of its schedule by hand."""

MOST_A_DAY = 20
"""A schedule with more dates in a day is told as one band, not date by date."""

_MOST_SCHEDULES = 5000
_MOST_RUNS = 5000


@dataclass(frozen=True, slots=True)
class Planned:
    """One date. `run_id` is None while no run was made for it; `slot_at` is its date when it was moved."""

    at: datetime
    deployment_id: UUID
    schedule_id: UUID | None
    run_id: UUID | None = None
    run_name: str | None = None
    slot_at: datetime | None = None
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """The dates of one schedule on one day, when they are many."""

    day: int
    deployment_id: UUID
    schedule_id: UUID
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class PlannedDeployment:
    """What a page says of a deployment beside its dates."""

    id: UUID
    name: str
    flow_id: UUID
    flow_name: str
    paused: bool
    tags: list[str]
    pool: str | None
    queue: str | None
    limit: int | None
    usual: UsualLength | None
    updated: datetime


@dataclass(frozen=True, slots=True)
class PlannedSchedule:
    """A schedule as it is defined."""

    id: UUID
    deployment_id: UUID
    definition: dict[str, Any]
    slug: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class Upcoming:
    """`next` are the soonest from now on, whatever the days; `planned` and `bands` are of the days."""

    days: list[int]  # how many each day has
    planned: list[Planned]
    bands: list[Band]
    next: list[Planned]
    deployments: list[PlannedDeployment]
    schedules: list[PlannedSchedule]
    is_cut: bool = field(default=False)


@dataclass(frozen=True, slots=True)
class _Made:
    """Runs that exist already: by schedule and date, and those that no schedule made."""

    by_slot: Mapping[UUID, Mapping[datetime, Planned | None]]  # None: it has begun or ended
    moved: Sequence[Planned]


async def read(
    db: Database,
    days: Sequence[datetime],
    *,
    pool: str | None = None,
    deployment_id: UUID | None = None,
    next_count: int = 40,
) -> Upcoming:
    """What is planned between `days`, the begins of days in the reader's zone, of which the last one ends the
    stretch. Paused deployments and schedules are told of, and have no dates.
    """
    now = await db.time()
    chosen = _chosen(pool, deployment_id)
    async with db.read() as connection:
        owners = await _owners(connection, chosen)
        schedules = await _schedules(connection, chosen)
        at_work = [each for each in schedules if each.active and not owners[each.deployment_id]["paused"]]
        made = await _made(connection, at_work, min(now, days[0]), days[-1], chosen)
        usual = await run_figures.usual_lengths_within(db, connection, (), list(owners))
    told: list[Planned] = []
    bands: list[Band] = []
    # In a thread: the dates of many schedules by the minute take a while when they are first looked for.
    counts = await asyncio.to_thread(_tell, at_work, made, days, now, told, bands)
    for each in made.moved:
        if days[0] <= each.at < days[-1]:
            told.append(each)
            counts[sum(day <= each.at for day in days) - 1] += 1
    return Upcoming(
        days=counts,
        planned=sorted(told, key=lambda each: each.at)[:_MOST_RUNS],
        bands=bands,
        next=_next(at_work, made, now, next_count),
        deployments=[_deployment(row, usual.get(row["id"])) for row in owners.values()],
        schedules=[
            PlannedSchedule(each.id, each.deployment_id, each.definition, each.slug, each.active)
            for each in schedules
        ],
        is_cut=len(told) > _MOST_RUNS or len(schedules) >= _MOST_SCHEDULES,
    )


async def make_run(db: Database, schedule_id: UUID, at: datetime) -> UUID:
    """The run of one date of a schedule, made now unless it is there. Raises NotFound: no such schedule, it
    is at rest, or this is none of its dates.
    """
    of_schedule = select(deployment_schedule).where(deployment_schedule.c.id == schedule_id)
    async with db.read() as connection:
        found = (await connection.execute(of_schedule)).mappings().first()
    if found is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    schedule = ScheduleRow(**found)
    if next(_upcoming(schedule, at - timedelta(microseconds=1)), None) != at:
        raise NotFound(f"the schedule has no date at {at.isoformat()}")
    await insert_slots(db, [SlotBatch(schedule.id, schedule.revision, [at], schedule.next_at)])
    slot = (
        (flow_run.c.deployment_id == schedule.deployment_id)
        & (flow_run.c.schedule_key == schedule.key)
        & (flow_run.c.slot_at == at)
    )
    async with db.read() as connection:
        run_id: UUID | None = await connection.scalar(select(flow_run.c.id).where(slot))
    if run_id is None:
        raise NotFound("the schedule or its deployment is paused, so it makes no runs")
    return run_id


def _chosen(pool: str | None, deployment_id: UUID | None) -> list[ColumnElement[bool]]:
    """Conditions on `deployment`."""
    chosen: list[ColumnElement[bool]] = []
    if pool is not None:
        named = select(work_pool.c.id).where(work_pool.c.name == pool)
        chosen.append(deployment.c.work_pool_id.in_(named))
    if deployment_id is not None:
        chosen.append(deployment.c.id == deployment_id)
    return chosen


async def _owners(
    connection: AsyncConnection, chosen: Sequence[ColumnElement[bool]]
) -> dict[UUID, Mapping[str, Any]]:
    table = deployment.c
    statement = (
        select(
            table.id,
            table.name,
            table.flow_id,
            table.paused,
            table.tags,
            table.concurrency_limit,
            table.updated,
            flow.c.name.label("flow_name"),
            work_pool.c.name.label("pool"),
            work_queue.c.name.label("queue"),
        )
        .join(flow, flow.c.id == table.flow_id)
        .outerjoin(work_pool, work_pool.c.id == table.work_pool_id)
        .outerjoin(work_queue, work_queue.c.id == table.work_queue_id)
        .where(table.id.in_(select(deployment_schedule.c.deployment_id)), *chosen)
        .limit(_MOST_SCHEDULES)
    )
    return {row["id"]: dict(row) for row in (await connection.execute(statement)).mappings()}


async def _schedules(connection: AsyncConnection, chosen: Sequence[ColumnElement[bool]]) -> list[ScheduleRow]:
    statement = (
        select(deployment_schedule)
        .join(deployment, deployment.c.id == deployment_schedule.c.deployment_id)
        .where(*chosen)
        .order_by(deployment_schedule.c.id)
        .limit(_MOST_SCHEDULES)
    )
    return [ScheduleRow(**row) for row in (await connection.execute(statement)).mappings()]


async def _made(
    connection: AsyncConnection,
    schedules: Sequence[ScheduleRow],
    start: datetime,
    end: datetime,
    chosen: Sequence[ColumnElement[bool]],
) -> _Made:
    run, table = flow_run.c, deployment_schedule.c
    columns = (run.id, run.name, run.deployment_id, run.state_type, run.state_name, run.slot_at)
    due = run.next_scheduled_start_time
    of_slots = (
        select(table.id.label("schedule_id"), *columns, due)
        .join(flow_run, (run.deployment_id == table.deployment_id) & (run.schedule_key == table.key))
        .where(run.slot_at >= start, run.slot_at < end)
        .limit(_MOST_RUNS * 4)
    )
    # A literal, not a parameter: the index has only rows of this name.
    waiting = (
        select(*columns, due)
        .join(deployment, deployment.c.id == run.deployment_id)
        .where(run.state_name == literal_column("'Scheduled'"), due >= start, due < end, *chosen)
        .order_by(due)
        .limit(_MOST_RUNS)
    )
    known = {each.id for each in schedules}
    by_slot: dict[UUID, dict[datetime, Planned | None]] = {}
    told: set[UUID] = set()
    moved: list[Planned] = []
    for row in (await connection.execute(of_slots)).mappings():
        if row["schedule_id"] in known:
            by_slot.setdefault(row["schedule_id"], {})[row["slot_at"]] = _of_slot(row)
            if row["next_scheduled_start_time"] == row["slot_at"]:
                told.add(row["id"])
    for row in (await connection.execute(waiting)).mappings():
        if row["id"] not in told and row["next_scheduled_start_time"] != row["slot_at"]:
            at = row["next_scheduled_start_time"]
            moved.append(
                Planned(at, row["deployment_id"], None, row["id"], row["name"], slot_at=row["slot_at"])
            )
    return _Made(by_slot, moved)


def _of_slot(row: RowMapping) -> Planned | None:
    """The run of a date as it stands; None when the date is no longer due."""
    skipped = row["state_name"] == SKIPPED
    at_its_date = row["state_type"] == "SCHEDULED" and row["next_scheduled_start_time"] == row["slot_at"]
    if not skipped and not at_its_date:
        return None
    return Planned(
        row["slot_at"],
        row["deployment_id"],
        row["schedule_id"],
        row["id"],
        row["name"],
        skipped=skipped,
    )


def _tell(
    schedules: Sequence[ScheduleRow],
    made: _Made,
    days: Sequence[datetime],
    now: datetime,
    told: list[Planned],
    bands: list[Band],
) -> list[int]:
    """Add the dates of all days; returns how many each has."""
    return [
        sum(_tell_day(each, made, number, (start, end), now, told, bands) for each in schedules)
        for number, (start, end) in enumerate(zip(days, days[1:], strict=False))
    ]


def _tell_day(
    schedule: ScheduleRow,
    made: _Made,
    number: int,
    day: tuple[datetime, datetime],
    now: datetime,
    told: list[Planned],
    bands: list[Band],
) -> int:
    """Add the dates of one day; returns how many there are."""
    if day[1] <= now:
        return 0
    try:
        dates = dates_between(schedule.definition, *day, MOST_A_DAY, after=now)
    except BadSchedule:
        return 0
    if dates.first is None or dates.last is None:
        return 0
    if not dates.few:
        bands.append(Band(number, schedule.deployment_id, schedule.id, dates.count, dates.first, dates.last))
        return dates.count
    planned = [each for each in (_planned(schedule, made, at) for at in dates.few) if each is not None]
    told.extend(planned)
    return sum(not each.skipped for each in planned)


def _planned(schedule: ScheduleRow, made: _Made, at: datetime) -> Planned | None:
    there = made.by_slot.get(schedule.id, {})
    return there[at] if at in there else Planned(at, schedule.deployment_id, schedule.id)


def _upcoming(schedule: ScheduleRow, after: datetime) -> Iterator[datetime]:
    try:
        yield from schedule_from_json(schedule.definition).upcoming(after)
    except BadSchedule:
        return


def _next(schedules: Iterable[ScheduleRow], made: _Made, now: datetime, count: int) -> list[Planned]:
    def of(schedule: ScheduleRow) -> Iterator[tuple[datetime, str, Planned]]:
        for at in _upcoming(schedule, now):
            planned = _planned(schedule, made, at)
            if planned is not None:
                yield at, str(schedule.id), planned

    moved = sorted((each.at, str(each.run_id), each) for each in made.moved if each.at > now)
    lines = [of(schedule) for schedule in schedules]
    soonest = heapq.merge(moved, *lines, key=lambda each: each[:2])
    soon = takewhile(lambda each: each[0] < now + timedelta(days=400), soonest)
    return [planned for _, _, planned in islice(soon, count)]


def _deployment(row: Mapping[str, Any], usual: UsualLength | None) -> PlannedDeployment:
    return PlannedDeployment(
        row["id"],
        row["name"],
        row["flow_id"],
        row["flow_name"],
        row["paused"],
        row["tags"],
        row["pool"],
        row["queue"],
        row["concurrency_limit"],
        usual,
        row["updated"],
    )
