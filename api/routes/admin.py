"""Routes about the server itself."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from ...runtime.foundation.setting_table import setting_specs
from ...runtime.foundation.settings import current_settings, setting_sources
from ...runtime.store import block_documents, server_settings
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..models.blocks import ResultStorageUpdate
from ..responses import ResultStorage

_STORAGE = server_settings.RESULT_STORAGE
_STORES = frozenset({"write-path", "put-directory"})

# The version of the stock product that this server stands in for. The stock client demands its own major
# version and warns when the rest is lower. Heliostat's version follows behind it.
STANDARD_PRODUCT_VERSION = "3.8.8"

router = APIRouter(prefix="/admin", tags=["Admin"])


@router.get("/version")
async def version() -> str:
    """The version of the standard product that this server stands in for, and Heliostat's own."""
    return f"{STANDARD_PRODUCT_VERSION}+heliostat.{version_of('heliostat')}"


@router.get("/settings")
async def settings() -> dict[str, Any]:
    """The settings in force, with their sources; secrets are masked."""
    in_force, sources = current_settings(), setting_sources()
    return {
        spec.name: {"value": in_force.masked(spec.name), "source": sources[spec.name], "about": spec.doc}
        for spec in setting_specs()
    }


@router.get("/storage", response_model=ResultStorage)
async def storage(db: Db) -> JsonAnswer:
    """The block where clients keep results unless told otherwise; null when none is set."""
    return JsonAnswer({_STORAGE: await server_settings.read(db, _STORAGE)})


@router.put("/storage", response_model=ResultStorage)
async def set_storage(body: ResultStorageUpdate, db: Db) -> JsonAnswer:
    """Let clients keep results in a block: 404 when it does not exist, 422 when it cannot store them."""
    block = await found(block_documents.read(db, body.default_result_storage_block_id), "Block document")
    if not _STORES & set(block.schema.capabilities):
        raise HTTPException(422, "The block cannot read and write results.")
    await server_settings.write(db, _STORAGE, str(block.id))
    return JsonAnswer({_STORAGE: block.id})


@router.delete("/storage", status_code=204)
async def clear_storage(db: Db) -> Response:
    """Let clients keep results in their own default place again."""
    await server_settings.write(db, _STORAGE, None)
    return no_content()
