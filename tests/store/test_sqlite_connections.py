"""The connections to SQLite that the pool hands out."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.sqlite_thread import SqliteThread


async def test_a_connection_may_be_closed_twice_and_is_closed_then(tmp_path: Path) -> None:
    thread = SqliteThread(tmp_path / "some.db")
    assert await thread.run(lambda it: it.execute("SELECT 1").fetchone()) == (1,)
    await thread.close()
    await thread.close()
    thread.stop()
    with pytest.raises(sqlite3.OperationalError, match="closed"):
        await thread.run(lambda it: it.execute("SELECT 1").fetchone())


async def test_an_error_undoes_its_transaction_and_the_next_one_begins_anew(sqlite_url: str) -> None:
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


_LEAVES = """
import asyncio, sys
from heliostat.runtime.store import flows
from heliostat.runtime.store.database.database import Database

async def main():
    db = await Database.open(sys.argv[1])
    await flows.get_or_create(db, "survey-" + sys.argv[2])
    print("written", flush=True)
    sys.stdin.readline()
    await db.close()

asyncio.run(main())
"""


def _leaving(url: str, name: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LEAVES, url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"written\n"
    return process


def test_the_last_to_close_the_file_folds_the_log_into_it(sqlite_url: str, tmp_path: Path) -> None:
    """Seen: a database whose processes had all ended still had a `-wal` beside it, so that a copy of the file
    alone lacked the newest runs. Two who close at one moment each took the other for one that stays.
    """
    log = tmp_path / "heliostat.db-wal"
    killed = _leaving(sqlite_url, "killed")
    killed.kill()
    killed.communicate()
    assert log.exists()
    leaving = [_leaving(sqlite_url, str(number)) for number in range(2)]
    assert log.exists()
    for process in leaving:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.wait(60) for process in leaving] == [0, 0]
    for process in leaving:
        process.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["heliostat.db"]
