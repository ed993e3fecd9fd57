"""The newest runs of flows and deployments, for small charts beside their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.database import Database
from .database.tables import flow_run, task_run
from .run_parts import site_name

_RUNS_FOR_TASKS = 20
_MOST_TASK_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class RecentRun:
    """A run that is due or has begun. `at` is when it was expected to begin."""

    id: UUID
    name: str
    state_type: str | None
    state_name: str | None
    at: datetime
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Recent:
    """Runs, the oldest first, and the next one that is planned."""

    runs: list[RecentRun]
    next_at: datetime | None
    next_run_id: UUID | None


async def of_deployments(db: Database, ids: Iterable[UUID], limit: int) -> dict[UUID, Recent]:
    """The newest runs of each deployment."""
    async with db.read() as connection:
        return {each: await _recent(connection, flow_run.c.deployment_id, each, limit) for each in ids}


async def of_flows(db: Database, ids: Iterable[UUID], limit: int) -> dict[UUID, Recent]:
    """The newest runs of each flow, those of its deployments included."""
    async with db.read() as connection:
        return {each: await _recent(connection, flow_run.c.flow_id, each, limit) for each in ids}


async def _recent(connection: AsyncConnection, column: Any, owner: UUID, limit: int) -> Recent:
    run = flow_run.c
    newest = (
        select(
            run.id,
            run.name,
            run.state_type,
            run.state_name,
            run.expected_start_time,
            run.start_time,
            run.end_time,
        )
        .where(column == bindparam("owner"), run.expected_start_time.is_not(None))
        .where((run.state_type != "SCHEDULED") | run.state_name.in_(("Late", "AwaitingRetry")))
        .order_by(run.expected_start_time.desc())
        .limit(bindparam("most"))
    )
    rows = (await connection.execute(newest, {"owner": owner, "most": limit})).all()
    ahead = (
        select(run.id, run.next_scheduled_start_time)
        .where(column == bindparam("owner"), run.state_type == "SCHEDULED", run.state_name == "Scheduled")
        .order_by(run.next_scheduled_start_time)
        .limit(1)
    )
    coming = (await connection.execute(ahead, {"owner": owner})).first()
    return Recent(
        [RecentRun(*row) for row in reversed(rows)],
        None if coming is None else coming[1],
        None if coming is None else coming[0],
    )


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """How one task of a flow did in the flow's newest runs."""

    name: str
    runs: int
    failed: int
    retried: int


async def tasks_of_flow(db: Database, flow_id: UUID) -> list[TaskRecord]:
    """The tasks of a flow's newest runs, the least reliable first."""
    newest = (
        select(flow_run.c.id)
        .where(flow_run.c.flow_id == flow_id, flow_run.c.start_time.is_not(None))
        .order_by(flow_run.c.expected_start_time.desc())
        .limit(_RUNS_FOR_TASKS)
    )
    async with db.read() as connection:
        run_ids = list(await connection.scalars(newest))
        some = (
            select(task_run.c.task_key, task_run.c.task_name, task_run.c.state_type, task_run.c.run_count)
            .where(task_run.c.flow_run_id.in_(run_ids))
            .limit(_MOST_TASK_RUNS)
            .subquery()
        )
        failed = some.c.state_type.in_(("FAILED", "CRASHED"))
        counted = (
            select(
                some.c.task_key,
                func.min(some.c.task_name),
                func.count(),
                func.count().filter(failed),
                func.count().filter(some.c.run_count > 1),
            )
            .group_by(some.c.task_key)
            .order_by(func.count().filter(failed).desc(), func.count().filter(some.c.run_count > 1).desc())
            .limit(100)
        )
        rows = (await connection.execute(counted)).all()
    # A task whose code was changed has another key, and the same name.
    sums: dict[str, list[int]] = {}
    for key, name, *counts in rows:
        old = sums.setdefault(site_name(key, name), [0] * len(counts))
        old[:] = [one + other for one, other in zip(old, counts, strict=True)]
    return sorted((TaskRecord(name, *counts) for name, counts in sums.items()), key=_least_reliable)


def _least_reliable(task: TaskRecord) -> tuple[int, int]:
    return (-task.failed, -task.retried)
