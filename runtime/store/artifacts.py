"""Artifacts, which runs show to people. Each is a version of its key; a collection has the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, func, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.setup_tables import artifact, artifact_collection
from .database.wire_text import data_value, json_value, plain_text
from .filters import Search
from .lifecycle_events import Action, tell_within
from .setup_filters import ArtifactCollectionFilter, ArtifactFilter, SetupConditions

ArtifactSort = Literal["CREATED_DESC", "UPDATED_DESC", "ID_DESC", "KEY_DESC", "KEY_ASC"]


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """An artifact to be kept."""

    key: str | None = None
    type: str | None = None
    description: str | None = None
    data: Any = None
    metadata_: Mapping[str, str] | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """An artifact in its present form."""

    id: UUID
    key: str | None
    type: str | None
    description: str | None
    data: Any
    metadata_: dict[str, str] | None
    flow_run_id: UUID | None
    task_run_id: UUID | None
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A key with its newest artifact."""

    id: UUID
    created: datetime
    updated: datetime
    latest: ArtifactRow


async def create(db: Database, new: NewArtifact) -> ArtifactRow:
    """Store an artifact as the newest of its key."""
    artifact_id = uuid7()
    key = None if new.key is None else plain_text(new.key)
    async with db.write() as connection:
        await connection.execute(
            insert(artifact).values(
                id=artifact_id,
                key=key,
                type=json_value(new.type),
                description=json_value(new.description),
                data=data_value(new.data, "data"),
                metadata_=json_value(new.metadata_),
                flow_run_id=new.flow_run_id,
                task_run_id=new.task_run_id,
                created=db.now(),
                updated=db.now(),
            )
        )
        if key is not None:
            own_id = uuid7()
            newest = (sqlite.insert if db.is_sqlite else postgresql.insert)(artifact_collection).values(
                id=own_id, key=key, latest_id=artifact_id, created=db.now(), updated=db.now()
            )
            collection_id = await connection.scalar(
                newest.on_conflict_do_update(
                    index_elements=["key"],
                    set_={"latest_id": newest.excluded.latest_id, "updated": newest.excluded.updated},
                ).returning(artifact_collection.c.id)
            )
            assert collection_id is not None
            action: Action = "created" if collection_id == own_id else "updated"
            await _tell(connection, action, collection_id, key, artifact_id)
        row = await connection.execute(select(artifact).where(artifact.c.id == artifact_id))
        return ArtifactRow(**row.mappings().one())


async def read(db: Database, artifact_id: UUID) -> ArtifactRow:
    """The artifact with that id. Raises NotFound."""
    async with db.read() as connection:
        row = (
            (await connection.execute(select(artifact).where(artifact.c.id == artifact_id)))
            .mappings()
            .first()
        )
    if row is None:
        raise _missing(artifact_id)
    return ArtifactRow(**row)


async def latest(db: Database, key: str) -> ArtifactRow:
    """The newest artifact of a key. Raises NotFound."""
    statement = (
        select(artifact)
        .join(artifact_collection, artifact_collection.c.latest_id == artifact.c.id)
        .where(artifact_collection.c.key == plain_text(key))
    )
    async with db.read() as connection:
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise _missing(key)
    return ArtifactRow(**row)


