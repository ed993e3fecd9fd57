"""The runs that hold slots of pools and queues, as the standard's concurrency status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from ..runtime.store import place_search, slot_holders, work_queues
from ..runtime.store.database.database import Database
from ..runtime.store.deployment_rows import WorkPoolRow, WorkQueueRow
from ..runtime.store.slot_holders import SlotHolder
from .schemas_places import PoolSlotPage, SlotPage
from .wire import Wire


async def of_queue(db: Database, queue: WorkQueueRow, body: SlotPage) -> Wire:
    """WorkQueueConcurrencyStatus: a page of the runs that hold the queue's slots."""
    active = (await slot_holders.count_by_queue(db, [queue.id])).get(queue.id, 0)
    offset = (body.page - 1) * body.limit
    holders = await slot_holders.of_queue(db, queue.id, limit=body.limit, offset=offset)
    return {
        "active_slots": active,
        "concurrency_limit": queue.concurrency_limit,
        "flow_runs": _summaries(holders, await db.time()),
        **_page(active, body),
    }


async def of_pool(db: Database, pool: WorkPoolRow, body: PoolSlotPage) -> Wire:
    """WorkPoolConcurrencyStatus: a page of the pool's queues, each with the first holders of its slots."""
    everything = await work_queues.list(db, pool.name, limit=100_000)
    active = await slot_holders.count_by_queue(db, [queue.id for queue in everything])
    offset = (body.page - 1) * body.limit
    now = await db.time()
    queues = await place_search.work_queues(db, None, pool_name=pool.name, limit=body.limit, offset=offset)
    return {
        "active_slots": sum(active.values()),
        "concurrency_limit": pool.concurrency_limit,
        "queues": [
            {
                "queue_id": queue.id,
                "queue_name": queue.name,
                "active_slots": active.get(queue.id, 0),
                "concurrency_limit": queue.concurrency_limit,
                "flow_runs": _summaries(
                    await slot_holders.of_queue(db, queue.id, limit=body.flow_run_limit), now
                ),
                "flow_run_count": active.get(queue.id, 0),
            }
            for queue in queues
        ],
        **_page(len(everything), body),
    }


def _page(count: int, body: SlotPage) -> Wire:
    pages = math.ceil(count / body.limit) if body.limit else 0
    return {"count": count, "limit": body.limit, "pages": pages, "page": body.page}


def _summaries(holders: Sequence[SlotHolder], now: datetime) -> list[Wire]:
    """Runs that hold slots; `now` is the database's time, as their times are."""
    return [
        {
            "id": holder.id,
            "name": holder.name,
            "state_type": holder.state_type,
            "state_name": holder.state_name,
            "start_time": holder.start_time,
            "state_timestamp": since,
            "time_in_current_state": None if since is None else (now - since).total_seconds(),
        }
        for holder in holders
        for since in (holder.state_timestamp,)
    ]
