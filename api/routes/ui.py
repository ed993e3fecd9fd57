"""Answers made for the pages of the user interface."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException

from ...runtime.foundation import clock
from ...runtime.store import dashboard, search, task_runs, variables
from ...runtime.store.dashboard import BriefFlowRun
from ...runtime.store.filters import FlowRunFilter, IdsOrNot, Search
from ...runtime.values import parameter_templates
from .. import wire
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found
from ..models import ui as models
from ..schema_problems import problems
from ..schemas import TaskRunSearch

router = APIRouter(prefix="/ui", tags=["UI"])

_PARTS = 20  # into which the dashboard's chart of task runs divides its time


@router.post("/flows/count-deployments", response_model=dict[UUID, int])
async def count_deployments_by_flow(body: models.FlowIds, db: Db) -> JsonAnswer:
    """How many deployments each of these flows has."""
    return JsonAnswer(await dashboard.count_deployments(db, body.flow_ids))


@router.post("/flows/next-runs", response_model=dict[UUID, models.NextFlowRun | None])
async def next_runs_by_flow(body: models.FlowIds, db: Db) -> JsonAnswer:
    """The next scheduled run of each of these flows."""
    return JsonAnswer(await dashboard.next_runs(db, body.flow_ids))


@router.post("/flow_runs/history", response_model=list[models.BriefFlowRun])
async def flow_run_points(db: Db, body: models.BriefHistory | None = None) -> JsonAnswer:
    """Flow runs that match the filter, each as a point of a chart: when, how long, how late."""
    body = body or models.BriefHistory()
    rows = await dashboard.brief_flow_runs(
        db, body.search(), sort=body.sort, limit=body.limit, offset=body.offset
    )
    return JsonAnswer([_point(row) for row in rows])


@router.post("/flow_runs/count-task-runs", response_model=dict[UUID, int])
async def count_task_runs_by_flow_run(body: models.FlowRunIds, db: Db) -> JsonAnswer:
    """How many task runs each of these flow runs has, without the task runs that stand for sub-flow runs."""
    return JsonAnswer(await dashboard.count_task_runs(db, body.flow_run_ids))


@router.post("/schemas/validate", response_model=models.Validation)
async def validate_values(body: models.SchemaValues, db: Db) -> JsonAnswer:
    """Whether the values of a form fit its schema, and what is wrong with each field."""
    names = set(parameter_templates.variable_names(body.values))
    values = await parameter_templates.written(body.values, await variables.values(db, names))
    errors = problems(body.schema_, values)
    return JsonAnswer({"errors": errors, "valid": not errors})


@router.post("/task_runs/dashboard/counts", response_model=list[models.TaskRunCount])
async def count_task_run_ends(body: models.TaskRunEnds, db: Db) -> JsonAnswer:
    """How many task runs completed and failed, in twenty parts of the time since `start_time.after_`."""
    asked = body.task_runs.start_time
    if asked is None or asked.after_ is None:
        raise HTTPException(422, "task_runs.start_time.after_ is required")
    start, end = clock.calendar_utc(asked.after_), clock.calendar_utc(asked.before_ or clock.now())
    ends = await dashboard.task_run_ends(db, body.search(), start, end, _PARTS)
    return JsonAnswer([{"completed": completed, "failed": failed} for completed, failed in ends])


@router.post("/task_runs/count", response_model=dict[str, int])
async def count_task_runs_by_state(db: Db, body: TaskRunSearch | None = None) -> JsonAnswer:
    """How many of the task runs that match the filter are in a state of each type."""
    return JsonAnswer(await dashboard.task_runs_by_state(db, (body or TaskRunSearch()).search()))


@router.get("/task_runs/{id:uuid}", response_model=models.PageTaskRun)
async def read_task_run_for_page(id: UUID, db: Db) -> JsonAnswer:
    """The task run with that id and the name of its flow run."""
    row = await found(task_runs.read(db, id), "Task run")
    asked = Search(flow_runs=FlowRunFilter(id=IdsOrNot(any_=[row.flow_run_id])))
    runs = await search.flow_runs(db, asked, limit=1)
    name = runs[0].run.name if runs else None
    return JsonAnswer({**wire.task_run(row, task_runs.states_of(row)), "flow_run_name": name})


def _point(row: BriefFlowRun) -> dict[str, Any]:
    return {
        "id": row.id,
        "state_type": row.state_type,
        "timestamp": row.start_time or row.expected_start_time or row.state_timestamp,
        "duration": wire.running_s(row.state_type, row.state_timestamp, row.total_run_time),
        "lateness": wire.late_s(row.state_type, row.expected_start_time, row.start_time),
    }
