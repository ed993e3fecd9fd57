"""The histories of task runs."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException

from ...runtime.foundation.errors import NotFound
from ...runtime.store import task_runs
from .. import responses, wire
from ..answers import JsonAnswer
from ..database_access import Db

router = APIRouter(prefix="/task_run_states", tags=["Task Run States"])


@router.get("/", response_model=list[responses.State])
async def read_task_run_states(task_run_id: UUID, db: Db) -> JsonAnswer:
    """The states that a task run went through, in order; an empty list when there is no such run."""
    try:
        row = await task_runs.read(db, task_run_id)
    except NotFound:
        return JsonAnswer([])
    return JsonAnswer([wire.task_run_state(row, state) for state in task_runs.states_of(row)])


@router.get("/{id:uuid}", response_model=responses.State)
async def read_task_run_state(id: UUID, db: Db) -> JsonAnswer:
    """The state with that id, in the form that task runs show it."""
    for row in await task_runs.read_any(db, wire.task_run_of_state(id)):
        states = task_runs.states_of(row)
        place = wire.place_of_state(id, row.id)
        if place < len(states):
            return JsonAnswer({**wire.task_run_state(row, states[place]), "id": id})
    for row in await task_runs.with_state(db, id):
        for state in task_runs.states_of(row):
            if state.id == id:
                return JsonAnswer(wire.task_run_state(row, state))
    raise HTTPException(404, "Task run state not found")
