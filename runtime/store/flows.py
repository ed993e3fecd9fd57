"""Flows: a name that runs are filed under."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.rows import FlowRow
from .database.tables import flow
from .database.wire_text import json_value, plain_text
from .lifecycle_events import Action, tell_within


async def get_or_create(db: Database, name: str, tags: Iterable[str] = ()) -> FlowRow:
    """The flow of that name, created with these tags if necessary."""
    async with db.write() as connection:
        return await get_or_create_within(db, connection, name, tags)


async def get_or_create_within(
    db: Database, connection: AsyncConnection, name: str, tags: Iterable[str] = ()
) -> FlowRow:
    """`get_or_create` within a larger transaction."""
    by_name = select(flow).where(flow.c.name == name)
    found = (await connection.execute(by_name)).mappings().first()
    if found is None:
        insert = sqlite.insert if db.is_sqlite else postgresql.insert
        await connection.execute(
            insert(flow)
            .values(id=uuid7(), name=name, tags=_kept(tags), labels={}, created=db.now(), updated=db.now())
            .on_conflict_do_nothing(index_elements=["name"])
        )
        found = (await connection.execute(by_name)).mappings().one()
        await tell_change_within(connection, "created", FlowRow(**found))
    return FlowRow(**found)


async def create(
    db: Database, name: str, tags: Iterable[str] = (), labels: Mapping[str, Any] | None = None
) -> tuple[FlowRow, bool]:
    """The flow of that name, created with these tags and labels if necessary, and whether it was created."""
    flow_id = uuid7()
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    async with db.write() as connection:
        made = await connection.execute(
            insert(flow)
            .values(
                id=flow_id,
                name=plain_text(name),
                tags=json_value(_kept(tags)),
                labels=json_value(dict(labels or {})),
                created=db.now(),
                updated=db.now(),
            )
            .on_conflict_do_nothing(index_elements=["name"])
        )
        by_name = select(flow).where(flow.c.name == plain_text(name))
        found = FlowRow(**(await connection.execute(by_name)).mappings().one())
        if made.rowcount:
            await tell_change_within(connection, "created", found)
    return found, bool(made.rowcount)


async def labels_of(db: Database, flow_id: UUID) -> Mapping[str, Any]:
    """The labels of a flow; none for an unknown flow. They never change, so each process reads them once."""
    known = _labels.get(flow_id)
    if known is None:
        async with db.read() as connection:
            known = await connection.scalar(select(flow.c.labels).where(flow.c.id == flow_id))
        if known is None:
            return {}
        if len(_labels) >= _MOST_LABELS_KNOWN:
            _labels.clear()
        _labels[flow_id] = known
    return known


_labels: dict[UUID, Mapping[str, Any]] = {}
_MOST_LABELS_KNOWN = 10_000


async def read_by_name(db: Database, name: str) -> FlowRow:
    """The flow of that name. Raises NotFound."""
    async with db.read() as connection:
        by_name = select(flow).where(flow.c.name == plain_text(name))
        found = (await connection.execute(by_name)).mappings().first()
    if found is None:
        raise NotFound(f"there is no flow {name!r}", hint="heliostat flow ls shows the flows there are")
    return FlowRow(**found)


async def change_tags(db: Database, flow_id: UUID, tags: Iterable[str]) -> None:
    """Give a flow other tags. Raises NotFound."""
    async with db.write() as connection:
        values = {"tags": json_value(_kept(tags)), "updated": db.now()}
        changed = await connection.execute(
            update(flow).where(flow.c.id == flow_id).values(**values).returning(flow)
        )
        row = changed.mappings().first()
        if row is None:
            raise NotFound(f"there is no flow {flow_id}")
        await tell_change_within(connection, "updated", FlowRow(**row))


async def tell_change_within(connection: AsyncConnection, action: Action, row: FlowRow) -> None:
    """Record the event that a flow was created, changed or removed."""
    facts = {"name": row.name, "tags": row.tags, "labels": row.labels}
    await tell_within(connection, "flow", action, row.id, row.name, facts)


def _kept(tags: Iterable[str]) -> builtins.list[str]:
    """Tags to store: each once, in the given order."""
    return builtins.list(dict.fromkeys(tags))


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
