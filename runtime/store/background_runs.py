"""Background tasks: runs without a flow run that wait for a task worker, handed to one worker each.

A run is in the queue until it leaves Scheduled. The server process of a worker's subscription claims it and
renews the claim while the worker is connected. When a claim lapses while the run is still Scheduled, the next
worker gets it, so a run that was handed over and never begun is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.announcements import TASKS, announce
from .database.automation_tables import background_run, task_worker
from .database.database import Database
from .database.rows import TaskRunRow
from .database.tables import task_run
from .database.wire_text import json_value, plain_text
from .task_runs import task_run_row

LEASE_S = 60.0
"""How long a claim lasts, and how long a worker counts as connected after its last sign of life."""

_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class TaskWorkerRow:
    """A task worker that is connected, by the name that it gives itself."""

    client_id: str
    task_keys: list[str]
    last_seen: datetime


async def put_within(db: Database, connection: AsyncConnection, task_run_id: UUID, task_key: str) -> None:
    """Queue a run as the last one; a queued run keeps its place."""
    put = (sqlite.insert if db.is_sqlite else postgresql.insert)(background_run)
    values = {"task_run_id": task_run_id, "task_key": plain_text(task_key), "queued": db.now()}
    await connection.execute(put.values(**values).on_conflict_do_nothing())
    await announce(connection, TASKS)


async def claim(db: Database, task_keys: Sequence[str], subscription_id: UUID) -> TaskRunRow | None:
    """Claim the next run of these tasks for one subscription; None when there is none."""
    table = background_run.c
    keys = [plain_text(key) for key in task_keys]
    free = or_(table.claimed_until.is_(None), table.claimed_until <= db.now())
    waiting = select(table.task_run_id).where(table.task_key.in_(keys), free)
    async with db.read() as connection:
        if await connection.scalar(waiting.limit(1)) is None:
            return None
    async with db.write() as connection:
        waiting = waiting.order_by(table.queued, table.task_run_id).limit(_LOOKED_AT)
        found = list(await connection.scalars(waiting.with_for_update(skip_locked=True)))
        runs = select(task_run).where(task_run.c.id.in_(found))
        rows = {row["id"]: row for row in (await connection.execute(runs)).mappings()}
        begun = [it for it in found if it not in rows or rows[it]["state_type"] != "SCHEDULED"]
        if begun:
            await connection.execute(delete(background_run).where(table.task_run_id.in_(begun)))
        chosen = next((it for it in found if it not in begun), None)
        if chosen is None:
            return None
        await connection.execute(
            update(background_run)
            .where(table.task_run_id == chosen)
            .values(claimed_by=subscription_id, claimed_until=db.from_now(LEASE_S))
        )
        return task_run_row(rows[chosen])


async def release(db: Database, task_run_id: UUID, subscription_id: UUID) -> None:
    """Give back a run that did not reach its worker; it becomes the first in line again."""
    table = background_run.c
    async with db.write() as connection:
        ours = (table.task_run_id == task_run_id) & (table.claimed_by == subscription_id)
        await connection.execute(
            update(background_run).where(ours).values(claimed_by=None, claimed_until=None)
        )
        await announce(connection, TASKS)


async def attend(db: Database, subscription_id: UUID, client_id: str, task_keys: Sequence[str]) -> None:
    """Note that a worker is connected: list it, renew its claims, and drop the claims on runs that have
    begun.
    """
    table = background_run.c
    seen = {"last_seen": db.now()}
    async with db.write() as connection:
        put = (sqlite.insert if db.is_sqlite else postgresql.insert)(task_worker)
        values = {
            "id": subscription_id,
            "client_id": plain_text(client_id),
            "task_keys": json_value(list(task_keys)),
        }
        await connection.execute(
            put.values(**values, **seen).on_conflict_do_update(index_elements=["id"], set_=seen)
        )
        await connection.execute(delete(task_worker).where(task_worker.c.last_seen <= db.from_now(-LEASE_S)))
        ours = table.claimed_by == subscription_id
        waits = select(task_run.c.id).where(
            task_run.c.id == table.task_run_id, task_run.c.state_type == "SCHEDULED"
        )
        await connection.execute(delete(background_run).where(ours, ~waits.exists()))
        await connection.execute(
            update(background_run).where(ours).values(claimed_until=db.from_now(LEASE_S))
        )


async def leave(db: Database, subscription_id: UUID) -> None:
    """Remove a worker that has disconnected from the list."""
    async with db.write() as connection:
        await connection.execute(delete(task_worker).where(task_worker.c.id == subscription_id))


async def workers(db: Database, task_keys: Sequence[str] | None = None) -> list[TaskWorkerRow]:
    """The workers that are connected to any server process; with `task_keys` those that serve one of
    these.
    """
    columns = task_worker.c
    statement = select(columns.client_id, columns.task_keys, columns.last_seen)
    statement = statement.where(columns.last_seen > db.from_now(-LEASE_S)).order_by(columns.client_id)
    async with db.read() as connection:
        rows = [TaskWorkerRow(**row) for row in (await connection.execute(statement)).mappings()]
    return [row for row in rows if not task_keys or set(task_keys) & set(row.task_keys)]
