"""Counts of events that match a filter: by spans of time, by name or by resource."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Integer, Text, cast, func, literal, select

from ..events.filters import EventFilter
from ..events.records import RESOURCE_NAME
from ..foundation import clock
from ..foundation.errors import BadEventQuery
from .database.database import Database
from .database.tables import event
from .database.types import JsonKey
from .event_search import conditions

TimeUnit = Literal["week", "day", "hour", "minute", "second"]

MOST_BUCKETS = 1_000

_PIVOT = datetime(2024, 4, 1, tzinfo=UTC)  # a Monday, from which spans are counted
_LONGEST = timedelta(days=1_000_000)
_UNITS = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events have one value; `start` and `end` are the span, or the times of the first and last
    event.
    """

    value: str
    label: str
    count: int
    start: datetime
    end: datetime


async def by_time(db: Database, asked: EventFilter, unit: TimeUnit, interval: float) -> list[EventCount]:
    """Counts for equal spans, including those without events. Raises BadEventQuery when there are too many
    spans.
    """
    step = checked_step(asked, unit, interval)
    column: Any = event.c.occurred
    if db.is_sqlite:
        since: Any = cast(column, Integer) / 1e6 - _PIVOT.timestamp()
    else:
        since = func.extract("epoch", column) - _PIVOT.timestamp()
    place = func.floor(since / step.total_seconds())
    statement = select(place, func.count()).where(*conditions(db, asked)).group_by(place)
    async with db.read() as connection:
        counts = {int(row[0]): int(row[1]) for row in await connection.execute(statement)}
    first = math.floor((asked.occurred.since - _PIVOT) / step)
    last = math.floor((min(asked.occurred.until, clock.now()) - _PIVOT) / step)
    return [_span(index, step, counts.get(index, 0)) for index in range(first, last + 1)]


async def by_name(db: Database, asked: EventFilter, unit: TimeUnit, interval: float) -> list[EventCount]:
    """Counts for each event name, the most frequent first. Raises BadEventQuery like `by_time`."""
    checked_step(asked, unit, interval)
    return await _by(db, asked, event.c.event, event.c.event)


async def by_resource(db: Database, asked: EventFilter, unit: TimeUnit, interval: float) -> list[EventCount]:
    """Counts for each resource, labelled with its name. Raises BadEventQuery like `by_time`."""
    checked_step(asked, unit, interval)
    resource: Any = event.c.resource
    name = resource.op("->>", return_type=Text())(literal(RESOURCE_NAME, JsonKey()))
    return await _by(db, asked, event.c.resource_id, func.coalesce(func.max(name), event.c.resource_id))


def checked_step(asked: EventFilter, unit: TimeUnit, interval: float) -> timedelta:
    """The length of a span. Raises BadEventQuery when the filter's time has too many of them."""
    step = _UNITS[unit] * min(interval, _LONGEST / _UNITS[unit])
    buckets = math.ceil((asked.occurred.until - asked.occurred.since) / step)
    if buckets > MOST_BUCKETS:
        raise BadEventQuery(
            f"The given interval would create {buckets} buckets, {MOST_BUCKETS} are the most",
            hint="ask for a longer interval or a shorter time",
        )
    return step


async def _by(db: Database, asked: EventFilter, value: Any, label: Any) -> list[EventCount]:
    number = func.count()
    columns = (value, label, number, func.min(event.c.occurred), func.max(event.c.occurred))
    statement = (
        select(*columns)
        .where(*conditions(db, asked))
        .group_by(value)
        .order_by(number.desc(), value)
        .limit(1000)
    )
    async with db.read() as connection:
        return [EventCount(*row) for row in await connection.execute(statement)]


def _span(index: int, step: timedelta, count: int) -> EventCount:
    start, end = _moment(index, step), _moment(index + 1, step) - timedelta(microseconds=1)
    return EventCount(str(index), start.isoformat(), count, start, end)


def _moment(index: int, step: timedelta) -> datetime:
    """The start of a span, kept within the calendar."""
    try:
        return _PIVOT + step * index
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if index > 0 else datetime.min.replace(tzinfo=UTC)
