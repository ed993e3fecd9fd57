"""How appends reach the database: directly in this process, through an actor, or over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from ..records import Ack, HeldLease, RunAppend

if TYPE_CHECKING:
    from ..store.database.database import Database


class Transport(Protocol):
    """Takes what a journal sends. Both verbs are idempotent: they may be sent again after any error.

    They raise Unavailable or OSError when the other side did not answer; whether it applied the request is
    then unknown.
    """

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        """Make the appends durable together; one Ack for each, in their order."""
        ...

    async def renew(self, leases: Sequence[HeldLease]) -> set[UUID]:
        """Prolong leases; returns the runs that another owner holds by now."""
        ...


class StoreTransport:
    """The transport of a process that has the database open."""

    def __init__(self, db: Database, lease_s: float) -> None:
        self._db = db
        self._lease_s = lease_s

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        from ..store.commits.appends import commit

        return await commit(self._db, appends, self._lease_s)

    async def renew(self, leases: Sequence[HeldLease]) -> set[UUID]:
        from ..store.leases import renew

        return await renew(self._db, leases, self._lease_s)
