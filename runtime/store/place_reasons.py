"""Why a due run is not started: what is paused, missing or full where it waits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..scheduling.schedule_slots import LATE_AFTER_S
from .database.database import Database
from .database.rows import HOLDING, OCCUPYING, FlowRunRow
from .database.setup_tables import concurrency_limit
from .database.tables import deployment, flow_run, task_run, work_pool, work_queue, worker
from .deployment_slots import limits_of_place
from .work_pools import selected as selected_pools
from .work_queues import POLLED_WITHIN_S
from .workers import is_online

_HOLDERS_SHOWN = 10
_MOST_AROUND = 100  # levels of parent runs


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a run waits for. `holders` are the runs that have what it needs."""

    code: str
    text: str
    since: datetime | None = None
    hint: str | None = None
    holders: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


async def of_place(
    db: Database, connection: AsyncConnection, run: FlowRunRow, due_at: datetime, now: datetime
) -> list[Reason]:
    """Everything that keeps a due run waiting, the most important first."""
    owner = None
    if run.deployment_id is not None:
        found = await connection.execute(select(deployment).where(deployment.c.id == run.deployment_id))
        owner = found.mappings().first()
        if owner is None:
            return [Reason("deployment-deleted", "its deployment was deleted, so it will not be started")]
    late_s = (now - due_at).total_seconds()
    if run.work_queue_id is None:
        reasons = [_without_queue(run, owner, now, late_s)]
    else:
        reasons = [each async for each in _in_queue(db, connection, run, now, late_s)]
    reasons += [each async for each in limits(connection, run)]
    told = [each for each in reasons if each is not None]
    if owner is not None and owner["paused"]:
        text = "its deployment is paused, which stops its schedules but not this run"
        hint = f"heliostat deployment resume {owner['id']}"
        told.append(Reason("deployment-paused", text, owner["updated"], hint))
    return told


def _without_queue(run: FlowRunRow, owner: Any, now: datetime, late_s: float) -> Reason | None:
    if owner is None:
        return Reason("no-deployment", "it belongs to no deployment, so only its client can start it")
    if owner["work_pool_id"] is not None:
        text = "the work queue that it waited in is gone, so no worker is given it"
        return Reason("no-such-queue", text, None, f"heliostat deployment run {owner['id']}")
    last: datetime | None = owner["last_polled"]
    if last is None or (now - last).total_seconds() > POLLED_WITHIN_S:
        text = (
            "its deployment has no work pool (it never had one, or the pool was deleted), and no process "
            "that serves it asks for its runs"
        )
        return Reason("no-worker", text, last, "start the script that serves it, or give it a work pool")
    if late_s < LATE_AFTER_S:
        return None
    text = "the process that serves its deployment asks for runs and has not begun this one: it may be full"
    return Reason("workers-busy", text, last)


async def _in_queue(
    db: Database, connection: AsyncConnection, run: FlowRunRow, now: datetime, late_s: float
) -> AsyncGenerator[Reason]:
    found = await connection.execute(select(work_queue).where(work_queue.c.id == run.work_queue_id))
    queue = found.mappings().first()
    if queue is None:
        text = "the work queue that it waited in is gone, so no worker is given it"
        yield Reason("no-such-queue", text, None, "run its deployment again")
        return
    of_queue = work_pool.c.id == queue["work_pool_id"]
    pool = (await connection.execute(selected_pools(db).where(of_queue))).mappings().one()
    if pool["is_paused"]:
        hint = f"heliostat work-pool resume {pool['name']}"
        yield Reason("pool-paused", f"work pool {pool['name']!r} is paused", pool["updated"], hint)
    if queue["is_paused"]:
        hint = f"heliostat work-queue resume {queue['name']} --pool {pool['name']}"
        yield Reason("queue-paused", f"work queue {queue['name']!r} is paused", queue["updated"], hint)
    if pool["type"] == "ray" or pool["is_paused"] or queue["is_paused"]:
        return
    polled: datetime | None = queue["last_polled"]
    start = f"heliostat worker start --pool {pool['name']}"
    if polled is not None and (now - polled).total_seconds() <= POLLED_WITHIN_S:
        if late_s >= LATE_AFTER_S and not [each async for each in limits(connection, run)]:
            text = (
                f"workers of work pool {pool['name']!r} ask for runs and have not taken this one: they may "
                "be at their own limit (`worker start --limit`)"
            )
            yield Reason("workers-busy", text, polled, start)
    elif pool["status"] == "NOT_READY":
        yield Reason("no-worker", f"no worker of work pool {pool['name']!r} is online", polled, start)
    elif late_s >= LATE_AFTER_S:
        online = is_online(db) & (worker.c.work_pool_id == pool["id"])
        names = ", ".join(await connection.scalars(select(worker.c.name).where(online).limit(3)))
        text = f"no worker asks for runs of work queue {queue['name']!r}: {names} serve other queues"
        hint = f"{start} --work-queue {queue['name']}"
        yield Reason("queue-not-polled", text, polled, hint)


