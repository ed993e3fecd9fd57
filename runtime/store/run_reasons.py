"""In one line why each of many flow runs failed or waits: read for a whole page at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..rules.deciding import PLACEMENT
from .database.database import Database
from .database.rows import HOLDING
from .database.tables import rule_decision, work_queue
from .work_pools import selected as selected_pools

LONGEST = 300  # characters
_TELLING = frozenset({"FAILED", "CRASHED", "CANCELLED", "CANCELLING", "PAUSED"})


class Facts(NamedTuple):
    """What is known of a run when its reason is looked for. `message` is that of its state."""

    id: UUID
    state_type: str | None
    state_name: str | None
    message: str | None
    deployment_id: UUID | None
    work_queue_id: UUID | None


async def read(db: Database, connection: AsyncConnection, runs: Sequence[Facts]) -> dict[UUID, str]:
    """The reasons of those runs that have one."""
    found: dict[UUID, str] = {}
    waiting: list[Facts] = []
    for run in runs:
        if run.state_type in _TELLING or run.state_name == "AwaitingRetry":
            if run.message:
                found[run.id] = _one_line(run.message)
        elif run.state_type == "SCHEDULED" and run.state_name == "Late":
            waiting.append(run)
        elif run.state_name == "AwaitingConcurrencySlot":
            found[run.id] = "waits for a slot of a concurrency limit"
    found |= await _unplaced(connection, [run.id for run in runs if run.state_type in HOLDING])
    places = await _places(db, connection, {run.work_queue_id for run in waiting if run.work_queue_id})
    for run in waiting:
        if run.work_queue_id is None:
            text = "no work pool" if run.deployment_id else "no deployment: only its client can start it"
        else:
            text = places.get(run.work_queue_id, "its work queue is gone")
        if text:
            found[run.id] = text
    return found


async def _unplaced(connection: AsyncConnection, run_ids: list[UUID]) -> dict[UUID, str]:
    """Runs at work with a call that no node of the cluster can carry out."""
    if not run_ids:
        return {}
    columns = rule_decision.c
    newest = (
        select(func.max(columns.id))
        .where(columns.rule == PLACEMENT, columns.flow_run_id.in_(run_ids))
        .group_by(columns.flow_run_id)
    )
    told = select(columns.flow_run_id, columns.reason).where(
        columns.id.in_(newest), columns.outcome != "ACCEPT"
    )
    return {row[0]: _one_line(row[1]) for row in await connection.execute(told)}


async def _places(db: Database, connection: AsyncConnection, queue_ids: set[UUID]) -> dict[UUID, str]:
    """What keeps late runs of these queues waiting; "" where nothing is wrong with the place."""
    if not queue_ids:
        return {}
    queues = await connection.execute(
        select(work_queue.c.id, work_queue.c.name, work_queue.c.is_paused, work_queue.c.work_pool_id).where(
            work_queue.c.id.in_(queue_ids)
        )
    )
    rows = queues.all()
    of_queues = selected_pools(db).where(selected_pools(db).selected_columns.id.in_([row[3] for row in rows]))
    pools = {pool["id"]: pool for pool in (await connection.execute(of_queues)).mappings()}
    return {row.id: _place(row, pools[row.work_pool_id]) for row in rows if row.work_pool_id in pools}


def _place(queue: Any, pool: Any) -> str:
    if pool["is_paused"]:
        return f"work pool {pool['name']} is paused"
    if queue.is_paused:
        return f"work queue {queue.name} is paused"
    if pool["type"] != "ray" and pool["status"] == "NOT_READY":
        return f"no worker of {pool['name']} is online"
    most, active = pool["concurrency_limit"], pool["active_slots"]
    if most is not None and active is not None and active >= most:
        return f"waits for a slot of {pool['name']} ({active} of {most})"
    return ""


def _one_line(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return first if len(first) <= LONGEST else f"{first[:LONGEST]}…"
