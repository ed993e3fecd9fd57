"""Makes the runs of schedules: exactly one run for each slot, with any number of schedulers and editors.

A scheduler reserves due schedules, computes their slots, and returns them with the revision that it saw. Runs
are only made while the schedule has that revision, under locks that editors take, too; and each slot is
unique.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.announcements import RUNS, announce
from .database.database import Database
from .database.tables import deployment, deployment_schedule, flow_run, flow_run_state
from .database.types import Timestamp
from .deployment_rows import ScheduleRow
from .deployment_run_rows import run_and_state_rows
from .future_runs import remove_within, untouched
from .runs_ahead import slot_run

RESERVED_FOR_S = 10.0
"""How long a scheduler may work on a reserved schedule before another one gets it."""


@dataclass(frozen=True, slots=True)
class SlotBatch:
    """The slots that a scheduler computed for one revision of a schedule. `next_at`: when to plan the
    schedule again; None when it has no more slots. `dropped`: idempotency keys of runs made ahead that
    catch-up does not want.
    """

    schedule_id: UUID
    revision: int
    slots: Sequence[datetime]
    next_at: datetime | None
    dropped: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SlotsTaken:
    """The result: how many runs were made, and which schedules were edited, paused or removed meanwhile."""

    made: int
    stale: frozenset[UUID]


async def due(
    db: Database, horizon_s: float, limit: int = 500, reserved_for_s: float = RESERVED_FOR_S
) -> list[ScheduleRow]:
    """Active schedules to be planned within `horizon_s`, reserved for the caller for a while.

    Schedules of paused deployments are left out. Another scheduler does not get them until `insert_slots`
    returns them or the reservation ends.
    """
    now = _stable_now(db)
    horizon = _after(db, horizon_s)
    table = deployment_schedule.c
    wanted = (
        select(table.id)
        .join(deployment, deployment.c.id == table.deployment_id)
        .where(
            table.active,
            ~deployment.c.paused,
            table.next_at <= horizon,
            or_(table.reserved_until.is_(None), table.reserved_until <= now),
        )
        .order_by(table.next_at)
        .limit(limit)
        .with_for_update(of=deployment_schedule, key_share=True, skip_locked=True)
    )
    reserve = (
        update(deployment_schedule)
        .where(table.id.in_(wanted.scalar_subquery()))
        .values(reserved_until=db.from_now(reserved_for_s))
        .returning(*table)
    )
    async with db.write() as connection:
        rows = (await connection.execute(reserve)).mappings().all()
    return sorted((ScheduleRow(**row) for row in rows), key=lambda row: (row.next_at, row.id))


async def next_look(db: Database) -> float | None:
    """In how many seconds `due` will have a schedule for a caller; None if only an edit can change that."""
    table = deployment_schedule.c
    statement = (
        select(table.next_at, type_coerce(db.now(), Timestamp()))
        .join(deployment, deployment.c.id == table.deployment_id)
        .where(
            table.active,
            ~deployment.c.paused,
            table.next_at.is_not(None),
            or_(table.reserved_until.is_(None), table.reserved_until <= _stable_now(db)),
        )
        .order_by(table.next_at)  # not min(): the first row of the index is enough
        .limit(1)
    )
    async with db.read() as connection:
        found = (await connection.execute(statement)).first()
    return None if found is None else (found[0] - found[1]).total_seconds()


async def made_slots(
    db: Database, schedule_ids: Sequence[UUID], since: datetime
) -> dict[UUID, frozenset[str]]:
    """Idempotency keys of existing runs of schedules for slots after `since`."""
    found: dict[UUID, set[str]] = {}
    table = deployment_schedule.c
    statement = (
        select(table.id, flow_run.c.idempotency_key)
        .join(
            flow_run,
            (flow_run.c.deployment_id == table.deployment_id) & (flow_run.c.schedule_key == table.key),
        )
        .where(table.id.in_(schedule_ids), flow_run.c.slot_at > since)
    )
    async with db.read() as connection:
        for schedule_id, key in await connection.execute(statement):
            found.setdefault(schedule_id, set()).add(key)
    return {schedule_id: frozenset(keys) for schedule_id, keys in found.items()}


async def insert_slots(db: Database, batches: Sequence[SlotBatch]) -> SlotsTaken:
    """Make the runs of slots that have none yet, in one transaction; harmless to repeat.

    Runs get parameters, tags, code and queue of the present deployment. A schedule that has another revision
    than its batch, is inactive or removed, or whose deployment is paused gets no runs and is returned as
    stale.
    """
    async with db.write() as connection:
        owners = await _locked(connection, [batch.schedule_id for batch in batches])
        valid = [batch for batch in batches if _still_valid(batch, owners)]
        rows = [
            run_and_state_rows(owner, slot_run(schedule, owner, slot))
            for batch in valid
            for schedule, owner in (owners[batch.schedule_id],)
            for slot in batch.slots
        ]
        made = await _insert_runs(db, connection, rows)
        for batch in valid:
            await _drop(connection, owners[batch.schedule_id][1], batch.dropped)
        await _hand_back(connection, valid)
        if made:
            await announce(connection, RUNS)
    stale = {batch.schedule_id for batch in batches} - {batch.schedule_id for batch in valid}
    return SlotsTaken(made, frozenset(stale))


_Owners = Mapping[UUID, tuple[RowMapping, RowMapping]]  # schedule id -> (schedule, deployment)


async def _locked(connection: AsyncConnection, schedule_ids: Sequence[UUID]) -> _Owners:
    """Schedules with their deployments, locked until the end; deployments first, in the order of editors."""
    of_schedules = select(deployment_schedule.c.deployment_id).where(
        deployment_schedule.c.id.in_(schedule_ids)
    )
    deployments = await connection.execute(
        select(deployment)
        .where(deployment.c.id.in_(of_schedules))
        .order_by(deployment.c.id)
        .with_for_update(read=True)
    )
    by_id = {row["id"]: row for row in deployments.mappings()}
    schedules = await connection.execute(
        select(deployment_schedule)
        .where(deployment_schedule.c.id.in_(schedule_ids))
        .order_by(deployment_schedule.c.id)
        .with_for_update(key_share=True)
    )
    return {
        row["id"]: (row, by_id[row["deployment_id"]])
        for row in schedules.mappings()
        if row["deployment_id"] in by_id
    }


def _still_valid(batch: SlotBatch, owners: _Owners) -> bool:
    found = owners.get(batch.schedule_id)
    if found is None:
        return False
    schedule, owner = found
    return schedule["revision"] == batch.revision and schedule["active"] and not owner["paused"]


async def _insert_runs(
    db: Database, connection: AsyncConnection, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]
) -> int:
    if not rows:
        return 0
    into = sqlite.insert if db.is_sqlite else postgresql.insert
    # A run that conflicts with an existing one (by slot or key) is not inserted.
    statement = (
        into(flow_run)
        .values(created=db.now(), updated=db.now())
        .on_conflict_do_nothing()
        .returning(flow_run.c.id)
    )
    runs = [run for run, _ in rows]
    made = set(await connection.scalars(statement, runs))
    states = [state for _, state in rows if state["flow_run_id"] in made]
    if states:
        await connection.execute(insert(flow_run_state), states)
    return len(made)


async def _drop(connection: AsyncConnection, owner: RowMapping, keys: Sequence[str]) -> None:
    if keys:
        same = (flow_run.c.flow_id == owner["flow_id"]) & flow_run.c.idempotency_key.in_(keys)
        await remove_within(connection, [same, *untouched()])


async def _hand_back(connection: AsyncConnection, batches: Iterable[SlotBatch]) -> None:
    looked_at = [{"schedule": batch.schedule_id, "next": batch.next_at} for batch in batches]
    if looked_at:
        await connection.execute(
            update(deployment_schedule)
            .where(deployment_schedule.c.id == bindparam("schedule"))
            .values(next_at=bindparam("next", type_=Timestamp()), reserved_until=None),
            looked_at,
        )


def _stable_now(db: Database) -> ColumnElement[Any]:
    """The database's time by which an index can be searched: constant within a statement."""
    return db.now() if db.is_sqlite else func.statement_timestamp(type_=Timestamp())


def _after(db: Database, seconds: float) -> ColumnElement[Any]:
    if db.is_sqlite:
        return db.from_now(seconds)
    return func.statement_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
