"""Block types, schemas and documents on the wire."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ...runtime.store.block_documents import BlockDocumentRow, BlockDocumentSort
from ...runtime.store.block_types import BlockSchemaRow
from ...runtime.store.setup_filters import BlockDocumentFilter, BlockSchemaFilter, BlockTypeFilter
from ..responses import Recorded
from ..schemas import Fields, OneModel, Paged

BlockName = Annotated[str, Field(pattern=r"^[^/%&><]+$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]


def _document_name(name: str | None) -> str | None:
    if name is not None and re.fullmatch(r"[a-z0-9-]*", name) is None:
        raise ValueError("Block document name must only contain lowercase letters, numbers, and dashes.")
    return name


DocumentName = Annotated[BlockName, AfterValidator(_document_name)]


class BlockTypeCreate(OneModel):
    name: BlockName
    slug: Slug
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None


class BlockTypeUpdate(OneModel):
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None


class BlockTypePage(Paged):
    block_types: BlockTypeFilter | None = None
    block_schemas: BlockSchemaFilter | None = None


class BlockSchemaCreate(OneModel):
    fields: dict[str, Any] = {}
    block_type_id: UUID
    capabilities: list[str] = []
    version: str = "non-versioned"


class BlockSchemaPage(Paged):
    block_schemas: BlockSchemaFilter | None = None


class BlockDocumentCreate(OneModel):
    name: DocumentName | None = None
    data: dict[str, Any] = {}
    block_schema_id: UUID
    block_type_id: UUID
    is_anonymous: bool = False

    @model_validator(mode="after")
    def _named(self) -> BlockDocumentCreate:
        if self.name is None and not self.is_anonymous:
            raise ValueError("block documents need names, unless they are anonymous")
        return self


class BlockDocumentUpdate(OneModel):
    block_schema_id: UUID | None = None
    data: dict[str, Any] = {}
    merge_existing_data: bool = True


class BlockDocumentSearch(Fields):
    block_documents: BlockDocumentFilter | None = None
    block_types: BlockTypeFilter | None = None
    block_schemas: BlockSchemaFilter | None = None


class BlockDocumentPage(BlockDocumentSearch, Paged):
    include_secrets: bool = False
    sort: BlockDocumentSort | None = "NAME_ASC"


class ResultStorageUpdate(BaseModel):
    default_result_storage_block_id: UUID


class BlockType(Recorded):
    name: str
    slug: str
    logo_url: str | None
    documentation_url: str | None
    description: str | None
    code_example: str | None
    is_protected: bool


class BlockSchema(Recorded):
    checksum: str
    fields: dict[str, Any]
    block_type_id: UUID | None
    block_type: BlockType | None
    capabilities: list[str]
    version: str


class BlockDocument(Recorded):
    name: str | None
    data: dict[str, Any]
    block_schema_id: UUID
    block_schema: BlockSchema | None
    block_type_id: UUID
    block_type_name: str | None
    block_type: BlockType | None
    block_document_references: dict[str, dict[str, Any]]
    is_anonymous: bool


def block_schema(row: BlockSchemaRow) -> dict[str, Any]:
    """BlockSchema."""
    return {
        **BlockSchema.of(row),
        "fields": {"block_schema_references": {}, **row.fields},
        "block_type": BlockType.of(row.block_type),
    }


def block_document(row: BlockDocumentRow) -> dict[str, Any]:
    """BlockDocument."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "data": row.data,
        "block_schema_id": row.schema.id,
        "block_schema": block_schema(row.schema),
        "block_type_id": row.schema.block_type_id,
        "block_type_name": row.schema.block_type.name,
        "block_type": BlockType.of(row.schema.block_type),
        "block_document_references": _references(row),
        "is_anonymous": row.is_anonymous,
    }


def _references(row: BlockDocumentRow) -> dict[str, Any]:
    return {
        key: {
            "block_document": {
                "id": inner.id,
                "name": inner.name,
                "block_type": BlockType.of(inner.schema.block_type),
                "is_anonymous": inner.is_anonymous,
                "block_document_references": _references(inner),
            }
        }
        for key, inner in row.references.items()
    }
