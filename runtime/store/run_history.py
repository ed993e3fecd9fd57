"""How many runs of which state there were, interval by interval, and how late runs are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from .. import clock
from ..states import FINAL_STATES
from .database import Database
from .filter_conditions import FilterConditions
from .filters import Search
from .tables import flow_run, task_run
from .types import Timestamp, to_micros

MOST_INTERVALS = 500  # of one history (reference notes, section 14)


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
    """From `start` up to, and without, `end`."""

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
    """The runs that fit by their expected start time; empty intervals included, at most 500 of them."""
    count = min(max(math.ceil((end - start).total_seconds() / interval_s), 0), MOST_INTERVALS)
    if not count:
        return []
    edges = [_after(start, interval_s * number) for number in range(count + 1)]
    table = flow_run if kind == "flow-run" else task_run
    conditions = FilterConditions(db.is_sqlite)
    asked = conditions.of_flow_runs(search) if kind == "flow-run" else conditions.of_task_runs(search)
    expected = table.c.expected_start_time
    place = cast(func.floor(_seconds(db, expected, _at(start)) / interval_s), BigInteger).label("place")
    if db.is_sqlite:  # integers there: dividing them rounds down by itself
        since = type_coerce(expected, BigInteger) - to_micros(start.timestamp())
        place = cast(since / (interval_s * 1e6), BigInteger).label("place")
    statement = (
        select(
            place,
            table.c.state_type,
            table.c.state_name,
            func.count(),
            func.sum(_run_time(db, table)),
            func.sum(_lateness(db, table)),
        )
        .where(expected >= start, expected < edges[-1], *asked)
        .group_by("place", table.c.state_type, table.c.state_name)
        .order_by("place", table.c.state_type, table.c.state_name)
    )
    intervals = [HistoryInterval(*span) for span in pairwise(edges)]
    async with db.read() as connection:
        for row in await connection.execute(statement):
            if row[1] is not None and 0 <= row[0] < count:
                intervals[row[0]].states.append(
                    StateTally(row[1], row[2], int(row[3]), float(row[4] or 0), float(row[5] or 0))
                )
    return intervals


async def average_lateness_s(db: Database, search: Search) -> float | None:
    """Seconds by which the flow runs that fit started late, or are late, on average; None without any."""
    conditions = FilterConditions(db.is_sqlite).of_flow_runs(search)
    async with db.read() as connection:
        found = await connection.scalar(select(func.avg(_lateness(db, flow_run))).where(*conditions))
    return None if found is None else float(found)


def _after(start: datetime, seconds: float) -> datetime:
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return clock.calendar_utc(datetime.max)


def _at(moment: datetime) -> ColumnElement[Any]:
    return literal(moment, Timestamp())


def _seconds(db: Database, later: ColumnElement[Any], earlier: ColumnElement[Any]) -> ColumnElement[Any]:
    """From one moment to another."""
    if db.is_sqlite:
        return (type_coerce(later, BigInteger) - type_coerce(earlier, BigInteger)) / 1e6
    zoned = TIMESTAMP(timezone=True)
    return cast(func.extract("epoch", type_coerce(later, zoned) - type_coerce(earlier, zoned)), Double)


def _run_time(db: Database, table: FromClause) -> ColumnElement[Any]:
    """Seconds in Running, the present spell included."""
    if table is flow_run:
        present = _seconds(db, db.now(), flow_run.c.state_timestamp)
        return flow_run.c.total_run_time + case((flow_run.c.state_type == "RUNNING", present), else_=0.0)
    ended = func.coalesce(task_run.c.end_time, db.now(), type_=Timestamp())
    return case((task_run.c.start_time.is_not(None), _seconds(db, ended, task_run.c.start_time)), else_=0.0)


def _lateness(db: Database, table: FromClause) -> ColumnElement[Any]:
    """Seconds between when a run should have started and when it did, or now; 0 where it never will."""
    columns = table.c
    expected, started = columns.expected_start_time, columns.start_time
    waits = and_(started.is_(None), columns.state_type.not_in([str(each) for each in FINAL_STATES]))
    return case(
        (started > expected, _seconds(db, started, expected)),
        (and_(waits, expected < db.now()), _seconds(db, db.now(), expected)),
        else_=0.0,
    )
