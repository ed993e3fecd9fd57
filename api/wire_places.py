"""Work pools, queues and workers as the standard API's objects."""

from __future__ import annotations

from ..runtime.store.deployment_rows import WorkPoolRow, WorkQueueRow
from . import responses_places
from .client_versions import RESULT_STORAGE_OF_POOLS, ClientVersion
from .wire import Wire

AGENT = "prefect-agent"  # the type of a pool that is made without a type

_STORAGE: Wire = {
    "bundle_upload_step": None,
    "bundle_execution_step": None,
    "default_result_storage_block_id": None,
}


def work_pool(row: WorkPoolRow, client: ClientVersion | None = None) -> Wire:
    """WorkPoolResponse, as a client of that version knows it. Pools of agents have no status until ready."""
    storage: Wire = {**_STORAGE, **row.storage_configuration}
    if client is not None and client < RESULT_STORAGE_OF_POOLS:
        del storage["default_result_storage_block_id"]
    return {
        **responses_places.WorkPool.of(row),
        "status": None if row.type == AGENT and row.status == "NOT_READY" else row.status,
        "storage_configuration": storage,
    }


def work_queue(row: WorkQueueRow) -> Wire:
    """WorkQueue."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "description": row.description,
        "is_paused": row.is_paused,
        "concurrency_limit": row.concurrency_limit,
        "priority": row.priority,
        "work_pool_id": row.work_pool_id,
        "filter": None,
        "last_polled": row.last_polled,
    }


def work_queue_response(row: WorkQueueRow) -> Wire:
    """WorkQueueResponse: WorkQueue with its pool's name, its status and its busy slots."""
    return {
        **work_queue(row),
        "work_pool_name": row.work_pool_name,
        "status": row.status,
        "active_slots": row.active_slots,
    }
