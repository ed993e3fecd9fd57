"""What a schedule comes to: its next dates, its week, and what happens to it when clocks change. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import orjson

from .schedules import Schedule, schedule_from_json
from .wall_clock import read_zone, wall_of

_WEEK = timedelta(days=7)
_YEAR_DAYS = 366
_MOST_COUNTED = 50_000
"""Of a schedule by the second a week has more dates; it is counted no further."""


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of the clocks, and the schedule's first date at or after it."""

    at: datetime
    shift_s: float  # positive when clocks go forward
    next_date: datetime | None


@dataclass(frozen=True, slots=True)
class Preview:
    """`hours` are counts of the coming seven days by weekday (Monday first) and hour of its clock.

    `next_day` is the first date of a later day than that of the first date.
    """

    zone: str
    dates: list[datetime]
    next_day: datetime | None
    hours: list[list[int]]
    a_week: int
    is_cut: bool  # there are more dates in the week than were counted
    clock_changes: list[ClockChange]


def preview(schedule: Schedule, zone_name: str | None, now: datetime, count: int) -> Preview:
    """The preview of a schedule from now on; `zone_name` is its own zone, None for UTC."""
    zone = read_zone(zone_name)
    week = list(islice(takewhile(lambda date: date <= now + _WEEK, schedule.upcoming(now)), _MOST_COUNTED))
    walls = [wall_of(date, zone) for date in week]
    counts = Counter((wall.weekday(), wall.hour) for wall in walls)
    dates = schedule.dates(now, count)
    return Preview(
        zone=str(zone),
        dates=dates,
        next_day=_of_next_day(schedule, dates[0], zone) if dates else None,
        hours=[[counts[day, hour] for hour in range(24)] for day in range(7)],
        a_week=len(week),
        is_cut=len(week) == _MOST_COUNTED,
        clock_changes=[
            ClockChange(at, shift_s, schedule.next_date(at - timedelta(microseconds=1)))
            for at, shift_s in clock_changes(zone, now)
        ]
        if dates
        else [],
    )


def clock_changes(zone: ZoneInfo, now: datetime) -> Iterator[tuple[datetime, float]]:
    """When the clocks of a zone change within a year, and by how many seconds."""
    day = timedelta(days=1)
    for number in range(_YEAR_DAYS):
        start = now + number * day
        before, after = _offset(start, zone), _offset(start + day, zone)
        if before == after:
            continue
        first, last = start, start + day
        while last - first > timedelta(seconds=1):
            middle = first + (last - first) / 2
            first, last = (middle, last) if _offset(middle, zone) == before else (first, middle)
        at = last.replace(microsecond=0)
        yield at, (after - before).total_seconds()


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _of_next_day(schedule: Schedule, first: datetime, zone: ZoneInfo) -> datetime | None:
    midnight = (wall_of(first, zone) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return schedule.next_date(midnight.replace(tzinfo=zone).astimezone(UTC) - timedelta(microseconds=1))


@dataclass(frozen=True, slots=True)
class Dates:
    """The dates of a schedule in a stretch of time: all of them when they are few, else only how many."""

    count: int
    first: datetime | None
    last: datetime | None
    few: tuple[datetime, ...]


def dates_between(
    definition: dict[str, object], start: datetime, end: datetime, most_listed: int, *, after: datetime
) -> Dates:
    """The dates from `start` (included) to `end` that are later than `after`. Raises BadSchedule."""
    key = orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)
    seconds = _seconds_between(key, start, end)
    first = bisect_right(seconds, after.timestamp())
    count = len(seconds) - first
    if count == 0:
        return Dates(0, None, None, ())
    listed = seconds[first:] if count <= most_listed else ()
    few = tuple(datetime.fromtimestamp(each, UTC) for each in listed)
    earliest, latest = (datetime.fromtimestamp(seconds[each], UTC) for each in (first, -1))
    return Dates(count, earliest, latest, few)


@lru_cache(maxsize=4096)
def _seconds_between(definition: bytes, start: datetime, end: datetime) -> array[float]:
    # Finding the dates of a day is slow for schedules by the minute: many schedules, and each look at the
    # same week, share the answers.
    dates = schedule_from_json(orjson.loads(definition)).upcoming(start - timedelta(microseconds=1))
    inside = takewhile(lambda date: date < end, dates)
    return array("d", (date.timestamp() for date in islice(inside, _MOST_COUNTED)))
