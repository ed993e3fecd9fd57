"""Code packages in the database: stored once under a hash of their content, fetched once by each machine."""

from __future__ import annotations

import asyncio

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from ..foundation.errors import BadPackage, NotFound
from ..projects.code_packages import revision_of
from .database.database import Database
from .database.tables import code_package
from .deployment_rows import CodePackageRow


async def put(
    db: Database, revision: str, content: bytes, *, limit_bytes: int | None = None
) -> CodePackageRow:
    """Store a package under its revision; harmless when it exists. Raises BadPackage (its content is not a
    package, or not of that revision), PackageTooLarge.
    """
    found = await asyncio.to_thread(revision_of, content, limit_bytes=limit_bytes)
    if found != revision:
        raise BadPackage(
            f"the code package is of revision {found[:12]}, not {revision[:12]}", hint="pack the code again"
        )
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    async with db.write() as connection:
        await connection.execute(
            insert(code_package)
            .values(revision=revision, size_bytes=len(content), created=db.now(), content=content)
            .on_conflict_do_nothing(index_elements=["revision"])
        )
    return await read(db, revision)


async def exists(db: Database, revision: str) -> bool:
    """Whether the package exists, so that it need not be sent."""
    known = select(code_package.c.revision).where(code_package.c.revision == revision)
    async with db.read() as connection:
        return await connection.scalar(known) is not None


async def read(db: Database, revision: str) -> CodePackageRow:
    """The package without its bytes. Raises NotFound."""
    columns = (column for column in code_package.c if column.name != "content")
    async with db.read() as connection:
        statement = select(*columns).where(code_package.c.revision == revision)
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise _missing(revision)
    return CodePackageRow(**row)


async def get(db: Database, revision: str) -> bytes:
    """The package's bytes. Raises NotFound."""
    async with db.read() as connection:
        content = await connection.scalar(
            select(code_package.c.content).where(code_package.c.revision == revision)
        )
    if content is None:
        raise _missing(revision)
    return content


def _missing(revision: str) -> NotFound:
    return NotFound(f"there is no code package {revision[:12]}", hint="deploy the code again")
