"""Changes of many flow runs at once, recorded as jobs: which runs, their states then, what became of each.

A job names its runs when it is asked for. Each is changed only while it is in the state that it had then: so
a job that is taken up again after its process died does nothing twice.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Uuid, cast, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from . import run_search
from .database.database import Database
from .database.job_tables import run_job, run_job_item
from .database.tables import flow_run
from .database.wire_text import json_value, plain_text
from .run_terms import Term

Verb = Literal["cancel", "retry", "set-state", "delete"]
Outcome = Literal["done", "refused", "changed", "gone"]
MOST_RUNS = 100_000
HELD_S = 20.0
_OPEN = run_job.c.ended.is_(None)


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is. `status` is waiting, running, done or cancelled."""

    id: UUID
    verb: str
    asked: dict[str, Any]
    status: str
    total: int
    begins: datetime
    created: datetime
    ended: datetime | None
    outcomes: dict[str, int]  # numbers of runs by what became of them


@dataclass(frozen=True, slots=True)
class Item:
    """A run of a job. `outcome` is None until it was its turn."""

    number: int
    flow_run_id: UUID
    state_id: UUID | None
    outcome: str | None = None
    reason: str | None = None


async def create(
    db: Database,
    verb: Verb,
    asked: dict[str, Any],
    *,
    terms: Sequence[Term] = (),
    hide_subflows: bool = False,
    flow_run_ids: Sequence[UUID] | None = None,
    begins_in_s: float = 0.0,
) -> Job:
    """Record a job over the runs that match, or over those with these ids. At most MOST_RUNS are taken."""
    job_id = uuid7()
    conditions = run_search.conditions(db, "flow", terms, hide_subflows)
    if flow_run_ids is not None:
        conditions.append(flow_run.c.id.in_(flow_run_ids))
    number = func.row_number().over(order_by=flow_run.c.id)
    chosen = select(cast(literal(job_id, Uuid()), Uuid()), number, flow_run.c.id, flow_run.c.state_id)
    chosen = chosen.where(*conditions).order_by(flow_run.c.id).limit(MOST_RUNS)
    names = ["job_id", "number", "flow_run_id", "state_id"]
    async with db.write() as connection:
        await connection.execute(insert(run_job_item).from_select(names, chosen))
        of_job = run_job_item.c.job_id == job_id
        total = await connection.scalar(select(func.count()).select_from(run_job_item).where(of_job))
        values = {
            "id": job_id,
            "verb": verb,
            "asked": json_value(asked),
            "status": "waiting" if total else "done",
            "total": total,
            "begins": db.from_now(begins_in_s),
            "created": db.now(),
            "ended": None if total else db.now(),
        }
        await connection.execute(insert(run_job).values(**values))
        return await _one(connection, job_id)


async def read(db: Database, job_id: UUID) -> Job:
    """The job with that id. Raises NotFound."""
    async with db.read() as connection:
        return await _one(connection, job_id)


async def list(db: Database, limit: int = 20) -> builtins.list[Job]:
    """The newest jobs first."""
    statement = select(run_job).order_by(run_job.c.created.desc()).limit(limit)
    async with db.read() as connection:
        rows = (await connection.execute(statement)).mappings().all()
        return await _with_outcomes(connection, rows)


async def items(db: Database, job_id: UUID, outcome: str | None, limit: int) -> builtins.list[Item]:
    """Runs of a job with that outcome; None: those whose turn has not come."""
    columns = run_job_item.c
    of_job = columns.outcome.is_(None) if outcome is None else columns.outcome == outcome
    statement = select(
        columns.number, columns.flow_run_id, columns.state_id, columns.outcome, columns.reason
    ).where(columns.job_id == job_id, of_job)
    async with db.read() as connection:
        rows = await connection.execute(statement.order_by(columns.number).limit(limit))
        return [Item(**row) for row in rows.mappings()]


async def cancel(db: Database, job_id: UUID) -> Job:
    """Let a job change no further run. Raises NotFound."""
    async with db.write() as connection:
        await connection.execute(
            update(run_job).where(run_job.c.id == job_id, _OPEN).values(status="cancelled", ended=db.now())
        )
        return await _one(connection, job_id)


async def take(db: Database) -> Job | None:
    """Take a job that is due and that no living process works on; None: there is none."""
    free = (
        _OPEN,
        run_job.c.begins <= db.now(),
        or_(run_job.c.taken_until.is_(None), run_job.c.taken_until < db.now()),
    )
    due = select(run_job.c.id).where(*free).order_by(run_job.c.begins).limit(1)
    async with db.read() as connection:  # looking costs the others no wait; nearly always there is none
        if await connection.scalar(due) is None:
            return None
    async with db.write() as connection:
        job_id = await connection.scalar(due.with_for_update(skip_locked=True))
        if job_id is None:
            return None
        taken = {"status": "running", "taken_until": db.from_now(HELD_S)}
        await connection.execute(update(run_job).where(run_job.c.id == job_id).values(**taken))
        return await _one(connection, job_id)


async def note(db: Database, job_id: UUID, told: Iterable[tuple[int, Outcome, str | None]]) -> bool:
    """Record what became of some runs, and hold the job longer. False: the job was cancelled."""
    async with db.write() as connection:
        for number, outcome, reason in told:
            text = None if reason is None else plain_text(reason)[:500]
            await connection.execute(
                update(run_job_item)
                .where(run_job_item.c.job_id == job_id, run_job_item.c.number == number)
                .values(outcome=outcome, reason=text)
            )
        held = update(run_job).where(run_job.c.id == job_id, _OPEN).values(taken_until=db.from_now(HELD_S))
        return bool((await connection.execute(held)).rowcount)


async def finish(db: Database, job_id: UUID) -> None:
    """Record that every run of a job has had its turn."""
    async with db.write() as connection:
        await connection.execute(
            update(run_job).where(run_job.c.id == job_id, _OPEN).values(status="done", ended=db.now())
        )


async def _one(connection: AsyncConnection, job_id: UUID) -> Job:
    row = (await connection.execute(select(run_job).where(run_job.c.id == job_id))).mappings().first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return (await _with_outcomes(connection, [row]))[0]


async def _with_outcomes(connection: AsyncConnection, rows: Sequence[Any]) -> builtins.list[Job]:
    columns = run_job_item.c
    counted = (
        select(columns.job_id, columns.outcome, func.count())
        .where(columns.job_id.in_([row["id"] for row in rows]))
        .group_by(columns.job_id, columns.outcome)
    )
    outcomes: dict[UUID, dict[str, int]] = {}
    for job_id, outcome, count in await connection.execute(counted):
        if outcome is not None:
            outcomes.setdefault(job_id, {})[outcome] = count
    return [
        Job(
            **{name: row[name] for name in Job.__slots__ if name != "outcomes"},
            outcomes=outcomes.get(row["id"], {}),
        )
        for row in rows
    ]
