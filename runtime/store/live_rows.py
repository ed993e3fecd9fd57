"""What pages show of things that have just changed: looked up by id, once for everyone who watches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select

from .database.database import Database
from .database.prepared import is_one_of, prepared
from .database.rows import LogRow
from .database.tables import event, flow_run, log, run_lease, task_run, work_pool, work_queue

Mark = tuple[int, int]
"""How far the journal of a run has come: the epoch, and the last event in it."""

_COLUMNS = (
    "id",
    "name",
    "flow_id",
    "deployment_id",
    "parent_task_run_id",
    "state_type",
    "state_name",
    "state_timestamp",
    "created",
    "updated",
    "expected_start_time",
    "start_time",
    "end_time",
    "total_run_time",
    "run_count",
    "auto_scheduled",
    "tags",
)


async def flow_runs(db: Database, ids: Collection[UUID]) -> list[dict[str, Any]]:
    """The rows of these flow runs as lists show them; those that are gone are left out."""
    if not ids:
        return []
    async with db.read() as connection:
        rows = await connection.execute(_flow_runs(db), {"runs": list(ids)})
        return [dict(row) for row in rows.mappings()]


async def marks(db: Database, ids: Collection[UUID]) -> dict[UUID, Mark]:
    """How far the journals of these runs have come. It changes with every commit of their tasks."""
    async with db.read() as connection:
        rows = await connection.execute(_marks(db), {"runs": list(ids)})
        return {row[0]: (row[1], row[2]) for row in rows}


async def task_counts(db: Database, run_id: UUID) -> dict[str, int]:
    """How many task runs of a flow run are in a state of each type."""
    async with db.read() as connection:
        rows = await connection.execute(_task_counts(db), {"run": run_id})
        return {row[0]: row[1] for row in rows}


async def lines_after(db: Database, run_id: UUID, after: int, limit: int) -> Sequence[LogRow]:
    """The log lines of a flow run with higher ids than `after`, in their order."""
    async with db.read() as connection:
        rows = await connection.execute(_lines(db), {"run": run_id, "after": after, "most": limit})
        return [LogRow(**row) for row in rows.mappings()]


async def first_event(db: Database) -> int | None:
    """The lowest number of an event that is kept; None when there is none."""
    async with db.read() as connection:
        return await connection.scalar(select(func.min(event.c.seq)))


@prepared
def _flow_runs(db: Database) -> Select[Any]:
    return (
        select(
            *(flow_run.c[name] for name in _COLUMNS),
            task_run.c.flow_run_id.label("parent_flow_run_id"),
            work_pool.c.name.label("work_pool_name"),
            work_queue.c.name.label("work_queue_name"),
        )
        .outerjoin(task_run, task_run.c.id == flow_run.c.parent_task_run_id)
        .outerjoin(work_pool, work_pool.c.id == flow_run.c.work_pool_id)
        .outerjoin(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
        .where(is_one_of(db, flow_run.c.id, "runs"))
    )


@prepared
def _marks(db: Database) -> Select[Any, Any, Any]:
    lease = run_lease.c
    return select(lease.run_id, lease.epoch, lease.last_seq).where(is_one_of(db, lease.run_id, "runs"))


@prepared
def _task_counts(db: Database) -> Select[Any, int]:
    return (
        select(task_run.c.state_type, func.count())
        .where(task_run.c.flow_run_id == bindparam("run", type_=task_run.c.flow_run_id.type))
        .group_by(task_run.c.state_type)
    )


@prepared
def _lines(db: Database) -> Select[Any]:
    return (
        select(log)
        .where(
            log.c.flow_run_id == bindparam("run", type_=log.c.flow_run_id.type),
            log.c.id > bindparam("after", type_=log.c.id.type),
        )
        .order_by(log.c.id)
        .limit(bindparam("most", type_=log.c.id.type))
    )
