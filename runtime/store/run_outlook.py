"""What a run of a deployment would meet if it were made now: what it waits for, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import place_reasons, run_figures
from .database.database import Database
from .database.rows import OCCUPYING, FlowRunRow
from .database.tables import flow_run, work_pool, work_queue
from .deployment_rows import DeploymentRow
from .place_reasons import Reason
from .run_figures import UsualLength


@dataclass(frozen=True, slots=True)
class QueueOutlook:
    """The queue that the run would wait in. `ahead` are due runs that were there before it."""

    pool: str
    queue: str
    exists: bool
    limit: int | None
    pool_limit: int | None
    at_work: int
    ahead: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """`reasons` keep it waiting, as things stand now. `same_key` is the run that has the idempotency key:
    it is given back, and no run is made. `at_work` are runs of the deployment that have begun.
    """

    due_at: datetime | None
    reasons: list[Reason]
    queue: QueueOutlook | None
    usual: UsualLength | None
    same_key: dict[str, str] | None
    at_work: list[dict[str, Any]]
    limit: int | None


async def read(
    db: Database,
    owner: DeploymentRow,
    *,
    queue_name: str | None = None,
    due_at: datetime | None = None,
    idempotency_key: str | None = None,
) -> Outlook:
    """The outlook of a run of a deployment that the caller has just read."""
    now = await db.time()
    async with db.read() as connection:
        queue_id = await _queue_id(connection, owner, queue_name)
        usual = await run_figures.usual_lengths_within(db, connection, (), [owner.id])
        is_due = due_at is None or due_at <= now
        reasons: list[Reason] = []
        if is_due and (queue_id is not None or owner.work_pool_id is None):
            run = _imagined(owner, queue_id, now)
            reasons = await place_reasons.of_place(db, connection, run, now, now)
        return Outlook(
            due_at=due_at,
            reasons=reasons,
            queue=await _queue(connection, owner, queue_name, queue_id, due_at or now),
            usual=usual.get(owner.id),
            same_key=await _same_key(connection, owner, idempotency_key),
            at_work=await _at_work(connection, owner.id),
            limit=owner.concurrency_limit,
        )


async def _queue_id(connection: AsyncConnection, owner: DeploymentRow, name: str | None) -> UUID | None:
    if name is None or owner.work_pool_id is None or name == owner.work_queue_name:
        return owner.work_queue_id
    named = select(work_queue.c.id).where(
        work_queue.c.work_pool_id == owner.work_pool_id, work_queue.c.name == name
    )
    found: UUID | None = await connection.scalar(named)
    return found


async def _queue(
    connection: AsyncConnection, owner: DeploymentRow, name: str | None, queue_id: UUID | None, due: datetime
) -> QueueOutlook | None:
    if owner.work_pool_id is None or owner.work_pool_name is None:
        return None
    pool_limit: int | None = await connection.scalar(
        select(work_pool.c.concurrency_limit).where(work_pool.c.id == owner.work_pool_id)
    )
    if queue_id is None:
        return QueueOutlook(owner.work_pool_name, name or "default", False, None, pool_limit, 0, 0)
    found = await connection.execute(
        select(work_queue.c.name, work_queue.c.concurrency_limit).where(work_queue.c.id == queue_id)
    )
    queue = found.one()
    of_queue = flow_run.c.work_queue_id == queue_id
    counting = select(func.count()).select_from(flow_run)
    at_work = await connection.scalar(counting.where(of_queue, flow_run.c.state_type.in_(OCCUPYING)))
    ahead = await connection.scalar(
        counting.where(
            of_queue,
            flow_run.c.state_type == "SCHEDULED",
            flow_run.c.next_scheduled_start_time <= due,
        )
    )
    return QueueOutlook(
        owner.work_pool_name, queue.name, True, queue.concurrency_limit, pool_limit, at_work or 0, ahead or 0
    )


async def _same_key(
    connection: AsyncConnection, owner: DeploymentRow, key: str | None
) -> dict[str, str] | None:
    if not key:
        return None
    same = select(flow_run.c.id, flow_run.c.name).where(
        flow_run.c.flow_id == owner.flow_id, flow_run.c.idempotency_key == key
    )
    row = (await connection.execute(same)).first()
    return None if row is None else {"id": str(row.id), "name": row.name}


async def _at_work(connection: AsyncConnection, deployment_id: UUID) -> list[dict[str, Any]]:
    table = flow_run.c
    rows = await connection.execute(
        select(table.id, table.name, table.state_name, table.start_time)
        .where(table.deployment_id == deployment_id, table.state_type.in_(OCCUPYING))
        .order_by(table.start_time)
        .limit(5)
    )
    return [dict(row) for row in rows.mappings()]


def _imagined(owner: DeploymentRow, queue_id: UUID | None, now: datetime) -> FlowRunRow:
    """The run as it would be recorded, as far as its place is concerned."""
    return FlowRunRow(
        id=uuid4(),
        flow_id=owner.flow_id,
        flow_name=owner.flow_name,
        name="",
        created=now,
        updated=now,
        version=0,
        state_id=None,
        state_type="SCHEDULED",
        state_name="Scheduled",
        state_timestamp=now,
        run_count=0,
        total_run_time=0.0,
        expected_start_time=now,
        next_scheduled_start_time=now,
        start_time=None,
        end_time=None,
        parameters={},
        context={},
        tags=[],
        labels={},
        empirical_policy={},
        created_by=None,
        flow_version=None,
        entrypoint=None,
        code_revision=None,
        idempotency_key=None,
        parent_task_run_id=None,
        auto_scheduled=False,
        infrastructure_pid=None,
        job_variables=None,
        result_kind=None,
        error=None,
        deployment_id=owner.id,
        work_pool_id=owner.work_pool_id,
        work_queue_id=queue_id,
    )
