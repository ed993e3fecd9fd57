"""Queues of work pools."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ...runtime.store import place_search, work_queues
from ...runtime.store.deployment_rows import NewWorkQueue
from .. import responses_places as responses
from .. import wire_places
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..schemas_places import WorkQueueCreate, WorkQueuePage, WorkQueueUpdate

router = APIRouter(prefix="/work_pools/{work_pool_name}/queues", tags=["Work Queues"])


def new_queue(body: WorkQueueCreate) -> NewWorkQueue:
    """A request for a queue as the store takes it."""
    return NewWorkQueue(
        body.name, body.description or "", body.priority, body.is_paused, body.concurrency_limit
    )


def queue_changes(body: WorkQueueUpdate) -> dict[str, Any]:
    """The fields that a request changes; a null leaves a field that cannot be empty as it is."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True, exclude={"filter"})
    return {
        name: value
        for name, value in changes.items()
        if value is not None or name in ("description", "concurrency_limit")
    }


@router.post("", status_code=201, response_model=responses.WorkQueueInPool)
async def create_work_pool_queue(work_pool_name: str, body: WorkQueueCreate, db: Db) -> JsonAnswer:
    """Make a queue: 409 when the pool has one of that name. Queues at its priority and below move down."""
    row = await found(
        work_queues.create(db, work_pool_name, new_queue(body)), f'Work pool "{work_pool_name}"'
    )
    return JsonAnswer(wire_places.work_queue_response(row), 201)


@router.post("/filter", response_model=list[responses.WorkQueueInPool])
async def filter_work_pool_queues(
    work_pool_name: str, db: Db, body: WorkQueuePage | None = None
) -> JsonAnswer:
    """Queues of the pool that match the filter, by priority."""
    body = body or WorkQueuePage()
    reading = place_search.work_queues(
        db, body.work_queues, pool_name=work_pool_name, limit=body.limit, offset=body.offset
    )
    rows = await found(reading, f'Work pool "{work_pool_name}"')
    return JsonAnswer([wire_places.work_queue_response(row) for row in rows])


@router.get("/{name}", response_model=responses.WorkQueueInPool)
async def read_work_pool_queue(work_pool_name: str, name: str, db: Db) -> JsonAnswer:
    """The queue of that name in that pool."""
    row = await found(work_queues.read(db, work_pool_name, name), "Work queue")
    return JsonAnswer(wire_places.work_queue_response(row))


@router.patch("/{name}", status_code=204)
async def update_work_pool_queue(work_pool_name: str, name: str, body: WorkQueueUpdate, db: Db) -> Response:
    """Change a queue; only fields in the body change."""
    await found(work_queues.change(db, work_pool_name, name, queue_changes(body)), "Work queue")
    return no_content()


@router.delete("/{name}", status_code=204)
async def delete_work_pool_queue(work_pool_name: str, name: str, db: Db) -> Response:
    """Remove a queue; its runs and deployments go to the pool's default queue, which stays (403)."""
    await found(work_queues.delete(db, work_pool_name, name), "Work queue")
    return no_content()
