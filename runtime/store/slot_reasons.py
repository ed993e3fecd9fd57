"""The limits on tags for which calls of a run wait, and the runs whose calls hold the slots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from .concurrency_limits import TAG_PREFIX
from .database.database import Database
from .database.setup_tables import concurrency_lease, concurrency_limit
from .database.tables import flow_run


@dataclass(frozen=True, slots=True)
class FullTag:
    """A limit for which calls of a run wait. `holders` are the runs whose calls hold its slots."""

    tag: str
    text: str
    since: datetime
    holders: list[dict[str, str]]


async def full_tags(db: Database, connection: AsyncConnection, run_id: UUID) -> list[FullTag]:
    """The limits on tags for which calls of a run wait now, by tag."""
    lease, limit = concurrency_lease.c, concurrency_limit.c
    waits = select(lease.limit_id).where(lease.slots == 0, lease.until > db.now())
    found = await connection.execute(
        select(limit.name, limit.slot_limit, lease.slots, lease.taken, lease.holder)
        .join(concurrency_limit, limit.id == lease.limit_id)
        .where(lease.limit_id.in_(waits), lease.until > db.now())
        .order_by(limit.name, lease.taken, lease.id)
    )
    by_limit: dict[tuple[str, int], list[Any]] = {}
    for row in found:
        by_limit.setdefault((row.name, row.slot_limit), []).append(row)
    told: list[FullTag] = []
    for (name, slots), rows in by_limit.items():
        queue = [row for row in rows if not row.slots]
        mine = [place for place, row in enumerate(queue, 1) if _flow_run_of(row) == str(run_id)]
        if mine:
            held = Counter(_flow_run_of(row) for row in rows if row.slots)
            holders = await _runs(connection, held)
            by = ", ".join(f"{held[each['id']]} by {each['name']}" for each in holders)
            tag = name.removeprefix(TAG_PREFIX)
            what = "1 of its calls waits" if len(mine) == 1 else f"{len(mine)} of its calls wait"
            text = (
                f"{what} for a slot of tag {tag!r} (limit {slots}), the first at place {mine[0]} of the queue"
            )
            text += f"; held: {by}" if by else ""
            told.append(FullTag(tag, text, queue[mine[0] - 1].taken, holders))
    return told


def _flow_run_of(row: Any) -> str | None:
    holder: dict[str, str] = row.holder or {}
    return holder.get("flow_run_id")


async def _runs(connection: AsyncConnection, held: Counter[str | None]) -> list[dict[str, str]]:
    ids = [UUID(each) for each in held if each is not None]
    table = flow_run.c
    rows = await connection.execute(
        select(table.id, table.name, table.state_name).where(table.id.in_(ids)).order_by(table.start_time)
    )
    return [{"id": str(row.id), "name": row.name, "state_name": row.state_name} for row in rows]
