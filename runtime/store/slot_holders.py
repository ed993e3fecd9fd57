"""The runs that take slots of a queue now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from .database.database import Database
from .database.rows import OCCUPYING
from .database.tables import flow_run


@dataclass(frozen=True, slots=True)
class SlotHolder:
    """A run that takes a slot, and since when it is in its state."""

    id: UUID
    name: str
    state_type: str
    state_name: str
    start_time: datetime | None
    state_timestamp: datetime | None


async def of_queue(db: Database, queue_id: UUID, *, limit: int = 200, offset: int = 0) -> list[SlotHolder]:
    """The runs that take slots of a queue, in the order in which they began."""
    run = flow_run.c
    statement = (
        select(run.id, run.name, run.state_type, run.state_name, run.start_time, run.state_timestamp)
        .where(run.work_queue_id == queue_id, run.state_type.in_(OCCUPYING))
        .order_by(run.state_timestamp, run.id)
        .limit(limit)
        .offset(offset)
    )
    async with db.read() as connection:
        return [SlotHolder(**row) for row in (await connection.execute(statement)).mappings()]


async def count_by_queue(db: Database, queue_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many runs take slots of each of these queues, without queues that have none."""
    run = flow_run.c
    statement = (
        select(run.work_queue_id, func.count())
        .where(run.work_queue_id.in_(queue_ids), run.state_type.in_(OCCUPYING))
        .group_by(run.work_queue_id)
    )
    async with db.read() as connection:
        return {row[0]: row[1] for row in await connection.execute(statement)}
