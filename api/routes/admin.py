"""Routes about the server itself."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter

from ...runtime.settings import current_settings, setting_sources, setting_specs
from ..answers import JsonAnswer
from ..responses import ResultStorage

# The stock product whose standard this is: its client wants the same major version as its own, and warns
# when the rest is lower. Ours comes behind it.
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
async def storage() -> JsonAnswer:
    """The block where clients keep results unless told otherwise: none is set."""
    return JsonAnswer({"default_result_storage_block_id": None})
