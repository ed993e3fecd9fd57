"""The SQLite connection of the hot path's commits: one thread switch for any number of statements."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TypeVar

from .sqlite_thread import Act, SqliteThread

T = TypeVar("T")


class SqliteWriter:
    """Runs functions of one connection, each in a write transaction, one after another."""

    def __init__(self, path: Path) -> None:
        self._thread = SqliteThread(path)

    async def write(self, act: Act[T]) -> T:
        """Run `act` between BEGIN IMMEDIATE and COMMIT; its error rolls back and is raised here."""
        # Once begun it is finished, even if the caller is cancelled: the outcome must be certain.
        return await asyncio.shield(self._thread.run(lambda connection: _transaction(connection, act)))

    async def close(self) -> None:
        """Finish what is queued and close the connection."""
        await self._thread.close()


def _transaction(connection: sqlite3.Connection, act: Act[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        value = act(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return value
