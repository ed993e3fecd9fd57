"""The schema's versions: which one a connection's database has, and moving it from one to another.

alembic is imported only when there is a migration to run; other starts only compare a constant.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ...foundation.errors import NotFound, SchemaTooNew

if TYPE_CHECKING:
    from alembic.config import Config

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
    "0017",
    "0018",
)
"""All revisions, oldest first; a test compares them with the files."""

NEWEST = REVISIONS[-1]
MIGRATIONS = Path(__file__).parents[1] / "migrations"

_ADVISORY_LOCK = 0x48454C494F  # one migration at a time on a Postgres database


async def ensure(engine: AsyncEngine, *, migrate: bool = True) -> None:
    """Make sure that the database has the newest schema.

    Raises SchemaTooNew when a newer version of Heliostat made it; NotFound when it is older and `migrate` is
    false.
    """
    async with engine.connect() as connection:
        revision = await connection.run_sync(revision_of)
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
            await connection.run_sync(move, "upgrade", "head")


def revision_of(connection: Connection) -> str | None:
    """The revision that the database has; None when it is empty."""
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


def move(connection: Connection, direction: str, revision: str) -> str | None:
    """Run migrations inside the open transaction; a second process finds them done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    _refuse_unknown(revision_of(connection))
    config = _config(connection, revision)
    from alembic import command

    {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](config, revision)
    return revision_of(connection)


def mark(connection: Connection, revision: str) -> str | None:
    """Record a revision without running a migration, also in place of one that this version does not know."""
    config = _config(connection, revision)
    from alembic import command

    command.stamp(config, revision, purge=True)
    return revision_of(connection)


def _config(connection: Connection, revision: str) -> Config:
    """What alembic works with. Raises NotFound for an unknown revision."""
    if revision not in ("head", "base", *REVISIONS):
        raise NotFound(f"no schema revision {revision!r}", hint=f"one of: base, {', '.join(REVISIONS)}")

    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
