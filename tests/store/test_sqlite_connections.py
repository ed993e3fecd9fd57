"""The connections to SQLite that the pool hands out."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from heliostat.runtime.store.database import Database
from heliostat.runtime.store.sqlite_thread import SqliteThread


async def test_a_connection_may_be_closed_twice_and_is_closed_then(tmp_path: Path) -> None:
    thread = SqliteThread(tmp_path / "some.db")
    assert await thread.run(lambda it: it.execute("SELECT 1").fetchone()) == (1,)
    await thread.close()
    await thread.close()
    thread.stop()
    with pytest.raises(sqlite3.OperationalError, match="closed"):
        await thread.run(lambda it: it.execute("SELECT 1").fetchone())


async def test_what_an_error_leaves_is_undone_and_the_next_transaction_begins_anew(sqlite_url: str) -> None:
    db = await Database.open(sqlite_url)
    with pytest.raises(RuntimeError, match="on purpose"):
        async with db.write() as connection:
            await connection.execute(text("INSERT INTO announcement (topic, number) VALUES ('x', 1)"))
            raise RuntimeError("on purpose")
    async with db.write() as connection:  # without a statement: nothing is begun, and nothing to commit
        pass
    async with db.read() as connection:
        found: Any = (await connection.execute(text("SELECT count(*) FROM announcement"))).scalar_one()
        assert found == 0
    await db.close()


async def test_a_read_sees_one_moment_throughout(sqlite_url: str) -> None:
    db = await Database.open(sqlite_url)
    count = text("SELECT count(*) FROM announcement")
    async with db.read() as reading:
        before = (await reading.execute(count)).scalar_one()
        async with db.write() as writing:
            await writing.execute(text("INSERT INTO announcement (topic, number) VALUES ('x', 1)"))
        assert (await reading.execute(count)).scalar_one() == before == 0
    async with db.read() as reading:
        assert (await reading.execute(count)).scalar_one() == 1
    await db.close()
