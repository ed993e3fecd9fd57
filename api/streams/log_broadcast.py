"""New log lines, read from the database once per process and handed to everyone who follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ...runtime.store import log_tail
from ...runtime.store.database.database import Database
from ...runtime.store.database.rows import LogRow
from ...runtime.store.filters import LogFilter
from ...runtime.store.log_tail import LogTail

_LOOK_EVERY_S = 0.3
_MOST_UNREAD = 10_000

Lines = asyncio.Queue[LogRow | None]
"""The lines that one reader has not read yet; None when it is too far behind."""


class LogBroadcast:
    """Reads new lines while anybody follows them."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._readers: dict[Lines, LogFilter] = {}
        self._somebody = asyncio.Event()
        self._tail: LogTail | None = None

    @contextmanager
    def following(self, asked: LogFilter) -> Generator[Lines]:
        """The lines that match a filter, from now on."""
        lines: Lines = asyncio.Queue()
        self._readers[lines] = asked
        self._somebody.set()
        try:
            yield lines
        finally:
            del self._readers[lines]

    async def read_on(self) -> None:
        """One round: hand on the new lines, then rest."""
        if not self._readers:
            self._tail = None
            self._somebody.clear()
            await self._somebody.wait()
        if self._tail is None:
            tail = LogTail(self._database())
            await tail.begin()
            self._tail = tail
        for row in await self._tail.read():
            for lines, asked in self._readers.items():
                if log_tail.fits(row, asked):
                    lines.put_nowait(row if lines.qsize() < _MOST_UNREAD else None)
        await asyncio.sleep(_LOOK_EVERY_S)
