"""Figures of flow runs that lists show: how long they usually take, and their task runs by state."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..states import FINAL_STATES
from .concurrency_limits import seconds_between
from .database.database import Database
from .database.tables import flow_run, task_run

_NEWEST = 60  # past runs of a flow or deployment that tell what is usual
_AT_ONCE = 50  # ids in one statement: SQLite takes at most 500 parts of a UNION
_SETTLED = timedelta(minutes=2)  # after the end of a run late news of its task runs may still come
_MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class UsualLength:
    """Seconds from start to end of the newest completed runs: median, 95th percentile, number of runs."""

    median_s: float
    p95_s: float
    runs: int


async def usual_lengths(
    db: Database, *, flow_ids: Iterable[UUID] = (), deployment_ids: Iterable[UUID] = ()
) -> dict[UUID, UsualLength]:
    """What is usual for each flow and each deployment; those without a completed run are left out."""
    async with db.read() as connection:
        return await usual_lengths_within(db, connection, flow_ids, deployment_ids)


async def usual_lengths_within(
    db: Database, connection: AsyncConnection, flow_ids: Iterable[UUID], deployment_ids: Iterable[UUID]
) -> dict[UUID, UsualLength]:
    """`usual_lengths` inside an open transaction."""
    asked = [
        *(_past(db, flow_run.c.flow_id, each) for each in dict.fromkeys(flow_ids)),
        *(_past(db, flow_run.c.deployment_id, each) for each in dict.fromkeys(deployment_ids)),
    ]
    lengths: dict[UUID, list[float]] = {}
    for first in range(0, len(asked), _AT_ONCE):
        past = await connection.execute(union_all(*asked[first : first + _AT_ONCE]))
        for row in past.mappings():
            lengths.setdefault(row["owner"], []).append(float(row["seconds"]))
    return {owner: _usual(found) for owner, found in lengths.items()}


def _past(db: Database, column: Any, owner: UUID) -> Select[UUID, float]:
    """Lengths of the completed ones among the newest runs that were due already."""
    newest = (
        select(flow_run.c.state_type, flow_run.c.start_time, flow_run.c.end_time)
        .where(column == owner, flow_run.c.expected_start_time <= db.now())
        .order_by(flow_run.c.expected_start_time.desc())
        .limit(_NEWEST)
        .subquery()
    )
    seconds = seconds_between(db, newest.c.start_time, newest.c.end_time)
    return select(literal(owner, Uuid()).label("owner"), seconds.label("seconds")).where(
        newest.c.state_type == "COMPLETED", newest.c.start_time.is_not(None), newest.c.end_time.is_not(None)
    )


def _usual(lengths: list[float]) -> UsualLength:
    ordered = sorted(lengths)
    return UsualLength(
        statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], len(ordered)
    )


class TaskTallies:
    """Counts of the task runs of flow runs by state type. Those of runs that ended a while ago are kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, datetime], Mapping[str, int]] = {}

    async def read(self, db: Database, flow_run_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, int]]:
        """The counts of each of these runs, sub-flow calls included; an unknown run has none."""
        columns = flow_run.c
        statement = select(columns.id, columns.state_type, columns.end_time).where(
            columns.id.in_(flow_run_ids)
        )
        async with db.read() as connection:
            runs = [(row[0], row[1], row[2]) for row in await connection.execute(statement)]
            return await self.read_within(connection, runs)

    async def read_within(
        self, connection: AsyncConnection, runs: Sequence[tuple[UUID, str | None, datetime | None]]
    ) -> dict[UUID, Mapping[str, int]]:
        """The same for runs of which state type and end are known, inside an open transaction."""
        settled = clock.now() - _SETTLED
        found: dict[UUID, Mapping[str, int]] = {}
        unknown: dict[UUID, tuple[UUID, datetime] | None] = {}
        for run_id, state_type, ended in runs:
            key = (run_id, ended) if ended is not None and state_type in _FINAL and ended < settled else None
            kept = None if key is None else self._kept.get(key)
            if kept is None:
                unknown[run_id] = key
            else:
                found[run_id] = kept
        for run_id, counts in (await _counted(connection, list(unknown))).items():
            found[run_id] = counts
            key = unknown[run_id]
            if key is not None:
                while len(self._kept) >= _MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = counts
        return found


_FINAL = frozenset(str(each) for each in FINAL_STATES)


async def _counted(connection: AsyncConnection, flow_run_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    counts: dict[UUID, dict[str, int]] = {run_id: {} for run_id in flow_run_ids}
    if not counts:
        return counts
    statement = (
        select(task_run.c.flow_run_id, task_run.c.state_type, func.count())
        .where(task_run.c.flow_run_id.in_(flow_run_ids))
        .group_by(task_run.c.flow_run_id, task_run.c.state_type)
    )
    for run_id, state_type, count in await connection.execute(statement):
        counts[run_id][state_type] = count
    return counts
