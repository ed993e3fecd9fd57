"""Log lines of flow and task runs. `appends.commit` writes those of runs with a journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from sqlalchemy import insert, select

from ..records import LogLine
from .database.database import Database
from .database.rows import NO_FLOW_RUN, LogRow
from .database.tables import log
from .database.wire_text import plain_text


async def read(
    db: Database,
    *,
    flow_run_id: UUID | None = None,
    task_run_id: UUID | None = None,
    level_min: int = 0,
    limit: int = 200,
    offset: int = 0,
    order: Literal["asc", "desc"] = "asc",
    after_id: int | None = None,
) -> list[LogRow]:
    """Log lines of a flow run (its task runs' included) or of one task run, in the order of writing.

    `after_id` returns only lines after a known one, to follow a log.
    """
    statement = select(log).where(log.c.level >= level_min)
    if flow_run_id is not None:
        statement = statement.where(log.c.flow_run_id == flow_run_id)
    if task_run_id is not None:
        statement = statement.where(log.c.task_run_id == task_run_id)
    if after_id is not None:
        statement = statement.where(log.c.id > after_id)
    statement = statement.order_by(log.c.id if order == "asc" else log.c.id.desc())
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(offset))
        return [LogRow(**row) for row in rows.mappings()]


async def create(db: Database, lines: Iterable[tuple[UUID | None, LogLine]]) -> None:
    """Record lines of remote clients, each with its flow run, without a lease. The run need not exist: lines
    may arrive before or after it.
    """
    rows = [
        {
            "flow_run_id": flow_run_id or NO_FLOW_RUN,
            "task_run_id": line.task_run_id,
            "timestamp": line.at,
            "level": line.level,
            "name": plain_text(line.logger),
            "message": plain_text(line.message),
        }
        for flow_run_id, line in lines
    ]
    if rows:
        async with db.write() as connection:
            await connection.execute(insert(log), rows)
