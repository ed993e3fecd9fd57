"""Task runs."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...runtime.authoring.names import generate_name
from ...runtime.foundation.errors import NotFound
from ...runtime.states import Pending
from ...runtime.store import run_history, search, task_run_changes, task_runs
from ...runtime.store.database.rows import TaskRunRow
from .. import responses, wire
from ..answers import JsonAnswer, made, no_content
from ..database_access import Db
from ..errors import found
from ..schemas import (
    SetState,
    TaskRunCreate,
    TaskRunHistory,
    TaskRunNumberedPage,
    TaskRunPage,
    TaskRunSearch,
    TaskRunUpdate,
)
from .histories import span_of
from .numbered_pages import numbered_page

router = APIRouter(prefix="/task_runs", tags=["Task Runs"])


def _shown(row: TaskRunRow) -> wire.Wire:
    return wire.task_run(row, task_runs.states_of(row))


@router.post("/", response_model=responses.TaskRun, responses={201: {"model": responses.TaskRun}})
async def create_task_run(body: TaskRunCreate, db: Db) -> JsonAnswer:
    """Record a task run; an existing one with its flow run, task key and dynamic key is returned (200)."""
    new = task_run_changes.NewTaskRun(
        id=body.id,
        flow_run_id=body.flow_run_id,
        task_key=body.task_key,
        dynamic_key=body.dynamic_key,
        name=body.name or generate_name(),
        tags=body.tags,
        labels=body.labels or {},
        policy=body.empirical_policy.model_dump(mode="json"),
        task_version=body.task_version,
        task_inputs={
            name: [each.model_dump(mode="json") for each in inputs]
            for name, inputs in body.task_inputs.items()
        },
        cache_key=body.cache_key,
        cache_expiration=body.cache_expiration,
    )
    first = body.state.as_state() if body.state else Pending()
    try:
        row, is_new = await task_run_changes.create(db, new, first)
    except NotFound as error:
        raise HTTPException(409, f"The flow run {body.flow_run_id} does not exist.") from error
    return JsonAnswer(_shown(row), made(is_new))


@router.post("/filter", response_model=list[responses.TaskRun])
async def filter_task_runs(db: Db, body: TaskRunPage | None = None) -> JsonAnswer:
    """Task runs that match the filter."""
    body = body or TaskRunPage()
    rows = await search.task_runs(db, body.search(), sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([_shown(row) for row in rows])


@router.post("/paginate", response_model=responses.TaskRunPages)
async def paginate_task_runs(db: Db, body: TaskRunNumberedPage | None = None) -> JsonAnswer:
    """One page of the task runs that match the filter."""
    body = body or TaskRunNumberedPage()
    return await numbered_page(db, body, search.task_runs, search.count_task_runs, _shown)


@router.post("/count")
async def count_task_runs(db: Db, body: TaskRunSearch | None = None) -> int:
    """How many task runs match the filter."""
    return await search.count_task_runs(db, (body or TaskRunSearch()).search())


@router.post("/history", response_model=list[responses.HistoryInterval])
async def task_run_history(body: TaskRunHistory, db: Db) -> JsonAnswer:
    """How many runs were in which state, interval by interval."""
    intervals = await run_history.history(db, "task-run", body.search(), *span_of(body))
    return JsonAnswer([wire.history_interval(each) for each in intervals])


@router.get("/{id:uuid}", response_model=responses.TaskRun)
async def read_task_run(id: UUID, db: Db) -> JsonAnswer:
    """The task run with that id."""
    return JsonAnswer(_shown(await found(task_runs.read(db, id), "Task run")))


@router.patch("/{id:uuid}", status_code=204)
async def update_task_run(id: UUID, body: TaskRunUpdate, db: Db) -> Response:
    """Give a task run another name."""
    if "name" in body.model_fields_set:
        await found(task_run_changes.rename(db, id, body.name or generate_name()), "Task run")
    else:
        await found(task_runs.read(db, id), "Task run")
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_task_run(id: UUID, db: Db) -> Response:
    """Remove a task run."""
    await found(task_run_changes.delete(db, id), "Task run")
    return no_content()


@router.post(
    "/{id:uuid}/set_state",
    response_model=responses.OrchestrationResult,
    responses={201: {"model": responses.OrchestrationResult}},
)
async def set_task_run_state(id: UUID, body: SetState, db: Db) -> JsonAnswer:
    """Propose a state: 201 when one was written, 200 when the rules left the run as it is."""
    became = await task_run_changes.propose(db, id, body.state.as_state(), force=body.force)
    state = wire.task_run_state(became.run, task_runs.states_of(became.run)[-1])
    return JsonAnswer(wire.orchestration(became.verdict, state), made(became.written))