async def find(
    db: Database,
    asked: ArtifactFilter | None = None,
    search: Search | None = None,
    *,
    sort: ArtifactSort = "ID_DESC",
    limit: int = 200,
    offset: int = 0,
) -> list[ArtifactRow]:
    """The artifacts that match, of runs that match."""
    statement = (
        select(artifact)
        .where(*SetupConditions(db.is_sqlite).of_artifacts(asked, search or Search()))
        .order_by(*_order(artifact, artifact.c.id, sort))
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        return [ArtifactRow(**row) for row in (await connection.execute(statement)).mappings()]


async def find_latest(
    db: Database,
    asked: ArtifactCollectionFilter | None = None,
    search: Search | None = None,
    *,
    sort: ArtifactSort = "ID_DESC",
    limit: int = 200,
    offset: int = 0,
) -> list[CollectionRow]:
    """The newest artifact of each key, among those that match."""
    collection = artifact_collection.c
    shown: list[ColumnElement[Any]] = [
        *artifact.c,
        collection.id.label("collection__id"),
        collection.created.label("collection__created"),
        collection.updated.label("collection__updated"),
    ]
    statement = (
        select(*shown)
        .join_from(artifact_collection, artifact, collection.latest_id == artifact.c.id)
        .where(*SetupConditions(db.is_sqlite).of_artifacts(asked, search or Search()))
        .order_by(*_order(artifact_collection, collection.latest_id, sort))
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        found: list[CollectionRow] = []
        for row in (await connection.execute(statement)).mappings():
            facts = {str(name): value for name, value in row.items()}
            own = {name: facts.pop(f"collection__{name}") for name in ("id", "created", "updated")}
            found.append(CollectionRow(**own, latest=ArtifactRow(**facts)))
        return found


async def count(db: Database, asked: ArtifactFilter | None = None, search: Search | None = None) -> int:
    """How many artifacts fit."""
    conditions = SetupConditions(db.is_sqlite).of_artifacts(asked, search or Search())
    async with db.read() as connection:
        statement = select(func.count()).select_from(artifact).where(*conditions)
        return int(await connection.scalar(statement) or 0)


async def count_latest(
    db: Database, asked: ArtifactCollectionFilter | None = None, search: Search | None = None
) -> int:
    """How many keys have a newest artifact that fits."""
    conditions = SetupConditions(db.is_sqlite).of_artifacts(asked, search or Search())
    both = artifact_collection.join(artifact, artifact_collection.c.latest_id == artifact.c.id)
    async with db.read() as connection:
        statement = select(func.count()).select_from(both).where(*conditions)
        return int(await connection.scalar(statement) or 0)


async def change(db: Database, artifact_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set any of data, description, metadata_. Raises NotFound."""
    values = {
        name: data_value(value, name) if name == "data" else json_value(value)
        for name, value in changes.items()
    }
    statement = update(artifact).where(artifact.c.id == artifact_id).values(**values, updated=db.now())
    async with db.write() as connection:
        if not (await connection.execute(statement)).rowcount:
            raise _missing(artifact_id)


async def delete(db: Database, artifact_id: UUID) -> None:
    """Remove an artifact; the one before it becomes the newest of its key. Raises NotFound."""
    async with db.write() as connection:
        gone = await connection.execute(
            sql_delete(artifact).where(artifact.c.id == artifact_id).returning(artifact.c.key)
        )
        row = gone.first()
        if row is None:
            raise _missing(artifact_id)
        before = await connection.scalar(
            select(artifact.c.id).where(artifact.c.key == row.key).order_by(artifact.c.id.desc()).limit(1)
        )
        was_newest = artifact_collection.c.latest_id == artifact_id
        if before is None:
            gone = await connection.execute(
                sql_delete(artifact_collection).where(was_newest).returning(artifact_collection.c.id)
            )
            for (collection_id,) in gone:
                await _tell(connection, "deleted", collection_id, row.key, artifact_id)
        else:
            await connection.execute(
                update(artifact_collection).where(was_newest).values(latest_id=before, updated=db.now())
            )


async def _tell(
    connection: AsyncConnection, action: Action, collection_id: UUID, key: str, latest_id: UUID
) -> None:
    facts = {"key": key, "latest_id": str(latest_id)}
    related = {"latest": f"prefect.artifact.{latest_id}"}
    await tell_within(connection, "artifact-collection", action, collection_id, key, facts, related=related)


def _order(table: FromClause, newest: ColumnElement[Any], sort: ArtifactSort) -> list[ColumnElement[Any]]:
    orders: dict[str, ColumnElement[Any]] = {
        "CREATED_DESC": table.c.created.desc(),
        "UPDATED_DESC": table.c.updated.desc(),
        "ID_DESC": newest.desc(),
        "KEY_DESC": table.c.key.desc(),
        "KEY_ASC": table.c.key.asc(),
    }
    return [orders[sort], newest.desc()]


def _missing(reference: object) -> NotFound:
    return NotFound(f"there is no artifact {str(reference)!r}")
