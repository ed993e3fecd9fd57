"""Work queues by their ids; without a pool's name a queue belongs to the default pool."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response

from ...pools.default_pool import ensure_default_pool
from ...runtime.foundation.errors import NoWorkPool
from ...runtime.store import place_search, polling, search, work_queues
from ...runtime.store.filters import FlowRunFilter, FlowRunState, Ids, Search, TextsOrNot, WorkQueueFilter
from ...runtime.store.work_pools import DEFAULT_POOL, DEFAULT_QUEUE
from ...runtime.store.work_queues import POLLED_WITHIN_S
from .. import responses as run_responses
from .. import responses_places as responses
from .. import slot_status, wire, wire_places
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found, there
from ..schemas_places import QueuePoll, SlotPage, WorkQueueCreate, WorkQueuePage, WorkQueueUpdate
from .work_pool_queues import new_queue, queue_changes
from .work_pools import END_OF_TIME

router = APIRouter(prefix="/work_queues", tags=["Work Queues"])


@router.post("/", status_code=201, response_model=responses.WorkQueueInPool)
async def create_work_queue(body: WorkQueueCreate, db: Db) -> JsonAnswer:
    """Make a queue in the default pool: 409 when it has one of that name. A missing pool is made."""
    try:
        row = await work_queues.create(db, DEFAULT_POOL, new_queue(body))
    except NoWorkPool:
        await ensure_default_pool(db)
        if body.name == DEFAULT_QUEUE:  # it came with the pool
            row = await work_queues.read(db, DEFAULT_POOL, DEFAULT_QUEUE)
        else:
            row = await work_queues.create(db, DEFAULT_POOL, new_queue(body))
    return JsonAnswer(wire_places.work_queue_response(row), 201)


@router.post("/filter", response_model=list[responses.WorkQueueInPool])
async def filter_work_queues(db: Db, body: WorkQueuePage | None = None) -> JsonAnswer:
    """Queues of all pools that match the filter, by name."""
    body = body or WorkQueuePage()
    rows = await place_search.work_queues(db, body.work_queues, limit=body.limit, offset=body.offset)
    return JsonAnswer([wire_places.work_queue_response(row) for row in rows])


@router.get("/name/{name}", response_model=responses.WorkQueueInPool)
async def read_work_queue_by_name(name: str, db: Db) -> JsonAnswer:
    """The queue of that name in the default pool."""
    row = await found(work_queues.read(db, DEFAULT_POOL, name), "Work queue")
    return JsonAnswer(wire_places.work_queue_response(row))


@router.get("/{id:uuid}", response_model=responses.WorkQueueInPool)
async def read_work_queue(id: UUID, db: Db) -> JsonAnswer:
    """The queue with that id."""
    row = await found(work_queues.read_by_id(db, id), "Work queue")
    return JsonAnswer(wire_places.work_queue_response(row))


@router.patch("/{id:uuid}", status_code=204)
async def update_work_queue(id: UUID, body: WorkQueueUpdate, db: Db) -> Response:
    """Change a queue; only fields in the body change."""
    row = await found(work_queues.read_by_id(db, id), "Work queue")
    changing = work_queues.change(db, row.work_pool_name, row.name, queue_changes(body))
    await found(changing, "Work queue")
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_work_queue(id: UUID, db: Db) -> Response:
    """Remove a queue; its runs and deployments go to the pool's default queue, which stays (403)."""
    row = await found(work_queues.read_by_id(db, id), "Work queue")
    await found(work_queues.delete(db, row.work_pool_name, row.name), "Work queue")
    return no_content()


@router.post("/{id:uuid}/get_runs", response_model=list[run_responses.FlowRun])
async def read_work_queue_runs(
    id: UUID,
    db: Db,
    body: QueuePoll | None = None,
    x_prefect_ui: Annotated[bool | None, Header(include_in_schema=False)] = False,
) -> JsonAnswer:
    """Runs of the queue that may be taken, by time. Asking marks the queue as polled, unless the UI asks."""
    body = body or QueuePoll()
    row = await there(work_queues.read_by_id(db, id), "Work queue")
    before = body.scheduled_before or END_OF_TIME
    offered = await polling.of_pool(db, row.work_pool_id, before=before, queue_ids=[row.id], limit=body.limit)
    if not x_prefect_ui:
        await work_queues.polled(db, [row.id])
    runs = await search.flow_runs_by_id(db, [run_id for run_id, _ in offered])
    return JsonAnswer([wire.flow_run_response(*run) for run in runs])


@router.post("/{id:uuid}/concurrency_status", response_model=responses.QueueSlots)
async def read_concurrency_status(id: UUID, db: Db, body: SlotPage | None = None) -> JsonAnswer:
    """The runs that hold the queue's slots."""
    row = await found(work_queues.read_by_id(db, id), "Work queue")
    return JsonAnswer(await slot_status.of_queue(db, row, body or SlotPage()))


@router.get("/{id:uuid}/status", response_model=responses.QueueHealth)
async def read_work_queue_status(id: UUID, db: Db) -> JsonAnswer:
    """Whether the queue is polled and none of its runs is late."""
    row = await there(work_queues.read_by_id(db, id), "Work queue")
    late = Search(
        flow_runs=FlowRunFilter(state=FlowRunState(name=TextsOrNot(any_=["Late"]))),
        work_pool_queues=WorkQueueFilter(id=Ids(any_=[row.id])),
    )
    count = await search.count_flow_runs(db, late)
    since = row.last_polled
    polled = since is not None and await db.time() - since <= timedelta(seconds=POLLED_WITHIN_S)
    return JsonAnswer(
        {
            "healthy": polled and count == 0,
            "late_runs_count": count,
            "last_polled": since,
            "health_check_policy": {
                "maximum_late_runs": 0,
                "maximum_seconds_since_last_polled": int(POLLED_WITHIN_S),
            },
        }
    )
