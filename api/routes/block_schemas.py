"""Block schemas and what their blocks can do."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import block_types
from ..answers import JsonAnswer, made, no_content
from ..database_access import Db
from ..errors import found
from ..models import blocks as models

router = APIRouter(tags=["Block Schemas"])

_WHAT = "Block schema"


@router.post(
    "/block_schemas/",
    status_code=201,
    response_model=models.BlockSchema,
    responses={200: {"model": models.BlockSchema}},
)
async def create_block_schema(body: models.BlockSchemaCreate, db: Db) -> JsonAnswer:
    """Make a block schema; an existing one with its checksum and version is returned unchanged (200)."""
    making = block_types.create_schema(db, body.block_type_id, body.fields, body.capabilities, body.version)
    row, is_new = await found(making, "Block type")
    return JsonAnswer(models.block_schema(row), made(is_new))


@router.post("/block_schemas/filter", response_model=list[models.BlockSchema])
async def filter_block_schemas(db: Db, body: models.BlockSchemaPage | None = None) -> JsonAnswer:
    """Block schemas that match the filter, newest first."""
    body = body or models.BlockSchemaPage()
    rows = await block_types.find_schemas(db, body.block_schemas, limit=body.limit, offset=body.offset)
    return JsonAnswer([models.block_schema(row) for row in rows])


@router.get("/block_schemas/checksum/{checksum}", response_model=models.BlockSchema)
async def read_block_schema_by_checksum(checksum: str, db: Db, version: str | None = None) -> JsonAnswer:
    """The newest block schema with that checksum."""
    row = await found(block_types.schema_of_checksum(db, checksum, version), _WHAT)
    return JsonAnswer(models.block_schema(row))


@router.get("/block_schemas/{id:uuid}", response_model=models.BlockSchema)
async def read_block_schema(id: UUID, db: Db) -> JsonAnswer:
    """The block schema with that id."""
    return JsonAnswer(models.block_schema(await found(block_types.read_schema(db, id), _WHAT)))


@router.delete("/block_schemas/{id:uuid}", status_code=204)
async def delete_block_schema(id: UUID, db: Db) -> Response:
    """Remove a block schema with its documents; 403 for those that came with the server."""
    await found(block_types.delete_schema(db, id), _WHAT)
    return no_content()


@router.get("/block_capabilities/", response_model=list[str])
async def read_capabilities(db: Db) -> JsonAnswer:
    """The capabilities that any block schema has."""
    return JsonAnswer(await block_types.capabilities(db))
