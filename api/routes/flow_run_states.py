"""The histories of flow runs."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from ...runtime.store import flow_runs
from .. import responses, wire
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found

router = APIRouter(prefix="/flow_run_states", tags=["Flow Run States"])


@router.get("/", response_model=list[responses.State])
async def read_flow_run_states(flow_run_id: UUID, db: Db) -> JsonAnswer:
    """The states that a flow run went through, in order."""
    return JsonAnswer([wire.flow_run_state(row) for row in await flow_runs.history(db, flow_run_id)])


@router.get("/{id:uuid}", response_model=responses.State)
async def read_flow_run_state(id: UUID, db: Db) -> JsonAnswer:
    """The state with that id."""
    return JsonAnswer(wire.flow_run_state(await found(flow_runs.read_state(db, id), "Flow run state")))
