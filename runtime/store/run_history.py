"""How many runs were in which state in each interval, and how late runs are."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Interval,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from ..foundation import clock
from ..states import FINAL_STATES
from .database.database import Database
from .database.tables import flow_run, task_run
from .database.types import Timestamp, to_micros
from .filter_conditions import FilterConditions
from .filters import Search

_ZONED = TIMESTAMP(timezone=True)

MOST_INTERVALS = 500  # of one history; the standard API's limit


@dataclass(frozen=True, slots=True)
class StateTally:
    """The runs of one interval that are in one state."""

    state_type: str
    state_name: str
    count_runs: int
    sum_estimated_run_time: float  # seconds
    sum_estimated_lateness: float  # seconds


@dataclass(frozen=True, slots=True)
class HistoryInterval:
    """From `start` up to `end`, which is excluded."""

    start: datetime
    end: datetime
    states: list[StateTally] = field(default_factory=list[StateTally])


async def history(
    db: Database,
    kind: Literal["flow-run", "task-run"],
    search: Search,
    start: datetime,
    end: datetime,
    interval_s: float,
) -> list[HistoryInterval]:
    """The matching runs by expected start time, in at most 500 intervals, including empty ones."""
    count = min(max(math.ceil((end - start).total_seconds() / interval_s), 0), MOST_INTERVALS)
    if not count:
        return []
    edges = [_after(start, interval_s * number) for number in range(count + 1)]
    table = flow_run if kind == "flow-run" else task_run
    conditions = FilterConditions(db.is_sqlite)
    asked = conditions.of_flow_runs(search) if kind == "flow-run" else conditions.of_task_runs(search)
    expected = table.c.expected_start_time
    tallies = (
        select(
            interval_begin(db, expected, start, interval_s).label("begin"),
            table.c.state_type,
            table.c.state_name,
            func.count(),
            _sum_of_run_times_s(db, table),
            _in_seconds(db, func.sum(_lateness(db, table))),
        )
        .where(*asked)
        .group_by("begin", table.c.state_type, table.c.state_name)
    )  # sorted here, because the database would sort all runs instead of the few tallies
    intervals = [HistoryInterval(*span) for span in pairwise(edges)]

    async def between(first: datetime, last: datetime) -> Sequence[Any]:
        async with db.read() as connection:
            found = await connection.execute(tallies.where(expected >= first, expected < last))
            return [row for row in found if row[1] is not None]

    # Two Postgres processes add up a day's task runs in half the time; it would not split this by itself.
    is_divided = table is task_run and count > 1 and not db.is_sqlite
    parts = pairwise([edges[0], edges[count // 2], edges[-1]] if is_divided else [edges[0], edges[-1]])
    rows = [row for part in await asyncio.gather(*(between(*part) for part in parts)) for row in part]
    for row in sorted(rows, key=lambda row: (row[1], row[2])):
        place = interval_number(row[0], start, interval_s)
        if 0 <= place < count:
            intervals[place].states.append(
                StateTally(row[1], row[2], int(row[3]), float(row[4] or 0), float(row[5] or 0))
            )
    return intervals


async def average_lateness_s(db: Database, search: Search) -> float | None:
    """The average seconds by which matching flow runs started late, or are late; None without runs."""
    conditions = FilterConditions(db.is_sqlite).of_flow_runs(search)
    async with db.read() as connection:
        average = _in_seconds(db, func.avg(_lateness(db, flow_run)))
        found = await connection.scalar(select(average).where(*conditions))
    return None if found is None else float(found)


def interval_begin(
    db: Database, moment: ColumnElement[Any], start: datetime, interval_s: float
) -> ColumnElement[Any]:
    """The interval since `start` in which a moment lies, in the form for `interval_number`."""
    if db.is_sqlite:  # integers, whose division rounds down
        since = type_coerce(moment, BigInteger) - to_micros(start.timestamp())
        return cast(since / (interval_s * 1e6), BigInteger)
    # Whole microseconds: computing in seconds takes Postgres three times as long.
    step = literal(timedelta(seconds=interval_s), Interval())
    return func.date_bin(step, type_coerce(moment, _ZONED), type_coerce(start, _ZONED), type_=_ZONED)


def interval_number(begin: datetime | int, start: datetime, interval_s: float) -> int:
    """The number of an interval, counted from 0."""
    return begin if isinstance(begin, int) else round((begin - start) / timedelta(seconds=interval_s))


def _after(start: datetime, seconds: float) -> datetime:
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return clock.calendar_utc(datetime.max)


def _between(db: Database, later: ColumnElement[Any], earlier: ColumnElement[Any]) -> ColumnElement[Any]:
    """The time from one moment to another, in the form in which this database computes with it."""
    if db.is_sqlite:
        # A cast, not only another SQLAlchemy type, because the present moment is bound in the form of its
        # type.
        return cast(later, BigInteger) - cast(earlier, BigInteger)
    return type_coerce(later, _ZONED) - type_coerce(earlier, _ZONED)


def _in_seconds(db: Database, total: ColumnElement[Any]) -> ColumnElement[Any]:
    return total / 1e6 if db.is_sqlite else func.date_part("epoch", total, type_=Double())


def _sum_of_run_times_s(db: Database, table: FromClause) -> ColumnElement[Any]:
    """Seconds in Running, including the present period."""
    if table is flow_run:
        present = case(
            (flow_run.c.state_type == "RUNNING", _between(db, db.now(), flow_run.c.state_timestamp))
        )
        return func.sum(flow_run.c.total_run_time) + func.coalesce(_in_seconds(db, func.sum(present)), 0.0)
    ended = func.coalesce(task_run.c.end_time, db.now(), type_=Timestamp())
    return _in_seconds(db, func.sum(_between(db, ended, task_run.c.start_time)))


def _lateness(db: Database, table: FromClause) -> ColumnElement[Any]:
    """The time from a run's expected start to its start, or to now; 0 when it will never start."""
    columns = table.c
    expected, started = columns.expected_start_time, columns.start_time
    waits = and_(started.is_(None), columns.state_type.not_in([str(each) for each in FINAL_STATES]))
    return case(
        (started > expected, _between(db, started, expected)),
        (and_(waits, expected < db.now()), _between(db, db.now(), expected)),
        else_=0 if db.is_sqlite else literal(timedelta(0), Interval()),
    )
