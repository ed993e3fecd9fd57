"""Telling those who wait for slots of a limit that some may be free.

Whoever frees slots or changes a limit does. Who waits has a lease of no slots on it (see `task_slots`).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.announcements import SLOTS, announce
from .database.database import Database
from .database.setup_tables import concurrency_lease


async def came_free(
    db: Database, connection: AsyncConnection, limit_ids: Collection[UUID], but: Collection[UUID] = ()
) -> None:
    """Slots of these limits may be free when the transaction commits. Costs one look where nobody waits."""
    lease = concurrency_lease.c
    waits = select(lease.id).where(
        lease.limit_id.in_(limit_ids), lease.slots == 0, lease.until > db.now(), lease.id.not_in(but)
    )
    if await connection.scalar(waits.limit(1)) is not None:
        await announce(connection, SLOTS)
