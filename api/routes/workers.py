"""Workers of work pools."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...runtime.store import place_search, workers
from .. import responses_places as responses
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..schemas_places import Heartbeat, WorkerPage

router = APIRouter(prefix="/work_pools/{work_pool_name}/workers", tags=["Workers"])


@router.post("/heartbeat", status_code=204)
async def worker_heartbeat(work_pool_name: str, body: Heartbeat, db: Db) -> Response:
    """Note that a worker is alive; its first heartbeat registers it."""
    beat = workers.heartbeat(db, work_pool_name, body.name, body.heartbeat_interval_seconds)
    await found(beat, f'Work pool "{work_pool_name}"')
    return no_content()


@router.post("/filter", response_model=list[responses.Worker])
async def filter_workers(work_pool_name: str, db: Db, body: WorkerPage | None = None) -> JsonAnswer:
    """Workers of the pool that match the filter, the latest heartbeat first."""
    body = body or WorkerPage()
    reading = place_search.workers(
        db, body.workers, pool_name=work_pool_name, limit=body.limit, offset=body.offset
    )
    rows = await found(reading, f'Work pool "{work_pool_name}"')
    return JsonAnswer([responses.Worker.of(row) for row in rows])


@router.delete("/{name}", status_code=204)
async def delete_worker(work_pool_name: str, name: str, db: Db) -> Response:
    """Forget a worker."""
    await found(workers.delete(db, work_pool_name, name), "Worker")
    return no_content()
