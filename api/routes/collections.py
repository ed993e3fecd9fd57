"""What there is to choose from: the kinds of work pools."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, HTTPException

from ...pools.known_types import worker_metadata
from ..answers import JsonAnswer

router = APIRouter(prefix="/collections", tags=["Collections"])

_EMPTY = frozenset({"aggregate-block-metadata", "aggregate-flow-metadata", "demo-flows"})


@router.get("/views/{view}", response_model=dict[str, Any])
async def read_view(view: str) -> JsonAnswer:
    """`aggregate-worker-metadata`: kinds of work pools by package. The standard's other views are empty."""
    if view == "aggregate-worker-metadata":
        # It may import packages that bring kinds of their own.
        return JsonAnswer(await asyncio.to_thread(worker_metadata))
    if view in _EMPTY:
        return JsonAnswer({})
    raise HTTPException(404, f"View {view} not found")
