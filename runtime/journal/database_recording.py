"""Recording to a database that this process opens itself."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..records import Owner
from .journal import Journal, JournalLimits
from .thread_recording import ThreadRecording, open_recording
from .transport import StoreTransport

if TYPE_CHECKING:
    from ..store.database.database import Database
    from ..store.database.rows import Adopted

LEASE_S = 15.0


class DatabaseStore:
    """The store verbs of an open database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def ask(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        return verb(self._db, *args, **kwargs)

    def adopt(
        self, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None
    ) -> Coroutine[Any, Any, Adopted]:
        from ..store import flow_runs

        return flow_runs.adopt(self._db, run_id, owner, lease_s, dead_epoch)

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> Coroutine[Any, Any, bool]:
        from ..store import leases

        return leases.release(self._db, run_id, epoch, owner_id)

    def hurry(self) -> None:
        """Nothing to do: verbs of an open database wait for no server."""

    async def close(self) -> None:
        await self._db.close()


def record_to_database(
    database_url: str, lease_s: float = LEASE_S, limits: JournalLimits | None = None
) -> ThreadRecording:
    """Open the database, creating and migrating it on first use, and start its journal.

    Raises BadSetting, DatabaseUnavailable, SchemaTooNew.
    """
    from ..store.database.database import Database

    async def start() -> tuple[DatabaseStore, Journal, float]:
        db = await Database.open(database_url)
        return DatabaseStore(db), Journal(StoreTransport(db, lease_s), lease_s, limits), lease_s

    return open_recording(database_url, start())
