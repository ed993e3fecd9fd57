"""The bare SQLite connection that commits go through, on a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteWriter:
    """Runs functions of one connection, each in a write transaction, one after another.

    Not an executor's thread: those refuse work once the interpreter begins to exit, which is when the last
    events are to be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._serve, name="heliostat-sqlite", daemon=True)
        self._thread.start()

    async def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run `act` between BEGIN IMMEDIATE and COMMIT; what it raises rolls back and comes out here."""
        answer: Future[T] = Future()
        self._jobs.put(lambda: _answer(answer, lambda: self._transaction(act)))
        # Once begun it is carried through, whatever becomes of who waits: the outcome must not be in doubt.
        return await asyncio.shield(asyncio.wrap_future(answer))

    async def close(self) -> None:
        """Finish what is queued and close the connection."""
        closed: Future[None] = Future()
        self._jobs.put(lambda: _answer(closed, self._disconnect))
        self._jobs.put(None)
        await asyncio.wrap_future(closed)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _transaction(self, act: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = act(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return value

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=256)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        self._connection = connection
        return connection


def _answer(answer: Future[Any], act: Callable[[], Any]) -> None:
    try:
        value = act()
    except BaseException as error:
        answer.set_exception(error)
    else:
        answer.set_result(value)
