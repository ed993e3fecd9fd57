"""Beyond the standard: one run in one document, found by its name, its id or a part of that."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from ...runtime.store import flow_runs, task_runs
from ..answers import JsonAnswer
from ..database_access import Db
from ..run_details import flow_run_details, task_run_details

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


@router.get("/flow_runs/{reference}/details", response_model=dict[str, Any])
async def read_flow_run_details(reference: str, db: Db) -> JsonAnswer:
    """A flow run with states, decisions, task counts. `reference`: id, name, 8 digits of an id, @last."""
    return JsonAnswer(await flow_run_details(db, await flow_runs.find(db, reference)))


@router.get("/task_runs/{reference}/details", response_model=dict[str, Any])
async def read_task_run_details(
    reference: str, db: Db, flow_run: Annotated[str | None, Query()] = None
) -> JsonAnswer:
    """A task run with its states and error. Names and parts of ids are looked for within `flow_run`."""
    within: UUID | None = None if flow_run is None else (await flow_runs.find(db, flow_run)).id
    return JsonAnswer(task_run_details(await task_runs.find(db, reference, within)))
