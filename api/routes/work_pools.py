"""Work pools."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from ...pools.known_types import pool_types
from ...pools.templates import read_job_template
from ...runtime.store import place_search, polling, search, work_pools, work_queues
from ...runtime.store.deployment_rows import NewWorkPool
from .. import responses_places as responses
from .. import slot_status, wire, wire_places
from ..answers import JsonAnswer, no_content
from ..client_versions import Client
from ..database_access import Db
from ..deployment_checks import check_defaults
from ..errors import found
from ..schemas_places import (
    PoolPoll,
    PoolSlotPage,
    WorkPoolCreate,
    WorkPoolPage,
    WorkPoolSearch,
    WorkPoolUpdate,
)

router = APIRouter(prefix="/work_pools", tags=["Work Pools"])

END_OF_TIME = datetime(9999, 12, 30, tzinfo=UTC)


@router.post("/", status_code=201, response_model=responses.WorkPool)
async def create_work_pool(body: WorkPoolCreate, db: Db, client: Client) -> JsonAnswer:
    """Make a work pool with its default queue: 409 when there is one of that name.

    A pool without a template gets the one of its type, if this server knows the type. A block that a default
    of the template refers to must exist (404).
    """
    template = body.base_job_template or await asyncio.to_thread(_template_of, body.type)
    await check_defaults(db, template)
    new = NewWorkPool(
        name=body.name,
        type=body.type,
        description=body.description,
        base_job_template=template,
        is_paused=body.is_paused,
        concurrency_limit=body.concurrency_limit,
        storage_configuration=body.storage_configuration.model_dump(mode="json"),
    )
    return JsonAnswer(wire_places.work_pool(await work_pools.create(db, new), client), 201)


def _template_of(kind: str) -> dict[str, Any]:
    known = pool_types().get(kind)
    return known.default_base_job_template() if known else {}


@router.post("/filter", response_model=list[responses.WorkPool])
async def filter_work_pools(db: Db, client: Client, body: WorkPoolPage | None = None) -> JsonAnswer:
    """Work pools that match the filter."""
    body = body or WorkPoolPage()
    rows = await place_search.work_pools(db, body.work_pools, body.limit, body.offset)
    return JsonAnswer([wire_places.work_pool(row, client) for row in rows])


@router.post("/count")
async def count_work_pools(db: Db, body: WorkPoolSearch | None = None) -> int:
    """How many work pools match the filter."""
    return await place_search.count_work_pools(db, (body or WorkPoolSearch()).work_pools)


@router.get("/{name}", response_model=responses.WorkPool)
async def read_work_pool(name: str, db: Db, client: Client) -> JsonAnswer:
    """The work pool of that name."""
    row = await found(work_pools.read(db, name), f'Work pool "{name}"')
    return JsonAnswer(wire_places.work_pool(row, client))


@router.patch("/{name}", status_code=204)
async def update_work_pool(name: str, body: WorkPoolUpdate, db: Db) -> Response:
    """Change a work pool; only fields in the body change."""
    changes: dict[str, Any] = body.model_dump(mode="json", exclude_unset=True)
    for field in ("is_paused", "base_job_template", "storage_configuration"):
        if field in changes and changes[field] is None:
            del changes[field]
    if body.base_job_template is not None:
        read_job_template(body.base_job_template)
    await found(work_pools.change(db, name, changes), f'Work pool "{name}"')
    return no_content()


@router.delete("/{name}", status_code=204)
async def delete_work_pool(name: str, db: Db) -> Response:
    """Remove a work pool with its queues and workers; deployments and runs stay, without a pool."""
    await found(work_pools.delete(db, name), f'Work pool "{name}"')
    return no_content()


@router.post("/{name}/get_scheduled_flow_runs", response_model=list[responses.PolledRun])
async def get_scheduled_flow_runs(name: str, db: Db, body: PoolPoll | None = None) -> JsonAnswer:
    """Runs that a worker of the pool may take: by the queues' priority, then by time, within the free slots.

    Reading does not take a run: the worker that proposes PENDING first gets it.
    """
    body = body or PoolPoll()
    pool = await found(work_pools.read(db, name), f'Work pool "{name}"')
    queues = await _queues(db, name, body.work_queue_names)
    offered = await polling.of_pool(
        db,
        pool.id,
        before=body.scheduled_before or END_OF_TIME,
        after=body.scheduled_after,
        queue_ids=queues.values(),
        limit=body.limit,
    )
    await work_queues.polled(db, queues.values())
    runs = await search.flow_runs_by_id(db, [run_id for run_id, _ in offered])
    return JsonAnswer(
        [
            {
                "work_pool_id": pool.id,
                "work_queue_id": found_run.run.work_queue_id,
                "flow_run": wire.flow_run(found_run.run, found_run.state),
            }
            for found_run in runs
        ]
    )


@router.post("/{name}/concurrency_status", response_model=responses.PoolSlots)
async def read_concurrency_status(name: str, db: Db, body: PoolSlotPage | None = None) -> JsonAnswer:
    """The queues of the pool, with the runs that hold their slots."""
    pool = await found(work_pools.read(db, name), f'Work pool "{name}"')
    return JsonAnswer(await slot_status.of_pool(db, pool, body or PoolSlotPage()))


async def _queues(db: Db, pool_name: str, names: list[str]) -> dict[str, Any]:
    """Ids of the queues with those names, or of all queues when no name is given."""
    known = {row.name: row.id for row in await work_queues.list(db, pool_name, limit=100_000)}
    for name in names:
        if name not in known:
            raise HTTPException(404, f"Work queue '{name}' not found in work pool '{pool_name}'.")
    return {name: known[name] for name in names} if names else known
