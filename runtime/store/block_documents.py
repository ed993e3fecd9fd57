"""Block documents: data of a block type, encrypted at rest. Documents may refer to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.encryption import decrypted, encrypted
from ..foundation.errors import BadBlock, Duplicate, NotFound
from ..foundation.ids import uuid7
from ..values import block_schemas
from .block_types import BlockSchemaRow, schema_row
from .database.database import Database
from .database.setup_tables import block_document, block_schema, block_type
from .database.wire_text import data_value, plain_text
from .lifecycle_events import Action, tell_within
from .setup_filters import BlockDocumentFilter, BlockSchemaFilter, BlockTypeFilter, SetupConditions

BlockDocumentSort = Literal["NAME_DESC", "NAME_ASC", "BLOCK_TYPE_AND_NAME_ASC"]

_DEEPEST = 16  # levels of references; a document that refers to itself is cut there


@dataclass(frozen=True, slots=True)
class BlockDocumentRow:
    """A document: `data` includes the data of referred documents; `references` are by its keys."""

    id: UUID
    name: str
    data: dict[str, Any]
    is_anonymous: bool
    created: datetime
    updated: datetime
    schema: BlockSchemaRow
    references: dict[str, BlockDocumentRow] = field(default_factory=dict[str, "BlockDocumentRow"])


async def create(
    db: Database,
    schema_id: UUID,
    type_id: UUID,
    name: str | None,
    data: Mapping[str, Any],
    is_anonymous: bool,
) -> BlockDocumentRow:
    """Store a document; an anonymous one without a name gets a generated name.

    Raises BadBlock (no such schema of that type, a reference to nothing), Duplicate.
    """
    document_id = uuid7()
    name = f"anonymous-{document_id}" if name is None else name
    try:
        async with db.write() as connection:
            await _check(connection, schema_id, type_id, data)
            await connection.execute(
                insert(block_document).values(
                    id=document_id,
                    block_type_id=type_id,
                    block_schema_id=schema_id,
                    name=plain_text(name),
                    is_anonymous=is_anonymous,
                    data=encrypted(data_value(dict(data), "data")),
                    created=db.now(),
                    updated=db.now(),
                )
            )
            await _tell(connection, "created", document_id)
    except IntegrityError as error:
        raise Duplicate(f"there is a block document {name!r} of this type already") from error
    return await read(db, document_id)


async def read(db: Database, document_id: UUID, *, secrets: bool = False) -> BlockDocumentRow:
    """The document with that id; secrets are masked unless `secrets` is True. Raises NotFound."""
    return await _one(db, block_document.c.id == document_id, document_id, secrets)


async def read_by_name(db: Database, type_slug: str, name: str, *, secrets: bool = False) -> BlockDocumentRow:
    """The document of that type and name. Raises NotFound."""
    same = (block_type.c.slug == plain_text(type_slug)) & (block_document.c.name == plain_text(name))
    return await _one(db, same, name, secrets)


async def data_of(db: Database, references: list[str]) -> dict[str, Any]:
    """The data, with secrets in clear text, of the existing documents with these ids or names
    ("type/name").
    """
    found: dict[str, Any] = {}
    for reference in references:
        try:
            id = UUID(reference)
        except ValueError:
            type_slug, _, name = reference.partition("/")
            asked = read_by_name(db, type_slug, name, secrets=True)
        else:
            asked = read(db, id, secrets=True)
        try:
            found[reference] = (await asked).data
        except NotFound:
            continue
    return found


async def find(
    db: Database,
    documents: BlockDocumentFilter | None = None,
    types: BlockTypeFilter | None = None,
    schemas: BlockSchemaFilter | None = None,
    *,
    sort: BlockDocumentSort | None = "NAME_ASC",
    secrets: bool = False,
    limit: int = 200,
    offset: int = 0,
) -> list[BlockDocumentRow]:
    """The documents that match."""
    name = block_document.c.name
    orders: dict[str, list[ColumnElement[Any]]] = {
        "NAME_DESC": [name.desc()],
        "NAME_ASC": [name.asc()],
        "BLOCK_TYPE_AND_NAME_ASC": [block_type.c.name.asc(), name.asc()],
    }
    statement = (
        _selected()
        .where(*SetupConditions(db.is_sqlite).of_block_documents(documents, types, schemas))
        .order_by(*orders[sort or "NAME_ASC"], block_document.c.id)
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        return await _loaded(connection, statement, secrets)


async def count(
    db: Database,
    documents: BlockDocumentFilter | None = None,
    types: BlockTypeFilter | None = None,
    schemas: BlockSchemaFilter | None = None,
) -> int:
    """How many documents match."""
    conditions = SetupConditions(db.is_sqlite).of_block_documents(documents, types, schemas)
    async with db.read() as connection:
        statement = select(func.count()).select_from(block_document).where(*conditions)
        return int(await connection.scalar(statement) or 0)


async def change(
    db: Database,
    document_id: UUID,
    data: Mapping[str, Any] | None,
    *,
    merge: bool = True,
    schema_id: UUID | None = None,
) -> None:
    """Merge data into a document's data or replace it; secrets that are sent masked keep their values.

    Raises NotFound, BadBlock (a schema of another type, a reference to nothing).
    """
    async with db.write() as connection:
        statement = (
            select(block_document, block_schema.c.fields)
            .join_from(block_document, block_schema, block_schema.c.id == block_document.c.block_schema_id)
            .where(block_document.c.id == document_id)
            .with_for_update(of=block_document)
        )
        row = (await connection.execute(statement)).first()
        if row is None:
            raise _missing(document_id)
        before: dict[str, Any] = decrypted(row.data)
        after = before
        if data is not None:
            sent = block_schemas.unmasked(dict(data), before, row.fields)
            after = {**before, **sent} if merge else sent
        await _check(connection, schema_id or row.block_schema_id, row.block_type_id, after)
        await connection.execute(
            update(block_document)
            .where(block_document.c.id == document_id)
            .values(
                data=encrypted(data_value(after, "data")),
                block_schema_id=schema_id or row.block_schema_id,
                updated=db.now(),
            )
        )
        await _tell(connection, "updated", document_id)


async def delete(db: Database, document_id: UUID) -> None:
    """Remove a document. Raises NotFound."""
    async with db.write() as connection:
        await _tell(connection, "deleted", document_id)
        gone = await connection.execute(sql_delete(block_document).where(block_document.c.id == document_id))
        if not gone.rowcount:
            raise _missing(document_id)


async def _tell(connection: AsyncConnection, action: Action, document_id: UUID) -> None:
    """Record the event of a document without its data, which may be secret."""
    statement = select(block_document).where(block_document.c.id == document_id)
    row = (await connection.execute(statement)).first()
    if row is None or row.is_anonymous:
        return
    related = {
        "block-type": f"prefect.block-type.{row.block_type_id}",
        "block-schema": f"prefect.block-schema.{row.block_schema_id}",
    }
    await tell_within(
        connection, "block-document", action, row.id, row.name, {"name": row.name}, related=related
    )


async def _check(
    connection: AsyncConnection, schema_id: UUID, type_id: UUID, data: Mapping[str, Any]
) -> None:
    """Raise BadBlock unless the schema exists for that type, and all documents that the data refers to."""
    of_type = await connection.scalar(
        select(block_schema.c.block_type_id).where(block_schema.c.id == schema_id)
    )
    if of_type != type_id:
        raise BadBlock(f"block type {type_id} has no schema {schema_id}")
    wanted = {_uuid(reference) for reference in block_schemas.references(data)}
    found = set(await connection.scalars(select(block_document.c.id).where(block_document.c.id.in_(wanted))))
    if wanted - found:
        raise BadBlock(f"there is no block document {min(wanted - found)} to refer to")


def _uuid(reference: str) -> UUID:
    try:
        return UUID(reference)
    except ValueError:
        raise BadBlock(f"{reference[:50]!r} is not the id of a block document") from None


def _selected() -> Select[Any]:
    shown: list[ColumnElement[Any]] = [
        *block_document.c,
        *(column.label(f"schema__{column.name}") for column in block_schema.c),
        *(column.label(f"type__{column.name}") for column in block_type.c),
    ]
    return (
        select(*shown)
        .join_from(block_document, block_schema, block_schema.c.id == block_document.c.block_schema_id)
        .join(block_type, block_type.c.id == block_document.c.block_type_id)
    )


async def _one(db: Database, same: ColumnElement[bool], reference: object, secrets: bool) -> BlockDocumentRow:
    async with db.read() as connection:
        for row in await _loaded(connection, _selected().where(same), secrets):
            return row
    raise _missing(reference)


async def _loaded(
    connection: AsyncConnection, statement: Select[Any], secrets: bool
) -> list[BlockDocumentRow]:
    """The documents of a statement with those they refer to, by one query for each level."""
    top = await _rows(connection, statement)
    known = {row.id: row for row in top}
    wanted = _referred(top)
    for _ in range(_DEEPEST):
        wanted -= set(known)
        if not wanted:
            break
        more = await _rows(connection, _selected().where(block_document.c.id.in_(wanted)))
        known.update((row.id, row) for row in more)
        wanted = _referred(more)
    return [_assembled(row, known, secrets, 0) for row in top]


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> list[BlockDocumentRow]:
    return [
        BlockDocumentRow(
            id=row["id"],
            name=row["name"],
            data=decrypted(row["data"]),
            is_anonymous=row["is_anonymous"],
            created=row["created"],
            updated=row["updated"],
            schema=schema_row(row, "schema__"),
        )
        for row in (await connection.execute(statement)).mappings()
    ]


def _referred(rows: Iterable[BlockDocumentRow]) -> set[UUID]:
    return {_uuid(reference) for row in rows for reference in block_schemas.references(row.data)}


def _assembled(
    row: BlockDocumentRow, known: Mapping[UUID, BlockDocumentRow], secrets: bool, depth: int
) -> BlockDocumentRow:
    references: dict[str, BlockDocumentRow] = {}

    def filled(value: Any, key: str | None) -> Any:
        reference = block_schemas.reference_of(value)
        if reference is not None:
            inner = known.get(_uuid(reference))
            if inner is None or depth >= _DEEPEST:
                return value
            inner = _assembled(inner, known, secrets, depth + 1)
            if key is not None:
                references[key] = inner
            return inner.data
        if isinstance(value, Mapping):
            return {name: filled(each, None) for name, each in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list):
            return [filled(each, None) for each in cast("list[Any]", value)]
        return value

    data = {name: filled(value, name) for name, value in row.data.items()}
    if not secrets:
        data = block_schemas.masked(data, row.schema.fields)
    return BlockDocumentRow(
        row.id, row.name, data, row.is_anonymous, row.created, row.updated, row.schema, references
    )


def _missing(reference: object) -> NotFound:
    return NotFound(f"there is no block document {str(reference)!r}")
