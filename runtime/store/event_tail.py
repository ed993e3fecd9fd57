"""Reading on in the table of events, without missing one.

Numbers are given when a row is inserted but rows are seen when their transaction commits, so on Postgres a
number may turn up after a higher one. Numbers that were passed over are looked at again for a while; those of
transactions that came to nothing, and of events that were there already, never come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import Event
from .database.database import Database
from .database.tables import event
from .event_search import event_of

_AT_ONCE = 1_000
_LOOK_AGAIN_FOR_S = 30.0
_MOST_GAPS = 5_000


class EventTail:
    """Gives events that were recorded after `begin`, each once; or after where another one had come to."""

    def __init__(self, db: Database, last: int = 0, gaps: Mapping[int, float] | None = None) -> None:
        self._db = db
        self._last = last
        self._gaps = dict(gaps or {})  # number to when it was passed over

    @property
    def last(self) -> int:
        """The highest number that was read."""
        return self._last

    @property
    def gaps(self) -> Mapping[int, float]:
        """Numbers that were passed over and may still come, each with when that was."""
        return self._gaps

    async def begin(self) -> None:
        """Take the end of the table as the place from which to read."""
        async with self._db.read() as connection:
            self._last = int(await connection.scalar(select(func.max(event.c.seq))) or 0)
            near = range(max(self._last - _AT_ONCE, 0) + 1, self._last)
            if self._db.is_sqlite or not near:
                return
            there = set(await connection.scalars(select(event.c.seq).where(event.c.seq >= near[0])))
            now = await self._now(connection)
        self._gaps = {seq: now for seq in near if seq not in there}

    async def read(self, is_wanted: Callable[[str], bool]) -> list[Event]:
        """The next events whose name is wanted. An empty list: there is nothing more for now."""
        async with self._db.read() as connection:
            while True:
                found, read = await self.read_within(connection, is_wanted)
                if found or not read:
                    return found

    async def read_within(
        self, connection: AsyncConnection, is_wanted: Callable[[str], bool]
    ) -> tuple[list[Event], int]:
        """Read on by one batch; gives the events that are wanted and how many there were at all."""
        columns = event.c
        new = select(columns.seq, columns.event).where(columns.seq > self._last)
        rows = (await connection.execute(new.order_by(columns.seq).limit(_AT_ONCE))).all()
        late = await self._late(connection)
        chosen = [row[0] for row in (*late, *rows) if is_wanted(row[1])]
        found: list[Event] = []
        if chosen:
            full = select(event).where(columns.seq.in_(chosen)).order_by(columns.seq)
            found = [event_of(row) for row in (await connection.execute(full)).mappings()]
        await self._pass(connection, [row[0] for row in rows], [row[0] for row in late])
        return found, len(rows) + len(late)

    async def _late(self, connection: AsyncConnection) -> list[tuple[int, str]]:
        if not self._gaps:
            return []
        since = await self._now(connection) - _LOOK_AGAIN_FOR_S
        self._gaps = {seq: at for seq, at in self._gaps.items() if at > since}
        asked = select(event.c.seq, event.c.event).where(event.c.seq.in_(list(self._gaps)))
        rows = await connection.execute(asked.order_by(event.c.seq))
        return [(row[0], row[1]) for row in rows]

    async def _now(self, connection: AsyncConnection) -> float:
        """Processes of several hosts go on with each other's gaps: they are dated by the database's clock."""
        return (await self._db.time_within(connection)).timestamp()

    async def _pass(self, connection: AsyncConnection, seqs: list[int], late: list[int]) -> None:
        """Remember how far it has been read, and what was passed over."""
        if seqs and not self._db.is_sqlite:
            first = max(self._last + 1, seqs[-1] - _MOST_GAPS)
            missing = set(range(first, seqs[-1])) - set(seqs)
            if missing:
                self._gaps.update(dict.fromkeys(missing, await self._now(connection)))
        for seq in late:
            del self._gaps[seq]
        while len(self._gaps) > _MOST_GAPS:
            del self._gaps[next(iter(self._gaps))]
        if seqs:
            self._last = seqs[-1]
