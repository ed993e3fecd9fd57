"""How the database is: how fast it answers, how much room it takes, which version of the tables it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text

from ..foundation import clock
from .database.database import Database
from .database.schema import revision_of


@dataclass(frozen=True, slots=True)
class Condition:
    """`answers_in_s` is the time of the smallest question; `size_bytes` is None where it is not told."""

    kind: str
    url: str
    version: str
    schema_version: str
    answers_in_s: float
    size_bytes: int | None


async def read(db: Database) -> Condition:
    """The condition of an open database. Raises DatabaseUnavailable."""
    began = clock.monotonic_s()
    await db.ping()
    answers_in_s = clock.monotonic_s() - began
    async with db.read() as connection:
        schema_version = await connection.run_sync(revision_of)
        if db.is_sqlite:
            version = await connection.scalar(select(func.sqlite_version()))
            size = _size_of(Path(db.target.path))
        else:
            version = await connection.scalar(text("SHOW server_version"))
            size = await connection.scalar(select(func.pg_database_size(func.current_database())))
    kind = "SQLite" if db.is_sqlite else "Postgres"
    return Condition(kind, db.url, str(version), str(schema_version), answers_in_s, size)


def _size_of(path: Path) -> int | None:
    """Bytes of the file and of what SQLite keeps beside it."""
    found = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    sizes = [each.stat().st_size for each in found if each.is_file()]
    return sum(sizes) if sizes else None
