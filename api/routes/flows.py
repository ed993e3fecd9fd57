"""Flows."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import flow_removal, flows, search
from .. import responses, wire
from ..answers import JsonAnswer, made, no_content
from ..database_access import Db
from ..errors import found
from ..schemas import FlowCreate, FlowNumberedPage, FlowPage, FlowSearch, FlowUpdate
from .numbered_pages import numbered_page

router = APIRouter(prefix="/flows", tags=["Flows"])


@router.post("/", response_model=responses.Flow, responses={201: {"model": responses.Flow}})
async def create_flow(body: FlowCreate, db: Db) -> JsonAnswer:
    """Record a flow; an existing one of its name is returned unchanged (200)."""
    row, is_new = await flows.create(db, body.name, body.tags, body.labels)
    return JsonAnswer(wire.flow(row), made(is_new))


@router.post("/filter", response_model=list[responses.Flow])
async def filter_flows(db: Db, body: FlowPage | None = None) -> JsonAnswer:
    """Flows that match the filter."""
    body = body or FlowPage()
    rows = await search.flows(db, body.search(), sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([wire.flow(row) for row in rows])


@router.post("/paginate", response_model=responses.FlowPages)
async def paginate_flows(db: Db, body: FlowNumberedPage | None = None) -> JsonAnswer:
    """One page of the flows that match the filter."""
    body = body or FlowNumberedPage()
    return await numbered_page(db, body, search.flows, search.count_flows, wire.flow)


@router.post("/count")
async def count_flows(db: Db, body: FlowSearch | None = None) -> int:
    """How many flows match the filter."""
    return await search.count_flows(db, (body or FlowSearch()).search())


@router.get("/name/{name}", response_model=responses.Flow)
async def read_flow_by_name(name: str, db: Db) -> JsonAnswer:
    """The flow of that name."""
    return JsonAnswer(wire.flow(await found(flows.read_by_name(db, name), "Flow")))


@router.get("/{id:uuid}", response_model=responses.Flow)
async def read_flow(id: UUID, db: Db) -> JsonAnswer:
    """The flow with that id."""
    return JsonAnswer(wire.flow(await found(flows.read(db, id), "Flow")))


@router.patch("/{id:uuid}", status_code=204)
async def update_flow(id: UUID, body: FlowUpdate, db: Db) -> Response:
    """Change a flow; only fields in the body change."""
    if "tags" in body.model_fields_set:
        await found(flows.change_tags(db, id, body.tags), "Flow")
    else:
        await found(flows.read(db, id), "Flow")
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_flow(id: UUID, db: Db) -> Response:
    """Remove a flow with all its runs."""
    await found(flow_removal.remove(db, id), "Flow")
    return no_content()