async def limits(connection: AsyncConnection, run: FlowRunRow) -> AsyncGenerator[Reason]:
    """Limits of deployment, queue and pool that are reached, with the runs that hold the slots."""
    for each in [*await _of_deployment(connection, run), *await _of_queue_and_pool(connection, run)]:
        if reason := await _full(connection, run, each):
            yield reason


class _Limit(NamedTuple):
    """How many runs of the condition `held` there may be. `code` is that of the reason when there are."""

    code: str
    name: str
    most: int
    held: ColumnElement[bool]


async def _of_deployment(connection: AsyncConnection, run: FlowRunRow) -> list[_Limit]:
    table, shared = deployment.c, concurrency_limit.c
    found = await connection.execute(
        select(table.concurrency_limit, table.name, shared.id, shared.name, shared.slot_limit)
        .outerjoin(concurrency_limit, (shared.id == table.global_concurrency_limit_id) & shared.active)
        .where(table.id == run.deployment_id)
    )
    row = found.first()
    if row is None:
        return []
    own_limit, name, shared_id, shared_name, shared_limit = row
    holding = flow_run.c.state_type.in_(HOLDING)
    told: list[_Limit] = []
    if shared_id is not None:
        sharing = select(table.id).where(table.global_concurrency_limit_id == shared_id)
        held = holding & flow_run.c.deployment_id.in_(sharing)
        told.append(_Limit("deployment-limit", f"concurrency limit {shared_name!r}", shared_limit, held))
    if own_limit is not None:
        held = holding & (flow_run.c.deployment_id == run.deployment_id)
        told.append(_Limit("deployment-limit", f"deployment {name!r}", own_limit, held))
    return told


async def _of_queue_and_pool(connection: AsyncConnection, run: FlowRunRow) -> list[_Limit]:
    place = await limits_of_place(connection, run.work_queue_id)
    if place is None:
        return []
    occupying = flow_run.c.state_type.in_(OCCUPYING)
    told: list[_Limit] = []
    if place.queue_limit is not None:
        held = occupying & (flow_run.c.work_queue_id == run.work_queue_id)
        told.append(_Limit("queue-limit", f"work queue {place.queue_name!r}", place.queue_limit, held))
    if place.pool_limit is not None:
        queues = select(work_queue.c.id).where(work_queue.c.work_pool_id == place.pool_id)
        held = occupying & flow_run.c.work_queue_id.in_(queues)
        told.append(_Limit("pool-limit", f"work pool {place.pool_name!r}", place.pool_limit, held))
    return told


async def _full(connection: AsyncConnection, run: FlowRunRow, limit: _Limit) -> Reason | None:
    code, name, most, held = limit
    counted = await connection.scalar(select(func.count()).select_from(flow_run).where(held)) or 0
    if counted < most:
        return None
    if most <= 0:
        return Reason(code, f"the limit of {name} is 0, so none of its runs starts", None, "raise the limit")
    table = flow_run.c
    rows = await connection.execute(
        select(table.id, table.name, table.state_name, table.state_timestamp)
        .where(held)
        .order_by(table.state_timestamp)
        .limit(_HOLDERS_SHOWN)
    )
    holders = [{"id": str(row.id), "name": row.name, "state_name": row.state_name} for row in rows]
    names = ", ".join(holder["name"] for holder in holders[:3])
    more = "" if counted <= 3 else f" and {counted - 3} more"
    by = f"; held by {names}{more}" if holders else ""
    reason = Reason(code, f"the limit of {name} is reached ({counted} of {most}){by}", None, None, holders)
    return await _or_deadlock(connection, run, reason, counted)


async def _or_deadlock(connection: AsyncConnection, run: FlowRunRow, reason: Reason, counted: int) -> Reason:
    """The given reason, or another one when the slots are held by runs that wait for this run."""
    if run.parent_task_run_id is None or counted > len(reason.holders):
        return reason
    around = {str(each) for each in await runs_around(connection, run.parent_task_run_id)}
    if not all(holder["id"] in around for holder in reason.holders):
        return reason
    text = f"{reason.text}, which waits for this run: neither can go on"
    hint = f"raise the limit above {counted}, or give the sub-flow's deployment another queue"
    return replace(reason, code="deadlock", text=text, hint=hint)


async def runs_around(connection: AsyncConnection, parent_task_run_id: UUID | None) -> list[UUID]:
    """The flow runs that called a sub-flow run, the innermost first."""
    found: list[UUID] = []
    while parent_task_run_id is not None and len(found) < _MOST_AROUND:
        of_parent = select(task_run.c.flow_run_id).where(task_run.c.id == parent_task_run_id)
        joined = select(flow_run.c.id, flow_run.c.parent_task_run_id).where(
            flow_run.c.id == of_parent.scalar_subquery()
        )
        row = (await connection.execute(joined)).first()
        if row is None:
            break
        found.append(row.id)
        parent_task_run_id = row.parent_task_run_id
    return found
