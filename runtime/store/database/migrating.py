"""Moving a database, named by its URL, from one schema to another."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import Connection

from .database import Database, engine_for
from .schema import mark, move, revision_of
from .urls import target_of


async def upgrade(db_url: str, revision: str = "head") -> str | None:
    """Upgrade the database to `revision` (default: the newest). Returns its revision afterwards."""
    return await _on(db_url, partial(move, direction="upgrade", revision=revision))


async def downgrade(db_url: str, revision: str) -> str | None:
    """Downgrade the database to `revision` ("base": no tables). Data of newer tables is lost."""
    return await _on(db_url, partial(move, direction="downgrade", revision=revision))


async def reset(db_url: str) -> str | None:
    """Drop all of Heliostat's tables and create them empty."""

    def act(connection: Connection) -> str | None:
        move(connection, "downgrade", "base")
        return move(connection, "upgrade", "head")

    return await _on(db_url, act)


async def stamp(db_url: str, revision: str) -> str | None:
    """Record that the database has a revision, without changing its other tables."""
    return await _on(db_url, partial(mark, revision=revision))


async def current(db_url: str) -> str | None:
    """The revision that the database has; None when it is empty."""
    return await _on(db_url, revision_of, writes=False)


async def _on(db_url: str, act: Any, writes: bool = True) -> Any:
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
