"""A bare SQLite connection on a separate thread, so that waiting for the file does not block the event
loop.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Act = Callable[[sqlite3.Connection], T]

PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteThread:
    """Runs functions with one connection, one after another. The first one opens the file.

    It does not use an executor: executors refuse work once the interpreter begins to exit, when the last
    events must be written.
    """

    def __init__(self, path: Path, pragmas: tuple[str, ...] = PRAGMAS) -> None:
        self._path = path
        self._pragmas = pragmas
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="heliostat-sqlite", daemon=True)
        self._thread.start()

    def run(self, act: Act[T]) -> asyncio.Future[T]:
        """Run `act` and give its result to the calling loop. It is executed even if the caller stops waiting.
        After `close` the result is an OperationalError.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if self._is_closing:
            answer.set_exception(sqlite3.OperationalError("connection closed"))
            return answer

        def job() -> None:
            try:
                value = act(self._connection or self._connect())
            except BaseException as error:
                settle(lambda raised=error: answer.set_exception(raised))
            else:
                settle(lambda: answer.set_result(value))

        def settle(how: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(lambda: None if answer.done() else how())

        self._jobs.put(job)
        return answer

    def post(self, act: Act[None]) -> None:
        """Run `act` in its turn without a result; its database errors are dropped."""

        def job() -> None:
            with suppress(sqlite3.Error):
                act(self._connection or self._connect())

        self._jobs.put(job)

    async def close(self) -> None:
        """Finish what is queued, close the connection and end the thread. Harmless a second time."""
        if self._is_closing:
            return
        closed = self.run(_close)
        self._is_closing = True
        self._jobs.put(None)
        await asyncio.wait([closed])

    def stop(self) -> None:
        """`close` without waiting."""
        if not self._is_closing:
            self._is_closing = True
            self.post(_close)
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _connect(self) -> sqlite3.Connection:
        # Transactions are begun by hand: the driver would begin them too late.
        connection = sqlite3.connect(
            self._path, isolation_level=None, cached_statements=256, check_same_thread=False
        )
        for pragma in self._pragmas:
            connection.execute(pragma)
        self._connection = connection
        return connection


def _close(connection: sqlite3.Connection) -> None:
    connection.close()
