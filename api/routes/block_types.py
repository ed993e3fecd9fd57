"""Block types, and documents of a type."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import block_documents, block_types
from ...runtime.store.block_types import NewBlockType
from ...runtime.store.filters import Ids
from ...runtime.store.setup_filters import BlockDocumentFilter
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..models import blocks as models
from ..system_blocks import ensure_system_blocks

router = APIRouter(prefix="/block_types", tags=["Block Types"])

_WHAT = "Block type"


@router.post("/", status_code=201, response_model=models.BlockType)
async def create_block_type(body: models.BlockTypeCreate, db: Db) -> JsonAnswer:
    """Make a block type: 409 when there is one of that slug, 403 for reserved names."""
    row = await block_types.create(db, NewBlockType(**body.model_dump()))
    return JsonAnswer(models.BlockType.of(row), 201)


@router.post("/filter", response_model=list[models.BlockType])
async def filter_block_types(db: Db, body: models.BlockTypePage | None = None) -> JsonAnswer:
    """Block types that match the filter and have a schema that matches, by name."""
    body = body or models.BlockTypePage()
    rows = await block_types.find(
        db, body.block_types, body.block_schemas, limit=body.limit, offset=body.offset
    )
    return JsonAnswer([models.BlockType.of(row) for row in rows])


@router.post("/install_system_block_types")
async def install_system_block_types(db: Db) -> None:
    """Make the block types of the server that are missing."""
    await ensure_system_blocks(db)


@router.get("/slug/{slug}", response_model=models.BlockType)
async def read_block_type_by_slug(slug: str, db: Db) -> JsonAnswer:
    """The block type of that slug."""
    return JsonAnswer(models.BlockType.of(await found(block_types.read(db, slug), _WHAT)))


@router.get("/slug/{slug}/block_documents", response_model=list[models.BlockDocument])
async def read_documents_of_type(slug: str, db: Db, include_secrets: bool = False) -> JsonAnswer:
    """The documents of a block type, by name."""
    row = await found(block_types.read(db, slug), _WHAT)
    asked = BlockDocumentFilter(block_type_id=Ids([row.id]))
    rows = await block_documents.find(db, asked, secrets=include_secrets)
    return JsonAnswer([models.block_document(each) for each in rows])


@router.get("/slug/{slug}/block_documents/name/{block_document_name}", response_model=models.BlockDocument)
async def read_document_of_type(
    slug: str, block_document_name: str, db: Db, include_secrets: bool = False
) -> JsonAnswer:
    """The document of that type and name."""
    reading = block_documents.read_by_name(db, slug, block_document_name, secrets=include_secrets)
    return JsonAnswer(models.block_document(await found(reading, "Block document")))


@router.get("/{id:uuid}", response_model=models.BlockType)
async def read_block_type(id: UUID, db: Db) -> JsonAnswer:
    """The block type with that id."""
    return JsonAnswer(models.BlockType.of(await found(block_types.read(db, id), _WHAT)))


@router.patch("/{id:uuid}", status_code=204)
async def update_block_type(id: UUID, body: models.BlockTypeUpdate, db: Db) -> Response:
    """Change how a block type is described; only fields in the body change."""
    await found(block_types.change(db, id, body.model_dump(exclude_unset=True)), _WHAT)
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_block_type(id: UUID, db: Db) -> Response:
    """Remove a block type with its schemas and documents; 403 for those that came with the server."""
    await found(block_types.delete(db, id), _WHAT)
    return no_content()
