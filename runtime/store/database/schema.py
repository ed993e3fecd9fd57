"""The schema's versions: which one a database has, and moving it from one to another.

alembic is imported only when there is something to move: comparing a constant is enough on every other start.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ...foundation.errors import NotFound, SchemaTooNew

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
)
"""All of ours, oldest first; a test holds it against the files."""

NEWEST = REVISIONS[-1]
MIGRATIONS = Path(__file__).parents[1] / "migrations"

_ADVISORY_LOCK = 0x48454C494F  # one migration at a time on a Postgres database


async def upgrade(db_url: str, revision: str = "head") -> str | None:
    """Bring the database to `revision` (the newest unless told). Gives the revision it then has."""
    return await _on(db_url, partial(_move, direction="upgrade", revision=revision))


async def downgrade(db_url: str, revision: str) -> str | None:
    """Take the database back to `revision` ("base": no tables). What only newer tables hold is lost."""
    return await _on(db_url, partial(_move, direction="downgrade", revision=revision))


async def reset(db_url: str) -> str | None:
    """Drop everything that Heliostat recorded and start anew with empty tables."""

    def act(connection: Connection) -> str | None:
        _move(connection, "downgrade", "base")
        return _move(connection, "upgrade", "head")

    return await _on(db_url, act)


async def current(db_url: str) -> str | None:
    """The revision that the database has; None when it is empty."""
    return await _on(db_url, _revision_of, writes=False)


async def ensure(engine: AsyncEngine, *, migrate: bool = True) -> None:
    """Make sure that the database has the newest schema.

    Raises SchemaTooNew when a newer version of Heliostat made it; NotFound when it is older and `migrate` is
    false.
    """
    async with engine.connect() as connection:
        revision = await connection.run_sync(_revision_of)
    if revision == NEWEST:
        return
    _refuse_unknown(revision)
    if not migrate:
        raise NotFound(
            f"the database has schema {revision or 'none'}, this version of Heliostat needs {NEWEST}",
            hint="run: heliostat server database upgrade",
        )
    async with engine.connect() as connection:
        await connection.execution_options(heliostat_writes=True)
        async with connection.begin():
            await connection.run_sync(_move, "upgrade", "head")


async def _on(db_url: str, act: Any, writes: bool = True) -> Any:
    from .database import Database, engine_for
    from .urls import target_of

    target = await asyncio.to_thread(target_of, db_url)
    engine = engine_for(target)
    database = Database(target, engine)
    try:
        async with database.failures_told(), engine.connect() as connection:
            await connection.execution_options(heliostat_writes=writes)
            async with connection.begin():
                return await connection.run_sync(act)
    finally:
        await database.close()


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_unknown(revision: str | None) -> None:
    if revision is not None and revision not in REVISIONS:
        raise SchemaTooNew(
            f"the database has schema {revision}, this version of Heliostat knows schemas up to {NEWEST}",
            hint="install the newer Heliostat that made it (pip install -U heliostat), "
            "or point HELIOSTAT_DATABASE_URL at another database",
        )


def _move(connection: Connection, direction: str, revision: str) -> str | None:
    """Run migrations inside the transaction that is open; whoever comes second finds them done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    _refuse_unknown(_revision_of(connection))
    if revision not in ("head", "base", *REVISIONS):
        raise NotFound(f"no schema revision {revision!r}", hint=f"one of: base, {', '.join(REVISIONS)}")

    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](config, revision)
    return _revision_of(connection)
