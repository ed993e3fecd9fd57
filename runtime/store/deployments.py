"""Deployments: how and where a flow is run on request or by a schedule.

Locks are taken in one order everywhere: work pool, deployment, schedule, flow run.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, case, func, null, or_, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.authorship import BY_HAND, Author, author
from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from . import shared_limits
from .database.announcements import RUNS, SCHEDULES, announce
from .database.database import Database
from .database.gathering import gathered
from .database.prepared import prepared
from .database.rows import HOLDING
from .database.tables import (
    deployment,
    deployment_schedule,
    deployment_serving,
    flow,
    flow_run,
    work_pool,
    work_queue,
)
from .database.wire_text import data_value, json_value, plain_text
from .deployment_ends import end_runs_within
from .deployment_rows import DeploymentRow, NewDeployment, RunnableDeployment, ScheduleRow, ScheduleSpec
from .runs_ahead import Standing, settle_within, standing
from .schedule_matching import ScheduleChanges, match_schedules
from .schedules import (
    apply_within,
    lock_deployment,
    missing_deployment,
    of_deployment,
    of_deployments,
    replace_within,
    start_anew_within,
)
from .work_queues import POLLED_WITHIN_S, place_within

_DATA = ("parameters", "job_variables")  # the author's data: stored unchanged, or not at all
_NOT_COLUMNS = frozenset({"flow_id", "name", "schedules", "work_pool_name", "work_queue_name", "created_by"})
_COLUMNS = frozenset(field.name for field in fields(NewDeployment)) - _NOT_COLUMNS
_CHANGEABLE = _COLUMNS | {"work_pool_name", "work_queue_name", "updated_by"}
_NEVER_NULL = frozenset(column.name for column in deployment.c if not column.nullable)
_FREE_TO_CHANGE = frozenset({"description", "updated_by"})  # runs that were made ahead do not depend on these

Match = Callable[[Sequence[ScheduleRow], Sequence[ScheduleSpec]], ScheduleChanges]


async def upsert(
    db: Database, new: NewDeployment, said: Collection[str] | None = None
) -> tuple[DeploymentRow, bool]:
    """Create a deployment, or replace the one of that flow and name; returns it and whether it was created.

    `said`: the fields to replace, if not all. Replacing keeps id and creation time, and creates new
    schedules. Runs that schedules have made ahead are removed when their slot is gone, and updated otherwise.
    A missing queue is created. Raises NotFound (flow or pool), BadSchedule; then nothing is changed.
    """
    async with db.write() as connection:
        if await connection.scalar(select(flow.c.id).where(flow.c.id == new.flow_id)) is None:
            raise NotFound(f"there is no flow {new.flow_id}")
        place = await place_within(db, connection, new.work_pool_name, new.work_queue_name)
        before = await _replaced(connection, new)
        values = {name: _value(name, getattr(new, name)) for name in _COLUMNS} | place
        values["paused_by"] = json_value(new.created_by or author(BY_HAND)) if new.paused else None
        made_id = uuid7()
        insert = sqlite.insert if db.is_sqlite else postgresql.insert
        statement = insert(deployment).values(
            id=made_id,
            flow_id=new.flow_id,
            name=plain_text(new.name),
            created=db.now(),
            updated=db.now(),
            created_by=json_value(new.created_by),
            updated_by=json_value(new.created_by),
            **values,
        )
        names = values if said is None else _replaced_columns(said, place)
        replaced = {name: statement.excluded[name] for name in (*names, "updated", "updated_by")}
        deployment_id = await connection.scalar(
            statement.on_conflict_do_update(index_elements=["flow_id", "name"], set_=replaced).returning(
                deployment.c.id
            )
        )
        assert deployment_id is not None
        await replace_within(db, connection, deployment_id, new.schedules)
        if before is not None:
            await _settle(db, connection, before)
            await _take_in_placeless(db, connection, deployment_id, place)
        await announce(connection, SCHEDULES, RUNS)
        return await _one(
            db, connection, deployment.c.id == deployment_id, new.name
        ), deployment_id == made_id


async def change(
    db: Database,
    deployment_id: UUID,
    changes: Mapping[str, Any],
    schedules: Sequence[ScheduleSpec] | None = None,
    *,
    by: Author | None = None,
    match: Match = match_schedules,
) -> DeploymentRow:
    """Set fields of NewDeployment (but flow and name), or `updated_by`; match schedules by slug, or as
    `match` says. `by` did it.

    None does not change fields that must have a value: paused, tags, parameters, job variables and so on.
    Runs that schedules have made ahead are removed when their slot is gone, and updated otherwise. Raises
    NotFound (deployment or pool), BadSchedule; then nothing is changed.
    """
    given = {
        name: value
        for name, value in changes.items()
        if name in _CHANGEABLE and not (value is None and name in _NEVER_NULL)
    }
    if by is not None:
        given["updated_by"] = by
    async with db.write() as connection:
        await change_within(db, connection, deployment_id, given, schedules, match)
        return await _one(db, connection, deployment.c.id == deployment_id, deployment_id)


async def change_within(
    db: Database,
    connection: AsyncConnection,
    deployment_id: UUID,
    given: Mapping[str, Any],
    schedules: Sequence[ScheduleSpec] | None = None,
    match: Match = match_schedules,
) -> None:
    """`change` within a larger transaction, by fields that may be set. The author is `updated_by`."""
    place = await _changed_place(db, connection, deployment_id, given)
    await lock_deployment(connection, deployment_id)
    existing = await of_deployment(connection, deployment_id)
    before = await standing(connection, deployment_id, existing)
    values = {name: _value(name, value) for name, value in given.items() if not _is_place(name)}
    if "paused" in given and given["paused"] != before.deployment["paused"]:
        who = given.get("updated_by") or author(BY_HAND)
        values["paused_by"] = json_value(who) if given["paused"] else None
    await connection.execute(
        update(deployment).where(deployment.c.id == deployment_id).values(**values, **place, updated=db.now())
    )
    if schedules is not None:
        await apply_within(db, connection, deployment_id, match(existing, schedules))
    await _settle(db, connection, before)
    await _take_in_placeless(db, connection, deployment_id, place)
    if set(given) - _FREE_TO_CHANGE:
        await start_anew_within(db, connection, deployment_id, owes=not before.deployment["paused"])
    await announce(connection, SCHEDULES, RUNS)


async def pause(db: Database, deployment_id: UUID, by: Author | None = None) -> None:
    """Keep its schedules from making runs, and remove the runs made ahead. Raises NotFound."""
    await change(db, deployment_id, {"paused": True}, by=by)


async def resume(db: Database, deployment_id: UUID, by: Author | None = None) -> None:
    """Let its schedules make runs again, from now on. Raises NotFound."""
    await change(db, deployment_id, {"paused": False}, by=by)


async def delete(db: Database, deployment_id: UUID) -> None:
    """Remove a deployment with its schedules and the runs that they made ahead. Raises NotFound.

    Every other run stays. Those that wait for a worker are cancelled, because none will get them.
    """
    async with db.write() as connection:
        await lock_deployment(connection, deployment_id)
        await connection.execute(sql_delete(deployment).where(deployment.c.id == deployment_id))
        for table in (deployment_schedule, deployment_serving):
            await connection.execute(sql_delete(table).where(table.c.deployment_id == deployment_id))
        await end_runs_within(db, connection, deployment_id)
        await announce(connection, SCHEDULES, RUNS)


async def read(db: Database, deployment_id: UUID) -> DeploymentRow:
    """The deployment with that id. Raises NotFound."""
    async with db.read() as connection:
        rows = (await connection.execute(_by_id(db), {"deployment": deployment_id})).mappings().all()
        if not rows:
            raise missing_deployment(deployment_id)
        (found,) = await with_schedules(db, connection, rows)
        return found


@prepared
def _by_id(db: Database) -> Select[Any]:
    return selected(db).where(deployment.c.id == bindparam("deployment"))


def _of_none(_: UUID) -> tuple[()]:
    return ()


@gathered(_of_none)
async def to_run(
    db: Database, deployment_ids: Sequence[UUID]
) -> builtins.list[RunnableDeployment | Exception]:
    """What is needed to create a run of a deployment, read by one query for all concurrent callers. Raises
    NotFound.
    """
    known: dict[UUID, RunnableDeployment] = {}
    async with db.read() as connection:
        for deployment_id in set(deployment_ids):
            row = (await connection.execute(_to_run(db), {"deployment": deployment_id})).mappings().first()
            if row is not None:
                columns = dict(row)
                template = columns.pop("job_template")
                known[deployment_id] = RunnableDeployment(DeploymentRow(**columns), template)
    return [known.get(each) or missing_deployment(each) for each in deployment_ids]


@prepared
def _to_run(db: Database) -> Select[Any]:
    with_template = selected(db).add_columns(work_pool.c.base_job_template.label("job_template"))
    return with_template.where(deployment.c.id == bindparam("deployment"))


async def read_by_name(db: Database, flow_name: str, name: str) -> DeploymentRow:
    """The deployment of that flow and name. Raises NotFound."""
    condition = (flow.c.name == flow_name) & (deployment.c.name == name)
    async with db.read() as connection:
        return await _one(db, connection, condition, f"{flow_name}/{name}")


async def find(db: Database, reference: str) -> DeploymentRow:
    """The deployment "flow name/deployment name", or of that id. Raises NotFound."""
    async with db.read() as connection:
        try:
            condition: ColumnElement[bool] = deployment.c.id == UUID(reference)
        except ValueError:
            # Both names may have a slash, so the whole text is compared; the name is for the index.
            names = {reference[at + 1 :] for at, letter in enumerate(reference) if letter == "/"}
            condition = deployment.c.name.in_(names) & (flow.c.name + "/" + deployment.c.name == reference)
        return await _one(db, connection, condition, reference)


async def list(
    db: Database, *, name_like: str | None = None, limit: int = 200, offset: int = 0
) -> builtins.list[DeploymentRow]:
    """Deployments by flow and name. `name_like` is a part of either name, in any case."""
    statement = selected(db).order_by(flow.c.name, deployment.c.name)
    if name_like is not None:
        statement = statement.where(
            or_(
                flow.c.name.icontains(name_like, autoescape=True),
                deployment.c.name.icontains(name_like, autoescape=True),
            )
        )
    async with db.read() as connection:
        rows = (await connection.execute(statement.limit(limit).offset(offset))).mappings().all()
        return await with_schedules(db, connection, rows)


async def polled(db: Database, deployment_ids: Sequence[UUID]) -> None:
    """Note that a process asked for runs of these deployments, which makes them ready."""
    async with db.write() as connection:
        await connection.execute(
            update(deployment).where(deployment.c.id.in_(deployment_ids)).values(last_polled=db.now())
        )


def selected(db: Database) -> Select[Any]:
    """Every column of DeploymentRow but the schedules; flow, work_pool and work_queue are joined."""
    recently = db.from_now(-POLLED_WITHIN_S)
    ready = or_(deployment.c.last_polled > recently, work_queue.c.last_polled > recently)
    return (
        select(
            deployment,
            flow.c.name.label("flow_name"),
            work_pool.c.name.label("work_pool_name"),
            work_queue.c.name.label("work_queue_name"),
            case((func.coalesce(ready, False), "READY"), else_="NOT_READY").label("status"),
            _active_slots().label("active_slots"),
        )
        .join(flow, flow.c.id == deployment.c.flow_id)
        .outerjoin(work_pool, work_pool.c.id == deployment.c.work_pool_id)
        .outerjoin(work_queue, work_queue.c.id == deployment.c.work_queue_id)
    )


async def with_schedules(
    db: Database, connection: AsyncConnection, rows: Sequence[RowMapping]
) -> builtins.list[DeploymentRow]:
    """Rows of `selected` as deployments with their schedules and the limits that they share."""
    schedules = await of_deployments(connection, [row["id"] for row in rows])
    shared = await shared_limits.of_ids(db, connection, [row["global_concurrency_limit_id"] for row in rows])
    return [
        DeploymentRow(
            **row,
            schedules=schedules.get(row["id"], []),
            shared_limit=shared.get(row["global_concurrency_limit_id"]),
        )
        for row in rows
    ]


async def _one(
    db: Database, connection: AsyncConnection, condition: ColumnElement[bool], reference: object
) -> DeploymentRow:
    rows = (await connection.execute(selected(db).where(condition).limit(1))).mappings().all()
    if not rows:
        raise missing_deployment(reference)
    (found,) = await with_schedules(db, connection, rows)
    return found


def _active_slots() -> ColumnElement[int | None]:
    holding = (
        select(func.count())
        .where(flow_run.c.deployment_id == deployment.c.id, flow_run.c.state_type.in_(HOLDING))
        .correlate(deployment)
        .scalar_subquery()
    )
    return case((deployment.c.concurrency_limit.is_not(None), holding), else_=null())


async def _replaced(connection: AsyncConnection, new: NewDeployment) -> Standing | None:
    """The present deployment of that flow and name, locked; None if there is none."""
    same = (deployment.c.flow_id == new.flow_id) & (deployment.c.name == plain_text(new.name))
    found = await connection.scalar(select(deployment.c.id).where(same).with_for_update(key_share=True))
    if found is None:
        return None
    return await standing(connection, found, await of_deployment(connection, found))


async def _take_in_placeless(
    db: Database, connection: AsyncConnection, deployment_id: UUID, place: Mapping[str, UUID | None]
) -> None:
    """Move runs that wait in no queue, since their pool was deleted, to the deployment's present queue."""
    if place.get("work_queue_id") is None:
        return
    run = flow_run.c
    placeless = (
        (run.deployment_id == deployment_id) & (run.state_type == "SCHEDULED") & run.work_queue_id.is_(None)
    )
    await connection.execute(update(flow_run).where(placeless).values(**place, updated=db.now()))


