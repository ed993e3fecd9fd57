"""Beyond the standard: changes of many flow runs at once, tracked and taken back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field

from ...runtime.store import run_jobs
from ...runtime.store.run_jobs import Verb
from ...runtime.store.run_terms import Term
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found
from ..run_jobs import RunJobs
from ..schemas import Fields, StateCreate

router = APIRouter(prefix="/heliostat/jobs", tags=["Heliostat"])


class NewJob(Fields):
    """Which runs, by their ids or by the terms of a query, and what is to become of them."""

    verb: Verb
    terms: Annotated[list[Term], Field(max_length=50)] = []
    hide_subflows: bool = False
    flow_run_ids: Annotated[list[UUID] | None, Field(max_length=1_000)] = None
    state: StateCreate | None = None
    force: bool = False
    label: Annotated[str, Field(max_length=500)] = ""
    begins_in_s: Annotated[float, Field(ge=0, le=60)] = 0


@router.post("", status_code=201, response_model=dict[str, Any])
async def create_job(body: NewJob, request: Request, db: Db) -> JsonAnswer:
    """Change the runs that match now. It begins after `begins_in_s`: cancelled before, it changes nothing."""
    if body.verb == "set-state" and body.state is None:
        raise HTTPException(422, "A job that sets a state needs the state.")
    asked: dict[str, Any] = {"label": body.label, "force": body.force}
    if body.state is not None:
        asked["state"] = {"type": body.state.type, "name": body.state.name, "message": body.state.message}
    job = await run_jobs.create(
        db,
        body.verb,
        asked,
        terms=body.terms,
        hide_subflows=body.hide_subflows,
        flow_run_ids=body.flow_run_ids,
        begins_in_s=body.begins_in_s,
    )
    worker: RunJobs = request.app.state.run_jobs
    worker.look()
    return JsonAnswer(asdict(job), 201)


@router.get("", response_model=list[dict[str, Any]])
async def read_jobs(db: Db, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> JsonAnswer:
    """The newest jobs, each with its numbers of runs by outcome."""
    return JsonAnswer([asdict(job) for job in await run_jobs.list(db, limit)])


@router.get("/{job_id:uuid}", response_model=dict[str, Any])
async def read_job(job_id: UUID, db: Db) -> JsonAnswer:
    """One job."""
    return JsonAnswer(asdict(await found(run_jobs.read(db, job_id), "Job")))


@router.get("/{job_id:uuid}/runs", response_model=list[dict[str, Any]])
async def read_runs_of_job(
    job_id: UUID,
    db: Db,
    outcome: Literal["done", "refused", "changed", "gone"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> JsonAnswer:
    """Runs of a job with that outcome, and why; without one those whose turn has not come."""
    await found(run_jobs.read(db, job_id), "Job")
    return JsonAnswer([asdict(each) for each in await run_jobs.items(db, job_id, outcome, limit)])


@router.post("/{job_id:uuid}/cancel", response_model=dict[str, Any])
async def cancel_job(job_id: UUID, db: Db) -> JsonAnswer:
    """Change no further run. What was changed stays changed."""
    return JsonAnswer(asdict(await found(run_jobs.cancel(db, job_id), "Job")))
