"""SQLite connections for SQLAlchemy's pool that go to their thread once a statement.

The pool's own driver goes there four times a statement (for a cursor, the statement, its rows, the end), and
for BEGIN and ROLLBACK besides; at the size of our statements that was most of their time. Here BEGIN travels
with the first statement, rows come back with it, and the end of a transaction that only read is not waited
for.
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
"""A write transaction takes the lock at once: upgrading a read later fails when another wrote in between."""

_FOLD_AFTER_S = (
    0.0,
    0.02,
)  # with luck of the draw, so that those who were as quick as each other are not again

_Answer = tuple[Any, list[Any], int, int | None]  # description, rows, row count, last row id


def connector(path: Path) -> Callable[[], Awaitable[SqliteConnection]]:
    """What makes connections to a file, as `create_async_engine(async_creator=...)` takes it."""

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
    """Leave nothing beside the file where nobody else has it open: what is in its `-wal` goes into the file.

    SQLite does so when the last connection is closed; but when two processes close theirs at one moment, each
    takes the other for one that stays, and both leave the rest behind.

    No thread takes part: an interpreter that exits starts none any more.
    """
    wal = path.with_name(f"{path.name}-wal")
    for pause_s in _FOLD_AFTER_S:
        if not wal.exists():
            return
        await asyncio.sleep(pause_s * random.random())
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # opens the file, too


class SqliteConnection:
    """A connection as SQLAlchemy's adapter of asynchronous drivers uses one."""

    isolation_level = None
    _connection = True  # the adapter asks by this whether the connection is open

    def __init__(self, thread: SqliteThread) -> None:
        self._thread = thread
        self._begin: str | None = None  # what the next statement is to begin with
        self._open: str | None = None  # what the transaction under way began with

    def begin(self, how: str) -> None:
        """The next statement begins a transaction."""
        self._begin = how

    def cursor(self) -> SqliteCursor:
        return SqliteCursor(self)

    async def execute(self, act: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Do something in the transaction; begins it where that is due."""
        begin, self._begin = self._begin, None
        if begin is None:
            return await self._thread.run(act)

        def begin_and_act(connection: sqlite3.Connection) -> _Answer:
            connection.execute(begin)
            return act(connection)

        self._open = begin
        return await self._thread.run(begin_and_act)

    async def commit(self) -> None:
        """Make it durable. A transaction without a statement was none."""
        self._begin, opened, self._open = None, self._open, None
        if opened is not None:
            await self._thread.run(_commit)

    async def rollback(self) -> None:
        """Undo it; the end of a transaction that only read is not waited for."""
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
        """Give SQL a function of Python's."""
        await self._thread.run(lambda it: it.create_function(name, arguments, function, **options))


class SqliteCursor:
    """One statement: what it gave is here as soon as `execute` returns."""

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
