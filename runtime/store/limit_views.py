"""What the pages show of concurrency limits: who holds slots, and who waits for them in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import concurrency_limits
from .concurrency_limits import LimitRow
from .database.database import Database
from .database.rows import HOLDING
from .database.setup_tables import concurrency_lease
from .database.tables import deployment, flow, flow_run, task_run
from .database.types import Timestamp

_MOST_LEASES = 2_000
_MOST_LIMITS = 200
_MOST_RUNS = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds slots, or waits for one (`slots` 0). `lease_id` is None for the run of a deployment."""

    slots: int
    since: datetime | None
    until: datetime | None
    lease_id: UUID | None
    kind: str | None  # flow_run, task_run, deployment; None: not told by the client
    id: UUID | None
    name: str | None
    flow_run_id: UUID | None
    flow_run_name: str | None


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit with those who hold its slots and those who wait, in their order."""

    limit: LimitRow
    holders: list[Holder] = field(default_factory=list[Holder])
    waiting: list[Holder] = field(default_factory=list[Holder])
    deployments: int = 0


@dataclass(frozen=True, slots=True)
class DeploymentLimit:
    """A deployment with a limit of its own; `waiting` counts its due runs, the first due at `oldest`."""

    id: UUID
    name: str
    flow_name: str
    limit: int
    collision_strategy: str
    taken: int
    waiting: int
    oldest: datetime | None
    holders: list[Holder]


async def limits(db: Database) -> list[LimitView]:
    """All concurrency limits by name."""
    rows = await concurrency_limits.list(db, limit=_MOST_LIMITS)
    ids = [row.id for row in rows]
    lease = concurrency_lease.c
    async with db.read() as connection:
        leases = await connection.execute(
            select(concurrency_lease)
            .where(lease.limit_id.in_(ids), lease.until > db.now())
            .order_by(lease.limit_id, lease.taken, lease.id)
            .limit(_MOST_LEASES)
        )
        held = leases.mappings().all()
        names = await _names(connection, [row["holder"] for row in held if row["holder"]])
        shared = await _sharing(connection, ids)
        runs = await _runs(connection, {each for of in shared.values() for each in of})
    views: list[LimitView] = []
    for row in rows:
        view = LimitView(row, deployments=len(shared.get(row.id, ())))
        for each in held:
            if each["limit_id"] == row.id:
                (view.holders if each["slots"] else view.waiting).append(_holder(each, names))
        for deployment_id in shared.get(row.id, ()):
            view.holders.extend(runs.get(deployment_id, ()))
        views.append(view)
    return views


async def of_deployments(db: Database) -> list[DeploymentLimit]:
    """Deployments with a limit of their own, by flow and name."""
    table = deployment.c
    statement = (
        select(
            table.id,
            table.name,
            flow.c.name.label("flow_name"),
            table.concurrency_limit,
            table.concurrency_options,
        )
        .join(flow, flow.c.id == table.flow_id)
        .where(table.concurrency_limit.is_not(None))
        .order_by(flow.c.name, table.name)
        .limit(_MOST_LIMITS)
    )
    async with db.read() as connection:
        rows = (await connection.execute(statement)).all()
        ids = [row.id for row in rows]
        runs = await _runs(connection, set(ids))
        run = flow_run.c
        first = func.min(run.next_scheduled_start_time, type_=Timestamp())
        due = await connection.execute(
            select(run.deployment_id, func.count(), first)
            .where(
                run.deployment_id.in_(ids),
                run.state_type == "SCHEDULED",
                run.next_scheduled_start_time <= db.now(),
            )
            .group_by(run.deployment_id)
        )
        waiting = {each[0]: (each[1], each[2]) for each in due}
        taking = await connection.execute(
            select(run.deployment_id, func.count())
            .where(run.deployment_id.in_(ids), run.state_type.in_(HOLDING))
            .group_by(run.deployment_id)
        )
        taken = {each[0]: each[1] for each in taking}
    told: list[DeploymentLimit] = []
    for row in rows:
        options: dict[str, Any] = row.concurrency_options or {}
        count, oldest = waiting.get(row.id, (0, None))
        told.append(
            DeploymentLimit(
                id=row.id,
                name=row.name,
                flow_name=row.flow_name,
                limit=row.concurrency_limit,
                collision_strategy=str(options.get("collision_strategy") or "ENQUEUE"),
                taken=taken.get(row.id, 0),
                waiting=count,
                oldest=oldest,
                holders=runs.get(row.id, []),
            )
        )
    return told


def shown(view: LimitView) -> dict[str, Any]:
    """A limit and its holders as one flat record."""
    return {**asdict(view.limit), **{key: value for key, value in asdict(view).items() if key != "limit"}}


def _holder(row: Mapping[Any, Any], names: Mapping[UUID, tuple[str, UUID | None, str | None]]) -> Holder:
    told: dict[str, Any] = row["holder"] or {}
    held_by = _id(told.get("id"))
    kind = "task_run" if told.get("type") == "waiting_task_run" else told.get("type")
    name, run_id, run_name = names.get(held_by, (None, None, None)) if held_by else (None, None, None)
    run_id = run_id or _id(told.get("flow_run_id"))
    if run_name is None and run_id is not None and run_id in names:
        run_name = names[run_id][0]
    return Holder(row["slots"], row["taken"], row["until"], row["id"], kind, held_by, name, run_id, run_name)


def _id(text: Any) -> UUID | None:
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None


async def _names(
    connection: AsyncConnection, holders: Collection[Mapping[str, Any]]
) -> dict[UUID, tuple[str, UUID | None, str | None]]:
    """Names of holders by id: of task runs with their flow run, of flow runs, of deployments."""
    ids = {each for holder in holders for key in ("id", "flow_run_id") if (each := _id(holder.get(key)))}
    found: dict[UUID, tuple[str, UUID | None, str | None]] = {}
    task, run = task_run.c, flow_run.c
    tasks = await connection.execute(
        select(task.id, task.name, task.task_name, task.dynamic_key, task.flow_run_id, run.name)
        .outerjoin(flow_run, run.id == task.flow_run_id)
        .where(task.id.in_(ids))
    )
    for task_id, name, task_name, key, run_id, run_name in tasks:
        number = key.decode() if isinstance(key, bytes) else str(key)
        found[task_id] = (name or f"{task_name}-{number}", run_id, run_name)
    for run_id, name in await connection.execute(select(run.id, run.name).where(run.id.in_(ids))):
        found[run_id] = (name, run_id, name)
    places = select(deployment.c.id, deployment.c.name).where(deployment.c.id.in_(ids))
    for deployment_id, name in await connection.execute(places):
        found[deployment_id] = (name, None, None)
    return found


async def _sharing(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The deployments that share each of these limits."""
    shared = deployment.c.global_concurrency_limit_id
    rows = await connection.execute(select(shared, deployment.c.id).where(shared.in_(ids)))
    found: dict[UUID, list[UUID]] = {}
    for limit_id, deployment_id in rows:
        found.setdefault(limit_id, []).append(deployment_id)
    return found


async def _runs(connection: AsyncConnection, deployment_ids: Collection[UUID]) -> dict[UUID, list[Holder]]:
    """The runs that take slots of these deployments."""
    run = flow_run.c
    rows = await connection.execute(
        select(run.id, run.name, run.deployment_id, run.state_timestamp)
        .where(run.deployment_id.in_(list(deployment_ids)), run.state_type.in_(HOLDING))
        .order_by(run.state_timestamp, run.id)
        .limit(_MOST_RUNS)
    )
    found: dict[UUID, list[Holder]] = {}
    for run_id, name, deployment_id, since in rows:
        holder = Holder(1, since, None, None, "flow_run", run_id, name, run_id, name)
        found.setdefault(deployment_id, []).append(holder)
    return found
