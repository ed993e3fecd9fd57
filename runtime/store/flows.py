"""Flows: a name that runs are filed under."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import NotFound
from ..ids import uuid7
from .database import Database
from .rows import FlowRow
from .tables import flow


async def get_or_create(db: Database, name: str, tags: Iterable[str] = ()) -> FlowRow:
    """The flow of that name; made with these tags where there is none yet."""
    async with db.write() as connection:
        return await get_or_create_within(db, connection, name, tags)


async def get_or_create_within(
    db: Database, connection: AsyncConnection, name: str, tags: Iterable[str] = ()
) -> FlowRow:
    """`get_or_create` as a part of a larger transaction."""
    by_name = select(flow).where(flow.c.name == name)
    found = (await connection.execute(by_name)).mappings().first()
    if found is None:
        insert = sqlite.insert if db.is_sqlite else postgresql.insert
        await connection.execute(
            insert(flow)
            .values(
                id=uuid7(), name=name, tags=sorted(set(tags)), labels={}, created=db.now(), updated=db.now()
            )
            .on_conflict_do_nothing(index_elements=["name"])
        )
        found = (await connection.execute(by_name)).mappings().one()
    return FlowRow(**found)


async def read(db: Database, flow_id: UUID) -> FlowRow:
    """The flow with that id. Raises NotFound."""
    async with db.read() as connection:
        found = (await connection.execute(select(flow).where(flow.c.id == flow_id))).mappings().first()
    if found is None:
        raise NotFound(f"there is no flow {flow_id}")
    return FlowRow(**found)


async def list(db: Database, limit: int = 200, offset: int = 0) -> builtins.list[FlowRow]:
    """Flows by name."""
    async with db.read() as connection:
        rows = await connection.execute(select(flow).order_by(flow.c.name).limit(limit).offset(offset))
        return [FlowRow(**row) for row in rows.mappings()]
