"""Flow runs."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...pools.default_pool import placed
from ...runtime.authoring.names import generate_name
from ...runtime.foundation import ids
from ...runtime.foundation.errors import NotFound, NoWorkPool
from ...runtime.states import Pending
from ...runtime.store import deployments, flow_run_changes, flow_runs, flows, run_history, search
from ...runtime.store.database.rows import NewFlowRun
from ...runtime.store.search import FlowRunAndState
from .. import responses, wire
from ..answers import JsonAnswer, made, no_content
from ..database_access import Db
from ..deployment_runs import check_new_variables, check_place
from ..errors import found, there
from ..resuming import resume
from ..schemas import (
    FlowRunCreate,
    FlowRunHistory,
    FlowRunNumberedPage,
    FlowRunPage,
    FlowRunSearch,
    FlowRunUpdate,
    Labels,
    Resume,
    SetState,
)
from .histories import span_of
from .numbered_pages import numbered_page

router = APIRouter(prefix="/flow_runs", tags=["Flow Runs"])


def _shown(found_run: FlowRunAndState) -> wire.Wire:
    return wire.flow_run_response(*found_run)


@router.post("/", response_model=responses.FlowRun, responses={201: {"model": responses.FlowRun}})
async def create_flow_run(body: FlowRunCreate, db: Db) -> JsonAnswer:
    """Record a flow run; an existing run of the flow with its idempotency key is returned unchanged (200)."""
    inherited = await flows.labels_of(db, body.flow_id)
    of_deployment = await _known(db, body.deployment_id)
    if of_deployment is not None:
        inherited = {**inherited, "prefect.deployment.id": str(of_deployment)}
    new = NewFlowRun(
        id=ids.uuid7(),
        flow_name="",
        name=body.name or generate_name(),
        transitions=[],
        parameters=body.parameters,
        flow_version=body.flow_version,
        tags=tuple(body.tags),
        labels={"prefect.flow.id": str(body.flow_id), **inherited, **(body.labels or {})},
        context=body.context,
        empirical_policy=body.empirical_policy.model_dump(mode="json"),
        idempotency_key=body.idempotency_key,
        parent_task_run_id=body.parent_task_run_id,
        job_variables=body.job_variables,
    )
    first = body.state.as_state() if body.state else Pending()
    place = {"work_pool_name": body.work_pool_name, "work_queue_name": body.work_queue_name}
    creating = partial(
        flow_run_changes.create, db, body.flow_id, new, first, **place, deployment_id=of_deployment
    )
    if body.work_pool_name is not None:
        await check_place(db, body.work_pool_name, body.job_variables)
    try:
        row, is_new = await placed(db, body.work_pool_name, creating)
    except NoWorkPool as error:
        raise HTTPException(404, f'Work pool "{error.pool}" not found.') from error
    except NotFound as error:
        raise HTTPException(409, f"The flow {body.flow_id} does not exist.") from error
    return JsonAnswer(_shown(row), made(is_new))


async def _known(db: Db, deployment_id: UUID | None) -> UUID | None:
    """The deployment that a client names (older clients do), or None when it does not exist."""
    if deployment_id is None:
        return None
    try:
        return (await deployments.read(db, deployment_id)).id
    except NotFound:
        return None


@router.post("/filter", response_model=list[responses.FlowRun])
async def filter_flow_runs(db: Db, body: FlowRunPage | None = None) -> JsonAnswer:
    """Flow runs that match the filter."""
    body = body or FlowRunPage()
    rows = await search.flow_runs(db, body.search(), sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([_shown(row) for row in rows])


@router.post("/paginate", response_model=responses.FlowRunPages)
async def paginate_flow_runs(db: Db, body: FlowRunNumberedPage | None = None) -> JsonAnswer:
    """One page of the flow runs that match the filter."""
    body = body or FlowRunNumberedPage()
    return await numbered_page(db, body, search.flow_runs, search.count_flow_runs, _shown)


@router.post("/count")
async def count_flow_runs(db: Db, body: FlowRunSearch | None = None) -> int:
    """How many flow runs match the filter."""
    return await search.count_flow_runs(db, (body or FlowRunSearch()).search())


@router.post("/lateness")
async def average_lateness(db: Db, body: FlowRunSearch | None = None) -> float | None:
    """By how many seconds the flow runs that match the filter are late on average."""
    return await run_history.average_lateness_s(db, (body or FlowRunSearch()).search())


@router.post("/history", response_model=list[responses.HistoryInterval])
async def flow_run_history(body: FlowRunHistory, db: Db) -> JsonAnswer:
    """How many runs were in which state, interval by interval."""
    intervals = await run_history.history(db, "flow-run", body.search(), *span_of(body))
    return JsonAnswer([wire.history_interval(each) for each in intervals])


@router.get("/{id:uuid}", response_model=responses.FlowRun)
async def read_flow_run(id: UUID, db: Db) -> JsonAnswer:
    """The flow run with that id."""
    return JsonAnswer(_shown(await found(search.one_flow_run(db, id), "Flow run")))


@router.patch("/{id:uuid}", status_code=204)
async def update_flow_run(id: UUID, body: FlowRunUpdate, db: Db) -> Response:
    """Change a flow run; only fields in the body change."""
    values: dict[str, Any] = body.model_dump(mode="json", exclude_unset=True)
    for name in ("parameters", "job_variables"):  # as the client sent them, not as the model dumps them
        if name in values:
            values[name] = getattr(body, name)
    if values.get("name", "") is None:
        values["name"] = generate_name()
    if values.get("job_variables") is not None:
        run = (await found(search.one_flow_run(db, id), "Flow run")).run
        await check_new_variables(db, run, values["job_variables"])
    if values:
        await found(flow_run_changes.change(db, id, values), "Flow run")
    else:
        await found(search.one_flow_run(db, id), "Flow run")
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_flow_run(id: UUID, db: Db) -> Response:
    """Remove a flow run with everything recorded of it."""
    await found(flow_runs.delete(db, id), "Flow run")
    return no_content()


@router.post(
    "/{id:uuid}/set_state",
    response_model=responses.OrchestrationResult,
    responses={201: {"model": responses.OrchestrationResult}},
)
async def set_flow_run_state(id: UUID, body: SetState, db: Db) -> JsonAnswer:
    """Propose a state: 201 when one was written, 200 when the rules left the run as it is."""
    became = await flow_run_changes.propose(db, id, body.state.as_state(), force=body.force)
    state = wire.flow_run_state(became.state) if became.state else None
    return JsonAnswer(wire.orchestration(became.verdict, state), made(became.written))


@router.post(
    "/{id:uuid}/resume",
    response_model=responses.OrchestrationResult,
    responses={201: {"model": responses.OrchestrationResult}},
)
async def resume_flow_run(id: UUID, db: Db, body: Resume | None = None) -> JsonAnswer:
    """Let a paused or suspended run go on, with an input when it waits for one."""
    answer, written = await resume(db, id, (body or Resume()).run_input)
    return JsonAnswer(answer, made(written))


@router.patch("/{id:uuid}/labels", status_code=204)
async def update_flow_run_labels(id: UUID, body: Labels, db: Db) -> Response:
    """Add labels to a flow run; a label that it has already gets the new value."""
    await there(flow_run_changes.merge_labels(db, id, body), "Flow run")
    return no_content()
