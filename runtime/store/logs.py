"""Log lines of flow and task runs. They are written by `appends.commit` alone."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import select

from .database import Database
from .rows import LogRow
from .tables import log


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

    `after_id` asks for what came behind a line that is known already: the way to follow a log.
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
