"""Concurrency limits: how many slots of a name may be held at once, or refill in a second.

A slot is held until it is given back or has decayed, or by a lease (`concurrency_slots`). Expired leases free
their slots by themselves, because slots are counted by the database's clock.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Select, case, cast, func, insert, literal, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import Duplicate, NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.rows import HOLDING
from .database.setup_tables import concurrency_lease, concurrency_limit
from .database.tables import deployment, flow_run
from .database.wire_text import plain_text
from .lifecycle_events import Action, tell_within
from .slot_waiters import came_free

TAG_PREFIX = "tag:"
"""The prefix of the names of limits on tasks with a tag."""

EXPECTED_OCCUPANCY_S = 2.0  # the assumed time that a slot is held, at first
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit to be created."""

    name: str
    limit: int
    active: bool = True
    active_slots: int = 0
    denied_slots: int = 0
    slot_decay_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit with its present `active_slots`: after decay, with leased slots and those of runs."""

    id: UUID
    name: str
    created: datetime
    updated: datetime
    active: bool
    limit: int
    slot_decay_per_second: float
    active_slots: float
    denied_slots: int
    avg_slot_occupancy_seconds: float


async def create(db: Database, new: NewLimit) -> LimitRow:
    """Make a limit. Raises Duplicate."""
    try:
        async with db.write() as connection:
            limit_id = uuid7()
            await connection.execute(
                insert(concurrency_limit).values(
                    id=limit_id,
                    name=plain_text(new.name),
                    created=db.now(),
                    updated=db.now(),
                    active=new.active,
                    slot_limit=min(new.limit, _MOST),
                    slot_decay_per_second=new.slot_decay_per_second,
                    active_slots=float(new.active_slots),
                    decayed_at=db.now(),
                    denied_slots=min(new.denied_slots, _MOST),
                    avg_slot_occupancy_seconds=EXPECTED_OCCUPANCY_S,
                )
            )
            made = await _one(db, connection, limit_id)
            await _tell(connection, "created", made)
            return made
    except IntegrityError as error:
        raise Duplicate(
            f"there is a concurrency limit {new.name!r} already", hint="change it, or choose another name"
        ) from error


async def set_tag_limit(db: Database, tag: str, limit: int) -> tuple[LimitRow, bool]:
    """Let at most `limit` tasks with that tag run at once; returns the limit and whether it was created."""
    name = TAG_PREFIX + tag
    try:
        await change(db, name, {"limit": limit})
    except NotFound:
        return await create(db, NewLimit(name, limit)), True
    return await read(db, name), False


async def read(db: Database, reference: UUID | str) -> LimitRow:
    """The limit of that id or name. Raises NotFound."""
    async with db.read() as connection:
        return await _one(db, connection, reference)


async def list(
    db: Database, *, tags_only: bool = False, limit: int = 200, offset: int = 0
) -> builtins.list[LimitRow]:
    """Limits by name, or only those on tags."""
    statement = selected(db).order_by(concurrency_limit.c.name).limit(limit).offset(min(offset, 2**63 - 1))
    if tags_only:
        statement = statement.where(concurrency_limit.c.name.startswith(TAG_PREFIX, autoescape=True))
    async with db.read() as connection:
        return [LimitRow(**row) for row in (await connection.execute(statement)).mappings()]


async def change(db: Database, reference: UUID | str, changes: Mapping[str, Any]) -> None:
    """Set any of name, limit, active, active_slots, denied_slots, slot_decay_per_second.

    Setting slots replaces all held slots and removes their leases. Raises NotFound, Duplicate.
    """
    values = dict(changes)
    if "name" in values:
        values["name"] = plain_text(values["name"])
    if "limit" in values:
        values["slot_limit"] = min(values.pop("limit"), _MOST)
    if "denied_slots" in values:
        values["denied_slots"] = min(values["denied_slots"], _MOST)
    try:
        async with db.write() as connection:
            limit_id = await connection.scalar(
                select(concurrency_limit.c.id).where(same_as(reference)).with_for_update()
            )
            if limit_id is None:
                raise missing(reference)
            if "active_slots" in values:
                values |= {"active_slots": float(values["active_slots"]), "decayed_at": db.now()}
                held = (concurrency_lease.c.limit_id == limit_id) & (concurrency_lease.c.slots > 0)
                await connection.execute(sql_delete(concurrency_lease).where(held))
            elif "slot_decay_per_second" in values:  # slots decayed at the old speed until now
                values |= {"active_slots": decayed(db), "decayed_at": db.now()}
            await connection.execute(
                update(concurrency_limit)
                .where(concurrency_limit.c.id == limit_id)
                .values(**values, updated=db.now())
            )
            await came_free(db, connection, [limit_id])
            await _tell(connection, "updated", await _one(db, connection, limit_id))
    except IntegrityError as error:
        raise Duplicate(
            f"there is a concurrency limit {changes['name']!r} already", hint="choose another name"
        ) from error


async def delete(db: Database, reference: UUID | str) -> None:
    """Remove a limit, the leases on its slots, and deployments' references to it. Raises NotFound."""
    async with db.write() as connection:
        limit_id = await connection.scalar(
            select(concurrency_limit.c.id).where(same_as(reference)).with_for_update()
        )
        if limit_id is None:
            raise missing(reference)
        await _tell(connection, "deleted", await _one(db, connection, limit_id))
        await came_free(db, connection, [limit_id])
        await connection.execute(
            sql_delete(concurrency_lease).where(concurrency_lease.c.limit_id == limit_id)
        )
        shared = deployment.c.global_concurrency_limit_id
        await connection.execute(
            update(deployment).where(shared == limit_id).values(global_concurrency_limit_id=None)
        )
        await connection.execute(sql_delete(concurrency_limit).where(concurrency_limit.c.id == limit_id))