def _replaced_columns(said: Collection[str], place: Mapping[str, Any]) -> Iterable[str]:
    """The columns to set when a replacement gives only some fields."""
    columns = [name for name in _COLUMNS if name in said or name == "labels"]
    if "paused" in said:
        columns.append("paused_by")
    if "pull_steps" in said:
        columns.append("code_revision")
    if "concurrency_limit" in said or "global_concurrency_limit_id" in said:
        columns += ["concurrency_limit", "global_concurrency_limit_id"]  # a new limit replaces both kinds
    if "work_pool_name" in said or "work_queue_name" in said:
        columns += place
    return dict.fromkeys(columns)


async def _settle(db: Database, connection: AsyncConnection, before: Standing) -> None:
    deployment_id = before.deployment["id"]
    now = await standing(connection, deployment_id, await of_deployment(connection, deployment_id))
    await settle_within(db, connection, before, now)


def _value(name: str, value: Any) -> Any:
    if name == "tags":
        return builtins.list(dict.fromkeys(json_value(builtins.list(value))))
    if name in _DATA:
        return data_value(value, name)
    return value if isinstance(value, UUID) else json_value(value)


def _is_place(name: str) -> bool:
    return name in ("work_pool_name", "work_queue_name")


async def _changed_place(
    db: Database, connection: AsyncConnection, deployment_id: UUID, given: Mapping[str, Any]
) -> dict[str, UUID | None]:
    """The new pool and queue if names are given; a queue alone is one of the deployment's present pool."""
    if not any(_is_place(name) for name in given):
        return {}
    pool_name = given.get("work_pool_name")
    if "work_pool_name" not in given:
        present = (
            select(work_pool.c.name)
            .join(deployment, deployment.c.work_pool_id == work_pool.c.id)
            .where(deployment.c.id == deployment_id)
        )
        pool_name = await connection.scalar(present)
    return await place_within(db, connection, pool_name, given.get("work_queue_name"))
