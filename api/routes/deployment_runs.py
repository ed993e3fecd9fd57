"""Runs of deployments: clients ask for them, and the processes that serve a deployment poll for them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException

from ...runtime.foundation import clock
from ...runtime.store import deployments, polling, search, work_queues
from .. import responses, responses_deployments, responses_places, wire, wire_places
from ..answers import JsonAnswer, made
from ..database_access import Db
from ..deployment_runs import start_run
from ..errors import found
from ..schemas_deployments import MOST_RUNS_AT_ONCE, DeploymentPoll, DeploymentRunCreate

router = APIRouter(prefix="/deployments", tags=["Deployments"])


@router.post(
    "/{id:uuid}/create_flow_run",
    response_model=responses.FlowRun,
    responses={201: {"model": responses.FlowRun}},
)
async def create_flow_run_from_deployment(id: UUID, body: DeploymentRunCreate, db: Db) -> JsonAnswer:
    """Run a deployment: now, unless the state says when. A known idempotency key returns its run.

    Parameters and job variables override the deployment's; tags are added to its tags.
    """
    runnable = await found(deployments.to_run(db, id), "Deployment")
    run, is_new = await start_run(db, runnable, body)
    return JsonAnswer(wire.flow_run_response(*run), made(is_new))


@router.post("/get_scheduled_flow_runs", response_model=list[responses.FlowRun])
async def get_scheduled_flow_runs_for_deployments(body: DeploymentPoll, db: Db) -> JsonAnswer:
    """Runs of deployments that are to start before a moment (by default now), the earliest first."""
    before = body.scheduled_before or clock.now()
    run_ids = await polling.of_deployments(db, body.deployment_ids, before=before, limit=body.limit)
    if body.deployment_ids:
        await deployments.polled(db, body.deployment_ids)
    runs = await search.flow_runs_by_id(db, run_ids)
    return JsonAnswer([wire.flow_run_response(*run) for run in runs])


@router.post("/{id:uuid}/create_flow_run/bulk", response_model=responses_deployments.RunsCreated)
async def create_flow_runs_from_deployment(id: UUID, body: list[DeploymentRunCreate], db: Db) -> JsonAnswer:
    """Run a deployment several times, up to 100; a mistake in one run does not hold up the others."""
    if len(body) > MOST_RUNS_AT_ONCE:
        raise HTTPException(400, f"Cannot create more than {MOST_RUNS_AT_ONCE} flow runs at once.")
    runnable = await found(deployments.to_run(db, id), "Deployment")
    results: list[wire.Wire] = []
    for asked in body:
        try:
            started, _ = await start_run(db, runnable, asked)
            results.append({"flow_run_id": started.run.id, "status": "CREATED", "error": None})
        except HTTPException as error:
            results.append({"flow_run_id": None, "status": "FAILED", "error": str(error.detail)})
    return JsonAnswer({"results": results})


@router.get("/{id:uuid}/work_queue_check", response_model=list[responses_places.WorkQueue], deprecated=True)
async def work_queue_check(id: UUID, db: Db) -> JsonAnswer:
    """The queues that get a deployment's runs: a list with its own queue."""
    deployment = await found(deployments.read(db, id), "Deployment")
    if deployment.work_queue_id is None:
        return JsonAnswer([])
    row = await found(work_queues.read_by_id(db, deployment.work_queue_id), "Work queue")
    return JsonAnswer([wire_places.work_queue(row)])
