"""Block documents."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...runtime.foundation.errors import BadBlock
from ...runtime.store import block_documents
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found, with_hint
from ..models import blocks as models

router = APIRouter(prefix="/block_documents", tags=["Block Documents"])

_WHAT = "Block document"


@router.post("/", status_code=201, response_model=models.BlockDocument)
async def create_block_document(body: models.BlockDocumentCreate, db: Db) -> JsonAnswer:
    """Keep a block document: 409 when its type has one of that name, or another type has the schema."""
    try:
        row = await block_documents.create(
            db, body.block_schema_id, body.block_type_id, body.name, body.data, body.is_anonymous
        )
    except BadBlock as error:
        raise HTTPException(409, with_hint(error)) from error
    return JsonAnswer(models.block_document(row), 201)


@router.post("/filter", response_model=list[models.BlockDocument])
async def filter_block_documents(db: Db, body: models.BlockDocumentPage | None = None) -> JsonAnswer:
    """Block documents that match the filter; anonymous ones only where they are asked for."""
    body = body or models.BlockDocumentPage()
    rows = await block_documents.find(
        db,
        body.block_documents,
        body.block_types,
        body.block_schemas,
        sort=body.sort,
        secrets=body.include_secrets,
        limit=body.limit,
        offset=body.offset,
    )
    return JsonAnswer([models.block_document(row) for row in rows])


@router.post("/count")
async def count_block_documents(db: Db, body: models.BlockDocumentSearch | None = None) -> int:
    """How many block documents match the filter."""
    body = body or models.BlockDocumentSearch()
    return await block_documents.count(db, body.block_documents, body.block_types, body.block_schemas)


@router.get("/{id:uuid}", response_model=models.BlockDocument)
async def read_block_document(id: UUID, db: Db, include_secrets: bool = False) -> JsonAnswer:
    """The block document with that id."""
    row = await found(block_documents.read(db, id, secrets=include_secrets), _WHAT)
    return JsonAnswer(models.block_document(row))


@router.patch("/{id:uuid}", status_code=204)
async def update_block_document(id: UUID, body: models.BlockDocumentUpdate, db: Db) -> Response:
    """Change a block document's data; secrets that are sent masked stay as they were."""
    data = body.data if "data" in body.model_fields_set else None
    changing = block_documents.change(
        db, id, data, merge=body.merge_existing_data, schema_id=body.block_schema_id
    )
    await found(changing, _WHAT)
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_block_document(id: UUID, db: Db) -> Response:
    """Remove a block document."""
    await found(block_documents.delete(db, id), _WHAT)
    return no_content()
