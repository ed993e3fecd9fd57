"""Schedules of deployments."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...runtime.foundation import clock
from ...runtime.scheduling.schedule_slots import STANDARD_HORIZON, Horizon, coming_slots
from ...runtime.scheduling.schedules import schedule_from_json
from ...runtime.store import deployments, schedules
from ...runtime.store.slot_runs import SlotBatch, insert_slots
from .. import responses_deployments as responses
from .. import wire_deployments
from ..answers import JsonAnswer, no_content
from ..authors import ByHand
from ..database_access import Db
from ..deployment_checks import check_schedules
from ..errors import found
from ..schemas_deployments import ScheduleCreate, ScheduleRuns, ScheduleUpdate

router = APIRouter(prefix="/deployments/{id:uuid}", tags=["Deployments"])

_MOST_RUNS = 1000  # of one schedule, for one request


@router.get("/schedules", response_model=list[responses.Schedule])
async def read_schedules(id: UUID, db: Db) -> JsonAnswer:
    """The schedules of a deployment, newest first."""
    rows = await found(schedules.list(db, id), "Deployment")
    return JsonAnswer([wire_deployments.schedule(row) for row in rows])


@router.post("/schedules", status_code=201, response_model=list[responses.Schedule])
async def create_schedules(id: UUID, body: list[ScheduleCreate], db: Db, by: ByHand) -> JsonAnswer:
    """Add schedules, all or none: 409 when a slug is taken, or parameters do not fit the flow."""
    check_schedules(await found(deployments.read(db, id), "Deployment"), body, "Error creating schedule")
    adding = schedules.create_all(db, id, [replace(each.as_spec(), by=by) for each in body])
    rows = await found(adding, "Deployment")
    return JsonAnswer([wire_deployments.schedule(row) for row in rows], 201)


@router.patch("/schedules/{schedule_id:uuid}", status_code=204)
async def update_schedule(id: UUID, schedule_id: UUID, body: ScheduleUpdate, db: Db, by: ByHand) -> Response:
    """Change a schedule; only fields in the body change. Its runs made ahead follow."""
    check_schedules(await found(deployments.read(db, id), "Deployment"), [body], "Error updating schedule")
    await found(schedules.change(db, id, schedule_id, replace(body.as_spec(), by=by)), "Schedule")
    return no_content()


@router.delete("/schedules/{schedule_id:uuid}", status_code=204)
async def delete_schedule(id: UUID, schedule_id: UUID, db: Db) -> Response:
    """Remove a schedule with the runs that it made ahead; runs that are due stay."""
    await found(deployments.read(db, id), "Deployment")
    await found(schedules.delete(db, id, schedule_id), "Schedule")
    return no_content()


@router.post("/schedule")
async def schedule_deployment(id: UUID, db: Db, body: ScheduleRuns | None = None) -> None:
    """Make the runs of a deployment's schedules ahead at once, for the span in the body."""
    body = body or ScheduleRuns()
    deployment = await found(deployments.read(db, id), "Deployment")
    start = body.start_time or clock.now()
    horizon = _horizon(body, start)
    batches = [
        SlotBatch(
            row.id,
            row.revision,
            list(coming_slots(schedule_from_json(row.definition), start, horizon)),
            row.next_at,  # the schedulers go on from where they were
        )
        for row in deployment.schedules
        if row.active
    ]
    await insert_slots(db, batches)


def _horizon(body: ScheduleRuns, start: datetime) -> Horizon:
    if body.end_time is not None and body.end_time < start:
        raise HTTPException(422, "end_time is before start_time.")
    usual = STANDARD_HORIZON
    span = timedelta(seconds=usual.max_time_s) if body.end_time is None else body.end_time - start
    least = usual.min_runs if body.min_runs is None else body.min_runs
    most = usual.max_runs if body.max_runs is None else body.max_runs
    return Horizon(
        min_runs=max(1, least),
        min_time_s=usual.min_time_s if body.min_time is None else body.min_time.total_seconds(),
        max_runs=max(0, min(most, _MOST_RUNS)),
        max_time_s=span.total_seconds(),
    )
