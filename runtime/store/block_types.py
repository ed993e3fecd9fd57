"""Block types and their schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from ..foundation.errors import Duplicate, NotFound, Reserved
from ..foundation.ids import uuid7
from ..values import block_schemas
from .database.database import Database
from .database.setup_tables import block_document, block_schema, block_type
from .database.wire_text import json_value, plain_text
from .setup_filters import BlockSchemaFilter, BlockTypeFilter, SetupConditions

RESERVED_PREFIX = "prefect"
PROTECTED = "protected block types cannot be deleted."  # clients compare this text letter by letter
SYSTEM_VERSION = "1"  # version of the schemas that come with the server


@dataclass(frozen=True, slots=True)
class NewBlockType:
    """A type to be created."""

    name: str
    slug: str
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class BlockTypeRow:
    """A block type."""

    id: UUID
    name: str
    slug: str
    logo_url: str | None
    documentation_url: str | None
    description: str | None
    code_example: str | None
    is_protected: bool
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class BlockSchemaRow:
    """A block schema with its type."""

    id: UUID
    block_type_id: UUID
    checksum: str
    version: str
    fields: dict[str, Any]
    capabilities: list[str]
    created: datetime
    updated: datetime
    block_type: BlockTypeRow


async def install(db: Database, blocks: Sequence[tuple[NewBlockType, Mapping[str, Any], list[str]]]) -> None:
    """Create the types that come with the server, each with the fields and capabilities of its schema.
    Existing types are not changed.
    """
    make = sqlite.insert if db.is_sqlite else postgresql.insert
    types = [
        {
            "id": uuid7(),
            "name": new.name,
            "slug": new.slug,
            "description": new.description,
            "is_protected": True,
        }
        for new, _, _ in blocks
    ]
    async with db.write() as connection:
        times = {"created": db.now(), "updated": db.now()}
        await connection.execute(
            make(block_type).values(times).on_conflict_do_nothing(index_elements=["slug"]), types
        )
        found = await connection.execute(
            select(block_type.c.slug, block_type.c.id).where(
                block_type.c.slug.in_([new.slug for new, _, _ in blocks])
            )
        )
        ids: dict[str, UUID] = {row[0]: row[1] for row in found}
        schemas = [
            {
                "id": uuid7(),
                "block_type_id": ids[new.slug],
                "checksum": block_schemas.checksum(fields),
                "version": SYSTEM_VERSION,
                "fields": dict(fields),
                "capabilities": sorted(capabilities),
            }
            for new, fields, capabilities in blocks
        ]
        await connection.execute(
            make(block_schema).values(times).on_conflict_do_nothing(index_elements=["checksum", "version"]),
            schemas,
        )


async def create(db: Database, new: NewBlockType) -> BlockTypeRow:
    """Make a type. Raises Duplicate, Reserved (names that begin with "prefect")."""
    if new.name.lower().startswith(RESERVED_PREFIX) and not new.is_protected:
        raise Reserved(f"block type names that begin with {RESERVED_PREFIX!r} are reserved")
    type_id = uuid7()
    try:
        async with db.write() as connection:
            await connection.execute(
                insert(block_type).values(
                    id=type_id,
                    name=plain_text(new.name),
                    slug=plain_text(new.slug),
                    logo_url=json_value(new.logo_url),
                    documentation_url=json_value(new.documentation_url),
                    description=json_value(new.description),
                    code_example=json_value(new.code_example),
                    is_protected=new.is_protected,
                    created=db.now(),
                    updated=db.now(),
                )
            )
    except IntegrityError as error:
        raise Duplicate(f"there is a block type with slug {new.slug!r} already") from error
    return await read(db, type_id)


async def read(db: Database, reference: UUID | str) -> BlockTypeRow:
    """The type with that id or slug. Raises NotFound."""
    async with db.read() as connection:
        found = await connection.execute(select(block_type).where(_same_as(reference)))
        row = found.mappings().first()
    if row is None:
        raise _missing(reference)
    return BlockTypeRow(**row)


async def find(
    db: Database,
    types: BlockTypeFilter | None = None,
    schemas: BlockSchemaFilter | None = None,
    *,
    limit: int = 200,
    offset: int = 0,
) -> list[BlockTypeRow]:
    """The types that match and have a schema that matches, by name."""
    conditions = SetupConditions(db.is_sqlite)
    asked = conditions.of_block_types(types)
    if of_schemas := conditions.of_block_schemas(schemas):
        asked.append(exists(select(1).where(block_schema.c.block_type_id == block_type.c.id, *of_schemas)))
    statement = select(block_type).where(*asked).order_by(block_type.c.name, block_type.c.id)
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(min(offset, 2**63 - 1)))
        return [BlockTypeRow(**row) for row in rows.mappings()]


async def change(db: Database, type_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set any of logo_url, documentation_url, description, code_example. Raises NotFound."""
    values = {name: json_value(value) for name, value in changes.items()}
    statement = update(block_type).where(block_type.c.id == type_id).values(**values, updated=db.now())
    async with db.write() as connection:
        if not (await connection.execute(statement)).rowcount:
            raise _missing(type_id)


