"""Announces that slots of a limit may be free. Every verb that frees slots or changes a limit does so. A
waiting call has a lease of no slots on the limit (see `task_slots`).
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
    """Announce that slots of these limits may be free when the transaction commits. Costs one query when no
    call waits.
    """
    lease = concurrency_lease.c
    waits = select(lease.id).where(
        lease.limit_id.in_(limit_ids), lease.slots == 0, lease.until > db.now(), lease.id.not_in(but)
    )
    if await connection.scalar(waits.limit(1)) is not None:
        await announce(connection, SLOTS)
