"""Changing many flow runs and flows at once: at most fifty a request."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...runtime.foundation.errors import NotFound
from ...runtime.store import flow_removal, flow_run_changes, flow_runs, search
from ...runtime.store.filters import Search
from .. import wire
from ..answers import JsonAnswer
from ..database_access import Db
from ..models import ui as models

router = APIRouter()


@router.post("/flows/bulk_delete", response_model=models.Deleted, tags=["Flows"])
async def bulk_delete_flows(db: Db, body: models.BulkFlows | None = None) -> JsonAnswer:
    """Remove flows that match the filter, with all their runs."""
    body = body or models.BulkFlows()
    deleted: list[UUID] = []
    for row in await search.flows(db, Search(flows=body.flows), limit=body.limit):
        with suppress(NotFound):
            await flow_removal.remove(db, row.id)
            deleted.append(row.id)
    return JsonAnswer({"deleted": deleted})


@router.post("/flow_runs/bulk_delete", response_model=models.Deleted, tags=["Flow Runs"])
async def bulk_delete_flow_runs(db: Db, body: models.BulkFlowRuns | None = None) -> JsonAnswer:
    """Remove flow runs that match the filter, with everything recorded of them."""
    body = body or models.BulkFlowRuns()
    deleted: list[UUID] = []
    for found in await search.flow_runs(db, Search(flow_runs=body.flow_runs), limit=body.limit):
        with suppress(NotFound):  # a sub-flow run has gone with its parent
            await flow_runs.delete(db, found.run.id)
        deleted.append(found.run.id)
    return JsonAnswer({"deleted": deleted})


@router.post("/flow_runs/bulk_set_state", response_model=models.BulkResults, tags=["Flow Runs"])
async def bulk_set_state(body: models.BulkSetState, db: Db) -> JsonAnswer:
    """Propose a state to each flow run that matches the filter; the answer has the decision for each run."""
    results: list[dict[str, Any]] = []
    for found in await search.flow_runs(db, Search(flow_runs=body.flow_runs), limit=body.limit):
        try:
            became = await flow_run_changes.propose(db, found.run.id, body.state.as_state(), force=body.force)
        except NotFound:
            continue
        state = wire.flow_run_state(became.state) if became.state else None
        results.append({"flow_run_id": found.run.id, **wire.orchestration(became.verdict, state)})
    return JsonAnswer({"results": results})