def selected(db: Database) -> Select[Any]:
    """Every column of LimitRow, to be narrowed and sorted."""
    columns = concurrency_limit.c
    shown: builtins.list[ColumnElement[Any]] = [
        columns.id,
        columns.name,
        columns.created,
        columns.updated,
        columns.active,
        columns.slot_limit.label("limit"),
        columns.slot_decay_per_second,
        (decayed(db) + leased(db) + by_runs()).label("active_slots"),
        columns.denied_slots,
        columns.avg_slot_occupancy_seconds,
    ]
    return select(*shown)


def decayed(db: Database) -> ColumnElement[float]:
    """Slots without a lease that are still held: they decay as whole slots, never below 0."""
    columns = concurrency_limit.c
    gone = func.floor(columns.slot_decay_per_second * seconds_between(db, columns.decayed_at, db.now()))
    left = columns.active_slots - gone
    held = case((left > 0, left), else_=literal(0.0))
    return case((columns.slot_decay_per_second > 0, held), else_=columns.active_slots)


def leased(db: Database) -> ColumnElement[int]:
    """Slots under living leases, of limits whose slots do not decay."""
    lease, limit = concurrency_lease.c, concurrency_limit.c
    counted = (
        select(func.coalesce(func.sum(lease.slots), 0))
        .where(lease.limit_id == limit.id, lease.until > db.now())
        .correlate(concurrency_limit)
        .scalar_subquery()
    )
    return case((limit.slot_decay_per_second > 0, 0), else_=counted)


def by_runs() -> ColumnElement[int]:
    """Slots of active runs of deployments that share the limit."""
    return (
        select(func.count())
        .select_from(deployment)
        .join(flow_run, flow_run.c.deployment_id == deployment.c.id)
        .where(
            deployment.c.global_concurrency_limit_id == concurrency_limit.c.id,
            flow_run.c.state_type.in_(HOLDING),
        )
        .correlate(concurrency_limit)
        .scalar_subquery()
    )


def seconds_between(db: Database, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
    """The time between two moments of the database, never negative."""
    if db.is_sqlite:
        span = cast(end - start, Double) / 1e6
        return func.max(span, 0.0)
    return func.greatest(cast(func.extract("epoch", end - start), Double), 0.0)


def same_as(reference: UUID | str) -> ColumnElement[bool]:
    """The condition that a limit has that id or name."""
    if isinstance(reference, UUID):
        return concurrency_limit.c.id == reference
    return concurrency_limit.c.name == plain_text(reference)


def missing(reference: object) -> NotFound:
    return NotFound(f"there is no concurrency limit {str(reference)!r}")


async def _one(db: Database, connection: AsyncConnection, reference: UUID | str) -> LimitRow:
    row = (await connection.execute(selected(db).where(same_as(reference)))).mappings().first()
    if row is None:
        raise missing(reference)
    return LimitRow(**row)


async def _tell(connection: AsyncConnection, action: Action, row: LimitRow) -> None:
    facts = {
        "name": row.name,
        "limit": row.limit,
        "active": row.active,
        "slot_decay_per_second": row.slot_decay_per_second,
    }
    await tell_within(connection, "concurrency-limit", action, row.id, row.name, facts)
