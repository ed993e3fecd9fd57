"""SQLite connections for SQLAlchemy's pool that switch to their thread once for each statement.

The pool's own driver switches four times for each statement (cursor, statement, rows, end), and also for
BEGIN and ROLLBACK, which took most of the time of our small statements. Here BEGIN is sent with the first
statement, rows return with it, and the end of a transaction that only read is not waited for.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from .sqlite_thread import PRAGMAS, SqliteThread

BEGIN_READ, BEGIN_WRITE = "BEGIN", "BEGIN IMMEDIATE"
"""A write transaction takes the lock at once: upgrading a read lock fails when another process wrote
meanwhile.
"""

_FOLD_AFTER_S = (
    0.0,
    0.02,
)  # with jitter, so that processes that collided do not collide again

_Answer = tuple[Any, list[Any], int, int | None]  # description, rows, row count, last row id


def connector(path: Path) -> Callable[[], Awaitable[SqliteConnection]]:
    """The function that opens connections to a file, for `create_async_engine(async_creator=...)`."""

    async def connect() -> SqliteConnection:
        thread = SqliteThread(path, ("PRAGMA journal_mode = WAL", *PRAGMAS))
        try:
            await thread.run(lambda connection: None)
        except BaseException:
            thread.stop()
            raise
        return SqliteConnection(thread)

    return connect


async def fold(path: Path) -> None:
    """Move the content of the `-wal` file into the database file, unless another process has it open.

    SQLite does so when the last connection is closed; but two processes that close at one moment each take
    the other for an open one, and neither does it.

    It uses no thread: an exiting interpreter cannot start one.
    """
    wal = path.with_name(f"{path.name}-wal")
    for pause_s in _FOLD_AFTER_S:
        if not wal.exists():
            return
        await asyncio.sleep(pause_s * random.random())
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # opens the file


class SqliteConnection:
    """A connection with the interface that SQLAlchemy's adapter of asynchronous drivers needs."""

    isolation_level = None
    _connection = True  # tells the adapter that the connection is open

    def __init__(self, thread: SqliteThread) -> None:
        self._thread = thread
        self._begin: str | None = None  # the BEGIN to send before the next statement
        self._open: str | None = None  # the BEGIN of the open transaction

    def begin(self, how: str) -> None:
        """Let the next statement begin a transaction."""
        self._begin = how

    def cursor(self) -> SqliteCursor:
        return SqliteCursor(self)

    async def execute(self, act: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Call `act` in the transaction, after beginning it if necessary."""
        begin, self._begin = self._begin, None
        if begin is None:
            return await self._thread.run(act)

        def begin_and_act(connection: sqlite3.Connection) -> _Answer:
            connection.execute(begin)
            return act(connection)

        self._open = begin
        return await self._thread.run(begin_and_act)

    async def commit(self) -> None:
        """Commit the transaction, if a statement has begun it."""
        self._begin, opened, self._open = None, self._open, None
        if opened is not None:
            await self._thread.run(_commit)

    async def rollback(self) -> None:
        """Roll the transaction back; does not wait for one that only read."""
        self._begin, opened, self._open = None, self._open, None
        if opened == BEGIN_READ:
            self._thread.post(_rollback)
        elif opened is not None:
            await self._thread.run(_rollback)

    async def close(self) -> None:
        await self._thread.close()

    def stop(self) -> None:
        self._thread.stop()

    async def create_function(self, name: str, arguments: int, function: Any, **options: Any) -> None:
        """Define an SQL function in Python."""
        await self._thread.run(lambda it: it.create_function(name, arguments, function, **options))


class SqliteCursor:
    """One statement, whose rows are here as soon as `execute` returns."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[Any] = []

    async def __aenter__(self) -> SqliteCursor:
        return self

    def __await__(self) -> Generator[None, None, SqliteCursor]:  # SQLAlchemy 2.0 awaits a new cursor
        return self
        yield

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> SqliteCursor:
        def act(connection: sqlite3.Connection) -> _Answer:
            cursor = connection.execute(operation, parameters)
            rows = cursor.fetchall() if cursor.description else []
            return cursor.description, rows, cursor.rowcount, cursor.lastrowid

        return self._take(await self._connection.execute(act))

    async def executemany(self, operation: str, seq_of_parameters: Sequence[Any]) -> SqliteCursor:
        def act(connection: sqlite3.Connection) -> _Answer:
            cursor = connection.executemany(operation, seq_of_parameters)
            return None, [], cursor.rowcount, cursor.lastrowid

        return self._take(await self._connection.execute(act))

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        return None

    def _take(self, answer: _Answer) -> SqliteCursor:
        self.description, self._rows, self.rowcount, self.lastrowid = answer
        return self


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
