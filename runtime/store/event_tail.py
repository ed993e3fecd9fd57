"""Reading on in the table of events, without missing one.

A number is assigned when a row is inserted, but the row is visible when its transaction commits, so on
Postgres a row may appear after one with a higher number. Skipped numbers are read again for a while; those of
rolled back transactions and of duplicate events never appear.
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
    """Returns events that were recorded after `begin`, or after another tail's position, each once."""

    def __init__(self, db: Database, last: int = 0, gaps: Mapping[int, float] | None = None) -> None:
        self._db = db
        self._last = last
        self._gaps = dict(gaps or {})  # maps a number to when it was skipped

    @property
    def last(self) -> int:
        """The highest number that was read."""
        return self._last

    @property
    def floor(self) -> int:
        """Up to this number every event has been read; a later reader may start after it."""
        return min(self._gaps, default=self._last + 1) - 1

    @property
    def gaps(self) -> Mapping[int, float]:
        """Skipped numbers that may still appear, each with the time when it was skipped."""
        return self._gaps

    async def begin(self) -> None:
        """Start reading at the end of the table."""
        async with self._db.read() as connection:
            self._last = int(await connection.scalar(select(func.max(event.c.seq))) or 0)
            near = range(max(self._last - _AT_ONCE, 0) + 1, self._last)
            if self._db.is_sqlite or not near:
                return
            there = set(await connection.scalars(select(event.c.seq).where(event.c.seq >= near[0])))
            now = await self._now(connection)
        self._gaps = {seq: now for seq in near if seq not in there}

    async def read(self, is_wanted: Callable[[str], bool]) -> list[Event]:
        """The next events whose name is wanted; an empty list when there are none yet."""
        async with self._db.read() as connection:
            while True:
                found, read = await self.read_within(connection, is_wanted)
                if found or not read:
                    return found

    async def read_within(
        self, connection: AsyncConnection, is_wanted: Callable[[str], bool]
    ) -> tuple[list[Event], int]:
        """Read one batch; returns the wanted events and the number of all."""
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
        """The database's time: processes of several hosts share the gaps, so their own clocks do not
        serve.
        """
        return (await self._db.time_within(connection)).timestamp()

    async def _pass(self, connection: AsyncConnection, seqs: list[int], late: list[int]) -> None:
        """Note the highest number read, and the numbers that were skipped."""
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
