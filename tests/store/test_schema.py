"""Migrations: the tables that they make are those that the code uses, and they go both ways."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from heliostat.runtime.foundation.errors import BadSetting, NotFound, SchemaTooNew
from heliostat.runtime.store.database import migrating, schema
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.setup_tables import metadata

# SQLite cannot be asked for indexes on expressions, so they are not compared there; on Postgres they are.
pytestmark = pytest.mark.filterwarnings(
    "ignore:autogenerate skipping metadata-specified expression-based index:UserWarning",
    "ignore:Skipped unsupported reflection of expression-based index:sqlalchemy.exc.SAWarning",
)


def _differences(connection: Connection) -> Any:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, metadata)


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_migrations_make_the_tables_that_the_code_knows(db: Database) -> None:
    async with db.read() as connection:
        assert await connection.run_sync(_differences) == []


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(schema.REVISIONS)


async def test_a_database_goes_down_to_nothing_and_up_again(database_url: str) -> None:
    assert await migrating.current(database_url) == schema.NEWEST
    assert await migrating.downgrade(database_url, "base") is None
    assert await migrating.current(database_url) is None
    assert await migrating.upgrade(database_url) == schema.NEWEST
    db = await Database.open(database_url)
    async with db.read() as connection:
        assert await connection.run_sync(_tables) >= set(metadata.tables)
        assert await connection.run_sync(_differences) == []
    await db.close()


async def test_a_reset_database_is_empty(database_url: str, given: Any) -> None:
    db = await Database.open(database_url)
    await given.run(db)
    await db.close()
    await migrating.reset(database_url)
    db = await Database.open(database_url)
    async with db.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM flow_run")) == 0
    await db.close()


async def test_an_empty_database_is_migrated_on_first_use_once_by_many(database_url: str) -> None:
    await migrating.downgrade(database_url, "base")
    opened = await asyncio.gather(*(Database.open(database_url) for _ in range(3)))
    for db in opened:
        async with db.read() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        await db.close()


async def test_a_newer_schema_is_refused_and_left_alone(db: Database, database_url: str) -> None:
    async with db.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (
        Database.open(database_url),
        migrating.upgrade(database_url),
        migrating.reset(database_url),
    ):
        with pytest.raises(SchemaTooNew, match=f"schema 9999.*up to {schema.NEWEST}") as refused:
            await attempt
        assert refused.value.hint is not None and "newer Heliostat" in refused.value.hint
    assert await migrating.current(database_url) == "9999"


async def test_an_unknown_revision_is_refused(database_url: str) -> None:
    with pytest.raises(NotFound, match="no schema revision '0000'"):
        await migrating.downgrade(database_url, "0000")


async def test_a_sqlite_file_is_made_on_first_use_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "runs.db"
    db = await Database.open(f"sqlite:///{path}")
    async with db.read() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA synchronous")) == 2
    await db.close()
    assert path.exists()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "not a url", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_that_cannot_be_used_is_refused_with_examples(url: str) -> None:
    with pytest.raises(BadSetting) as refused:
        await Database.open(url)
    assert refused.value.hint is not None and "sqlite" in refused.value.hint
