"""Inputs of flow runs."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from ...runtime.store import flow_run_inputs
from .. import responses, wire
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..schemas import MOST_ROWS, InputCreate, InputFilter

router = APIRouter(prefix="/flow_runs/{id:uuid}/input", tags=["Flow Runs"])


@router.post("", status_code=201)
async def create_input(id: UUID, body: InputCreate, db: Db) -> None:
    """Send a text to a flow run under a key: 409 when the key is taken."""
    await found(flow_run_inputs.create(db, id, body.key, body.value, body.sender), "Flow run")


@router.post("/filter", response_model=list[responses.FlowRunInput])
async def filter_inputs(id: UUID, body: InputFilter, db: Db) -> JsonAnswer:
    """What was sent to a flow run under keys with a prefix."""
    limit = min(max(body.limit, 0), MOST_ROWS)
    rows = await flow_run_inputs.find(db, id, body.prefix, exclude_keys=body.exclude_keys, limit=limit)
    return JsonAnswer([wire.flow_run_input(row) for row in rows])


@router.get("/{key}", response_class=PlainTextResponse)
async def read_input(id: UUID, key: str, db: Db) -> PlainTextResponse:
    """The text that was sent under a key."""
    return PlainTextResponse((await found(flow_run_inputs.read(db, id, key), "Flow run input")).value)


@router.delete("/{key}", status_code=204)
async def delete_input(id: UUID, key: str, db: Db) -> Response:
    """Remove what was sent under a key."""
    await found(flow_run_inputs.delete(db, id, key), "Flow run input")
    return no_content()
