"""The hot path: makes the appends of journals durable, with the events of many runs in one transaction."""

from __future__ import annotations

from ...records import Ack, RunAppend
from ..database.database import Database


async def commit(db: Database, appends: list[RunAppend], lease_s: float | None) -> list[Ack]:
    """Record appends, one Ack for each, in one transaction.

    An append whose `(epoch, owner)` does not hold the run is fenced: nothing of it is written. Events that
    the database has are skipped, so sending again is harmless. The runs' leases are renewed for `lease_s`
    (None: not renewed). Raises JournalGap, DatabaseUnavailable.
    """
    if not appends:
        return []
    if db.is_sqlite:
        from .appends_sqlite import write_appends

        return await db.sqlite_write(lambda connection: write_appends(connection, appends, lease_s))
    from .appends_postgres import write_appends as write_to_postgres

    async with db.asyncpg_write() as connection:
        return await write_to_postgres(connection, appends, lease_s)
