"""The histories of task runs."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from ...runtime.errors import NotFound
from ...runtime.store import task_runs
from .. import responses, wire
from ..answers import JsonAnswer
from ..database_access import Db

router = APIRouter(prefix="/task_run_states", tags=["Task Run States"])


@router.get("/", response_model=list[responses.State])
async def read_task_run_states(task_run_id: UUID, db: Db) -> JsonAnswer:
    """The states that a task run went through, in order; none where there is no such run."""
    try:
        row = await task_runs.read(db, task_run_id)
    except NotFound:
        return JsonAnswer([])
    return JsonAnswer([wire.task_run_state(row, state) for state in task_runs.states_of(row)])
