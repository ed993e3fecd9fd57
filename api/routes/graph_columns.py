"""Beyond the standard: the graph of a run of any size, as columns and increments."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response

from ...runtime.store import graph_rows
from ...runtime.store.graph_rows import GraphRun
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found
from ..graph_columns import Columns

router = APIRouter(prefix="/heliostat/flow_runs", tags=["Heliostat"])

_SQUEEZED_FROM = 2_000  # bytes


@router.get("/{id:uuid}/graph", response_model=dict[str, Any])
async def read_graph_columns(id: UUID, db: Db, request: Request, since: str = "") -> Response:
    """The task runs of a run and its sub-flow runs, as columns.

    With `since`, the cursor of an earlier answer, only those that changed after it or have not ended.
    """
    runs = await found(graph_rows.read(db, id, _cursor(since)), "Flow run")
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    # A large run takes long enough to hold up every other request.
    body, squeezed = await asyncio.to_thread(_written, runs, takes_gzip)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if squeezed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


def _written(runs: Sequence[GraphRun], takes_gzip: bool) -> tuple[bytes, bool]:
    body = bytes(JsonAnswer(Columns(runs).whole()).body)
    if not takes_gzip or len(body) < _SQUEEZED_FROM:
        return body, False
    return gzip.compress(body, 1, mtime=0), True


def _cursor(text: str) -> dict[UUID, int]:
    try:
        parts = [each.split(":") for each in text.split(",") if each]
        return {UUID(run): int(seq) for run, seq in parts}
    except ValueError as error:
        raise HTTPException(422, "since is the cursor of an earlier answer of this route") from error
