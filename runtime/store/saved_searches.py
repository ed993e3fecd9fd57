"""Searches of flow runs that people save under a name."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select, update

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.setup_tables import saved_search
from .database.wire_text import json_value, plain_text


@dataclass(frozen=True, slots=True)
class SavedSearchRow:
    """A saved search."""

    id: UUID
    name: str
    filters: builtins.list[dict[str, Any]]
    created: datetime
    updated: datetime


async def save(
    db: Database, name: str, filters: builtins.list[dict[str, Any]]
) -> tuple[SavedSearchRow, bool]:
    """Save a search, replacing the one of that name; returns it and whether it is new."""
    named = saved_search.c.name == plain_text(name)
    async with db.write() as connection:
        changed = await connection.execute(
            update(saved_search).where(named).values(filters=json_value(filters), updated=db.now())
        )
        if not changed.rowcount:
            await connection.execute(
                insert(saved_search).values(
                    id=uuid7(),
                    name=plain_text(name),
                    filters=json_value(filters),
                    created=db.now(),
                    updated=db.now(),
                )
            )
        row = (await connection.execute(select(saved_search).where(named))).mappings().one()
        return SavedSearchRow(**row), not changed.rowcount


async def read(db: Database, search_id: UUID) -> SavedSearchRow:
    """The search with that id. Raises NotFound."""
    async with db.read() as connection:
        found = await connection.execute(select(saved_search).where(saved_search.c.id == search_id))
        row = found.mappings().first()
    if row is None:
        raise _missing(search_id)
    return SavedSearchRow(**row)


async def list(db: Database, limit: int = 200, offset: int = 0) -> builtins.list[SavedSearchRow]:
    """Searches by name."""
    statement = select(saved_search).order_by(saved_search.c.name).limit(limit)
    async with db.read() as connection:
        rows = await connection.execute(statement.offset(min(offset, 2**63 - 1)))
        return [SavedSearchRow(**row) for row in rows.mappings()]


async def delete(db: Database, search_id: UUID) -> None:
    """Remove a search. Raises NotFound."""
    async with db.write() as connection:
        gone = await connection.execute(sql_delete(saved_search).where(saved_search.c.id == search_id))
        if not gone.rowcount:
            raise _missing(search_id)


def _missing(search_id: UUID) -> NotFound:
    return NotFound(f"there is no saved search {search_id}")
