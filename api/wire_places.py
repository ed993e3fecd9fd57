"""Work pools, queues and workers as the standard API's objects."""

from __future__ import annotations

from ..runtime.store.deployment_rows import WorkerRow, WorkPoolRow, WorkQueueRow
from .wire import Wire

_STORAGE: Wire = {
    "bundle_upload_step": None,
    "bundle_execution_step": None,
    "default_result_storage_block_id": None,
}


def work_pool(row: WorkPoolRow) -> Wire:
    """WorkPoolResponse."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "description": row.description,
        "type": row.type,
        "base_job_template": row.base_job_template,
        "is_paused": row.is_paused,
        "concurrency_limit": row.concurrency_limit,
        "status": row.status,
        "default_queue_id": row.default_queue_id,
        "storage_configuration": {**_STORAGE, **row.storage_configuration},
        "active_slots": row.active_slots,
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
    """WorkQueueResponse: WorkQueue, and how it is."""
    return {
        **work_queue(row),
        "work_pool_name": row.work_pool_name,
        "status": row.status,
        "active_slots": row.active_slots,
    }


def worker(row: WorkerRow) -> Wire:
    """WorkerResponse."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "work_pool_id": row.work_pool_id,
        "last_heartbeat_time": row.last_heartbeat_time,
        "heartbeat_interval_seconds": row.heartbeat_interval_seconds,
        "status": row.status,
    }
