"""Beyond the standard: figures of flow runs that lists show beside them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from ...runtime.store import run_figures
from ..answers import JsonAnswer
from ..database_access import Db
from ..schemas import Fields
from ..shared_answers import SharedAnswers

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])

Ids = Annotated[list[UUID], Field(max_length=200)]
_FRESH_S = 20.0


class Owners(Fields):
    flow_ids: Ids = []
    deployment_ids: Ids = []


class FlowRunIds(Fields):
    flow_run_ids: Ids


def tallies_of(request: Request) -> run_figures.TaskTallies:
    """The counts of task runs that this application keeps."""
    state = request.app.state
    if not hasattr(state, "task_tallies"):
        state.task_tallies = run_figures.TaskTallies()
    return cast(run_figures.TaskTallies, state.task_tallies)


def _usual_lengths(request: Request) -> SharedAnswers:
    state = request.app.state
    if not hasattr(state, "usual_lengths"):
        state.usual_lengths = SharedAnswers(_FRESH_S)
    return cast(SharedAnswers, state.usual_lengths)


@router.post("/usual_lengths", response_model=dict[UUID, dict[str, Any]])
async def read_usual_lengths(body: Owners, request: Request, db: Db) -> JsonAnswer:
    """How long runs of these flows and deployments take: `median_s`, `p95_s`, and of how many past `runs`.

    Those without a completed run are left out.
    """
    flow_ids, deployment_ids = sorted(set(body.flow_ids)), sorted(set(body.deployment_ids))
    found = await _usual_lengths(request).get(
        (*flow_ids, None, *deployment_ids),
        lambda: run_figures.usual_lengths(db, flow_ids=flow_ids, deployment_ids=deployment_ids),
    )
    return JsonAnswer({str(owner): asdict(usual) for owner, usual in found.items()})


@router.post("/task_run_counts", response_model=dict[UUID, dict[str, int]])
async def read_task_run_counts(body: FlowRunIds, request: Request, db: Db) -> JsonAnswer:
    """The task runs of each of these flow runs by state type, sub-flow calls included."""
    found = await tallies_of(request).read(db, list(dict.fromkeys(body.flow_run_ids)))
    return JsonAnswer({str(run_id): found.get(run_id, {}) for run_id in body.flow_run_ids})
