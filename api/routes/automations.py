"""Automations: this server keeps none yet, so none belongs to anything."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..answers import JsonAnswer

router = APIRouter(prefix="/automations", tags=["Automations"])


@router.get("/related-to/{resource_id}", response_model=list[dict[str, Any]])
async def read_automations_related_to_resource(resource_id: str) -> JsonAnswer:
    """The automations that act on something: none."""
    return JsonAnswer([])


@router.delete("/owned-by/{resource_id}", status_code=202)
async def delete_automations_owned_by_resource(resource_id: str) -> None:
    """Remove the automations that a deployment brought along: clients ask before each deploy."""
