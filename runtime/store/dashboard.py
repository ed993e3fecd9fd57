"""Counts and small rows of many runs for pages, each read in one or two statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from ..states import StateType
from .database.database import Database
from .database.tables import deployment, flow_run, task_run
from .database.types import Timestamp
from .filter_conditions import FilterConditions
from .filters import Search
from .run_history import interval_begin, interval_number
from .search import FlowRunSort, run_order


@dataclass(frozen=True, slots=True)
class BriefFlowRun:
    """The few fields that a point in a history needs."""

    id: UUID
    state_type: str
    state_timestamp: datetime
    expected_start_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    total_run_time: float


@dataclass(frozen=True, slots=True)
class NextFlowRun:
    """The next scheduled run of a flow."""

    id: UUID
    flow_id: UUID
    name: str
    state_name: str
    state_type: str
    next_scheduled_start_time: datetime


async def brief_flow_runs(
    db: Database, search: Search, *, sort: FlowRunSort, limit: int, offset: int = 0
) -> list[BriefFlowRun]:
    """The matching flow runs with a state, with the few fields that a history needs."""
    columns = flow_run.c
    statement = (
        select(
            columns.id,
            columns.state_type,
            columns.state_timestamp,
            columns.expected_start_time,
            columns.start_time,
            columns.end_time,
            columns.total_run_time,
        )
        .where(columns.state_type.is_not(None), *FilterConditions(db.is_sqlite).of_flow_runs(search))
        .order_by(*run_order(flow_run, sort, columns.name))
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        return [BriefFlowRun(*row) for row in await connection.execute(statement)]


async def count_task_runs(db: Database, flow_run_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many task runs each flow run has, without those that represent sub-flow runs."""
    counts = dict.fromkeys(flow_run_ids, 0)
    of_runs = task_run.c.flow_run_id.in_(flow_run_ids)
    tracking = (
        select(task_run.c.flow_run_id, func.count(task_run.c.id.distinct()))
        .join_from(flow_run, task_run, task_run.c.id == flow_run.c.parent_task_run_id)
        .where(flow_run.c.parent_task_run_id.is_not(None), of_runs)
        .group_by(task_run.c.flow_run_id)
    )
    everything = select(task_run.c.flow_run_id, func.count()).where(of_runs).group_by(task_run.c.flow_run_id)
    async with db.read() as connection:
        for run_id, count in await connection.execute(everything):
            counts[run_id] += count
        for run_id, count in await connection.execute(tracking):
            counts[run_id] -= count
    return counts


async def count_deployments(db: Database, flow_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many deployments each flow has."""
    statement = (
        select(deployment.c.flow_id, func.count())
        .where(deployment.c.flow_id.in_(flow_ids))
        .group_by(deployment.c.flow_id)
    )
    counts = dict.fromkeys(flow_ids, 0)
    async with db.read() as connection:
        counts.update((row[0], row[1]) for row in await connection.execute(statement))
    return counts


async def next_runs(db: Database, flow_ids: Sequence[UUID]) -> dict[UUID, NextFlowRun | None]:
    """The next scheduled run of each flow."""
    columns = flow_run.c
    place = func.row_number().over(
        partition_by=columns.flow_id, order_by=(columns.next_scheduled_start_time, columns.id)
    )
    ranked = (
        select(
            columns.id,
            columns.flow_id,
            columns.name,
            columns.state_name,
            columns.state_type,
            columns.next_scheduled_start_time,
            place.label("place"),
        )
        .where(
            columns.flow_id.in_(flow_ids),
            columns.state_type == StateType.SCHEDULED.value,
            columns.next_scheduled_start_time.is_not(None),
        )
        .subquery()
    )
    found: dict[UUID, NextFlowRun | None] = dict.fromkeys(flow_ids)
    async with db.read() as connection:
        for row in await connection.execute(select(ranked).where(ranked.c.place == 1)):
            found[row[1]] = NextFlowRun(*row[:6])
    return found


async def task_runs_by_state(db: Database, search: Search) -> dict[str, int]:
    """How many matching task runs are in a state of each type; the result has every type."""
    statement = (
        select(task_run.c.state_type, func.count())
        .where(*FilterConditions(db.is_sqlite).of_task_runs(search))
        .group_by(task_run.c.state_type)
    )
    counts = {each.value: 0 for each in StateType}
    async with db.read() as connection:
        counts.update((row[0], row[1]) for row in await connection.execute(statement))
    return counts


async def task_run_ends(
    db: Database, search: Search, start: datetime, end: datetime, buckets: int
) -> list[tuple[int, int]]:
    """How many matching task runs completed, and failed, by start time in that many equal parts."""
    columns = task_run.c
    started: Any = func.coalesce(columns.start_time, columns.expected_start_time, type_=Timestamp())
    step_s = max((end - start).total_seconds() / buckets, 1e-6)
    statement = (
        select(
            interval_begin(db, started, start, step_s).label("begin"),
            columns.state_type,
            func.count(),
        )
        .where(started >= start, started <= end, *FilterConditions(db.is_sqlite).of_task_runs(search))
        .group_by("begin", columns.state_type)
    )
    ends = [(0, 0)] * buckets
    async with db.read() as connection:
        for begin, state_type, count in await connection.execute(statement):
            # The end belongs to the last part.
            at = min(max(interval_number(begin, start, step_s), 0), buckets - 1)
            completed, failed = ends[at]
            if state_type == "COMPLETED":
                ends[at] = (completed + count, failed)
            elif state_type in ("FAILED", "CRASHED"):
                ends[at] = (completed, failed + count)
    return ends