async def delete(db: Database, type_id: UUID) -> None:
    """Remove a type with its schemas and documents. Raises NotFound, Reserved (it came with the system)."""
    async with db.write() as connection:
        protected = await connection.scalar(
            select(block_type.c.is_protected).where(block_type.c.id == type_id).with_for_update()
        )
        if protected is None:
            raise _missing(type_id)
        if protected:
            raise Reserved(PROTECTED)
        await connection.execute(sql_delete(block_document).where(block_document.c.block_type_id == type_id))
        await connection.execute(sql_delete(block_schema).where(block_schema.c.block_type_id == type_id))
        await connection.execute(sql_delete(block_type).where(block_type.c.id == type_id))


async def create_schema(
    db: Database, type_id: UUID, fields: Mapping[str, Any], capabilities: list[str], version: str
) -> tuple[BlockSchemaRow, bool]:
    """Create a schema, or return the one with its checksum and version. Raises NotFound (the type)."""
    await read(db, type_id)
    named = block_schemas.checksum(fields)
    same = (block_schema.c.checksum == named) & (block_schema.c.version == plain_text(version))
    try:
        async with db.write() as connection:
            known = await connection.scalar(select(block_schema.c.id).where(same))
            if known is None:
                await connection.execute(
                    insert(block_schema).values(
                        id=uuid7(),
                        block_type_id=type_id,
                        checksum=named,
                        version=plain_text(version),
                        fields=json_value(dict(fields)),
                        capabilities=list(dict.fromkeys(plain_text(each) for each in capabilities)),
                        created=db.now(),
                        updated=db.now(),
                    )
                )
    except IntegrityError:  # another process has just created it
        known = named
    return await _one_schema(db, same, named), known is None


async def read_schema(db: Database, schema_id: UUID) -> BlockSchemaRow:
    """The schema with that id. Raises NotFound."""
    return await _one_schema(db, block_schema.c.id == schema_id, schema_id)


async def schema_of_checksum(db: Database, checksum: str, version: str | None = None) -> BlockSchemaRow:
    """The newest schema with that checksum and, if given, that version. Raises NotFound."""
    same = block_schema.c.checksum == plain_text(checksum)
    if version is not None:
        same &= block_schema.c.version == plain_text(version)
    return await _one_schema(db, same, checksum)


async def find_schemas(
    db: Database, asked: BlockSchemaFilter | None = None, *, limit: int = 200, offset: int = 0
) -> list[BlockSchemaRow]:
    """The schemas that match, newest first."""
    statement = selected_schemas().where(*SetupConditions(db.is_sqlite).of_block_schemas(asked))
    statement = statement.order_by(block_schema.c.created.desc(), block_schema.c.id)
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(min(offset, 2**63 - 1)))
        return [schema_row(row) for row in rows.mappings()]


async def delete_schema(db: Database, schema_id: UUID) -> None:
    """Remove a schema with its documents. Raises NotFound, Reserved (of a type that came with the system)."""
    found = await read_schema(db, schema_id)
    if found.block_type.is_protected:
        raise Reserved("schemas of block types that came with the server cannot be deleted")
    async with db.write() as connection:
        await connection.execute(
            sql_delete(block_document).where(block_document.c.block_schema_id == schema_id)
        )
        await connection.execute(sql_delete(block_schema).where(block_schema.c.id == schema_id))


async def capabilities(db: Database) -> list[str]:
    """All capabilities of block schemas."""
    async with db.read() as connection:
        rows = await connection.scalars(select(block_schema.c.capabilities))
        return sorted({each for row in rows for each in row})


def selected_schemas() -> Select[Any]:
    """Every column of BlockSchemaRow, to be narrowed and sorted."""
    shown: list[ColumnElement[Any]] = [
        *block_schema.c,
        *(column.label(f"type__{column.name}") for column in block_type.c),
    ]
    return select(*shown).join_from(block_schema, block_type, block_type.c.id == block_schema.c.block_type_id)


def schema_row(row: Mapping[Any, Any], prefix: str = "") -> BlockSchemaRow:
    """A row of `selected_schemas`, or of those of its columns that are labelled with the prefix."""
    facts = {str(name): value for name, value in row.items()}
    of_type = {column.name: facts[f"type__{column.name}"] for column in block_type.c}
    own = {column.name: facts[prefix + column.name] for column in block_schema.c}
    return BlockSchemaRow(**own, block_type=BlockTypeRow(**of_type))


async def _one_schema(db: Database, same: ColumnElement[bool], reference: object) -> BlockSchemaRow:
    statement = selected_schemas().where(same).order_by(block_schema.c.created.desc()).limit(1)
    async with db.read() as connection:
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise NotFound(f"there is no block schema {reference}")
    return schema_row(row)


def _same_as(reference: UUID | str) -> ColumnElement[bool]:
    if isinstance(reference, UUID):
        return block_type.c.id == reference
    return block_type.c.slug == plain_text(reference)


def _missing(reference: object) -> NotFound:
    return NotFound(f"there is no block type {str(reference)!r}")
