"""Schedules of deployments. Every edit raises the revision, and updates the runs that were made ahead.

All edits lock the deployment's row first, then the schedule's, in the order of schedulers.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, case, insert, select, type_coerce, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.authorship import is_of_code, was_set_by_code
from ..foundation.errors import BadSchedule, Duplicate, NotFound
from ..foundation.ids import uuid7
from ..scheduling.schedule_slots import LATE_AFTER_S
from .database.announcements import SCHEDULES, announce
from .database.database import Database
from .database.tables import deployment, deployment_schedule
from .database.types import Timestamp
from .database.wire_text import data_value, json_value, plain_text
from .deployment_rows import ScheduleRow, ScheduleSpec
from .runs_ahead import Standing, settle_within, standing
from .schedule_matching import ScheduleChanges, check_slugs, key_of


async def create(db: Database, deployment_id: UUID, spec: ScheduleSpec) -> ScheduleRow:
    """Add a schedule. Raises NotFound (the deployment), Duplicate (the slug), BadSchedule."""
    [row] = await create_all(db, deployment_id, [spec])
    return row


async def create_all(
    db: Database, deployment_id: UUID, specs: Sequence[ScheduleSpec]
) -> builtins.list[ScheduleRow]:
    """Add schedules, all or none. Raises NotFound (the deployment), Duplicate (a slug), BadSchedule."""
    async with db.write() as connection:
        await lock_deployment(connection, deployment_id)
        existing = await of_deployment(connection, deployment_id)
        slugs = {row.slug for row in existing}
        made: builtins.list[UUID] = []
        taken = [row.key for row in existing]
        for spec in specs:
            if spec.slug is not None and spec.slug in slugs:
                raise Duplicate(f"the deployment has a schedule {spec.slug!r} already")
            slugs.add(spec.slug)
            made.append(await _insert(db, connection, deployment_id, spec, taken))
            taken.append((await _one(connection, deployment_id, made[-1])).key)
        await announce(connection, SCHEDULES)
        return [await _one(connection, deployment_id, schedule_id) for schedule_id in made]


async def change(db: Database, deployment_id: UUID, schedule_id: UUID, spec: ScheduleSpec) -> ScheduleRow:
    """Set what the spec gives. Runs made ahead are removed when their slot is gone, and updated otherwise.

    Raises NotFound, Duplicate (the new slug).
    """
    async with db.write() as connection:
        await lock_deployment(connection, deployment_id)
        row = await _one(connection, deployment_id, schedule_id)
        existing = await of_deployment(connection, deployment_id)
        others = [each for each in existing if each.id != schedule_id]
        if spec.slug is not None and any(each.slug == spec.slug for each in others):
            raise Duplicate(f"the deployment has a schedule {spec.slug!r} already")
        await _edit(db, connection, row, spec, [each.key for each in others])
        await _settle(db, connection, deployment_id, existing)
        await announce(connection, SCHEDULES)
        return await _one(connection, deployment_id, schedule_id)


async def delete(db: Database, deployment_id: UUID, schedule_id: UUID) -> None:
    """Remove a schedule with the runs that it made ahead; due runs stay. Raises NotFound."""
    async with db.write() as connection:
        await lock_deployment(connection, deployment_id)
        existing = await of_deployment(connection, deployment_id)
        await _remove(connection, await _one(connection, deployment_id, schedule_id))
        await _settle(db, connection, deployment_id, existing)
        await announce(connection, SCHEDULES)


async def read(db: Database, deployment_id: UUID, schedule_id: UUID) -> ScheduleRow:
    """One schedule. Raises NotFound."""
    async with db.read() as connection:
        return await _one(connection, deployment_id, schedule_id)


async def list(db: Database, deployment_id: UUID) -> builtins.list[ScheduleRow]:
    """The schedules of a deployment, newest first. Raises NotFound (the deployment)."""
    async with db.read() as connection:
        known = select(deployment.c.id).where(deployment.c.id == deployment_id)
        if await connection.scalar(known) is None:
            raise missing_deployment(deployment_id)
        return await of_deployment(connection, deployment_id)


_OF_DEPLOYMENTS = (
    select(deployment_schedule)
    .where(deployment_schedule.c.deployment_id.in_(bindparam("deployments", expanding=True)))
    .order_by(deployment_schedule.c.id.desc())
)


async def of_deployment(connection: AsyncConnection, deployment_id: UUID) -> builtins.list[ScheduleRow]:
    """`list` within a transaction; an unknown deployment has none."""
    return (await of_deployments(connection, [deployment_id])).get(deployment_id, [])


async def of_deployments(
    connection: AsyncConnection, deployment_ids: Sequence[UUID]
) -> dict[UUID, builtins.list[ScheduleRow]]:
    """The schedules of some deployments, newest first."""
    found: dict[UUID, builtins.list[ScheduleRow]] = {}
    rows = await connection.execute(_OF_DEPLOYMENTS, {"deployments": builtins.list(deployment_ids)})
    for row in rows.mappings():
        found.setdefault(row["deployment_id"], []).append(ScheduleRow(**row))
    return found


async def replace_within(
    db: Database, connection: AsyncConnection, deployment_id: UUID, specs: Sequence[ScheduleSpec]
) -> None:
    """Remove all schedules and create new ones; the deployment is locked already. Runs are not touched."""
    check_slugs(specs)
    existing = await of_deployment(connection, deployment_id)
    await apply_within(db, connection, deployment_id, ScheduleChanges(builtins.list(specs), [], existing))


async def apply_within(
    db: Database, connection: AsyncConnection, deployment_id: UUID, changes: ScheduleChanges
) -> None:
    """Apply the changes of a match; the deployment is locked already. Runs are not touched."""
    for row in changes.removed:
        await _remove(connection, row)
    await _free_keys(connection, deployment_id, changes)
    for row, spec in changes.edited:
        others = await of_deployment(connection, deployment_id)
        await _edit(db, connection, row, spec, [each.key for each in others if each.id != row.id])
    for spec in changes.created:
        taken = [each.key for each in await of_deployment(connection, deployment_id)]
        schedule_id = await _insert(db, connection, deployment_id, spec, taken)
        await _take_over(db, connection, schedule_id, changes.removed)


async def _free_keys(connection: AsyncConnection, deployment_id: UUID, changes: ScheduleChanges) -> None:
    """Clear the keys of schedules whose slug goes to another one in this edit, until they get new ones."""
    wanted = {key_of(spec.slug, None) for _, spec in changes.edited if spec.slug is not None}
    for row, spec in changes.edited:
        if row.key in wanted and spec.slug is not None and spec.slug != row.slug:
            table = deployment_schedule.c
            await connection.execute(
                update(deployment_schedule).where(table.id == row.id).values(key=f"moved:{row.id}")
            )


async def start_anew_within(
    db: Database, connection: AsyncConnection, deployment_id: UUID, owes: bool
) -> None:
    """Let schedulers plan all its schedules again from now on; earlier plans become stale."""
    await connection.execute(
        update(deployment_schedule)
        .where(deployment_schedule.c.deployment_id == deployment_id)
        .values(
            revision=deployment_schedule.c.revision + 1,
            next_at=_owed_from(db) if owes else db.now(),
            reserved_until=None,
        )
    )


async def lock_deployment(connection: AsyncConnection, deployment_id: UUID) -> None:
    """Lock the deployment against other editors and schedulers. Raises NotFound."""
    statement = select(deployment.c.id).where(deployment.c.id == deployment_id)
    if await connection.scalar(statement.with_for_update(key_share=True)) is None:
        raise missing_deployment(deployment_id)


def missing_deployment(reference: object) -> NotFound:
    return NotFound(
        f"there is no deployment {str(reference)!r}",
        hint="heliostat deployment ls shows the deployments there are",
    )


async def _insert(
    db: Database,
    connection: AsyncConnection,
    deployment_id: UUID,
    spec: ScheduleSpec,
    taken: Sequence[str],
) -> UUID:
    if spec.definition is None:
        raise BadSchedule("a new schedule needs a cron, an interval or an rrule", "schedule")
    schedule_id = uuid7()
    definition = json_value(spec.definition)
    await connection.execute(
        insert(deployment_schedule).values(
            id=schedule_id,
            deployment_id=deployment_id,
            key=key_of(spec.slug, definition, taken),
            slug=None if spec.slug is None else plain_text(spec.slug),
            definition=definition,
            revision=1,
            active=spec.active is not False,
            parameters=data_value(spec.parameters or {}, "parameters"),
            max_scheduled_runs=spec.max_scheduled_runs,
            catchup=spec.catchup,
            next_at=db.now(),
            created=db.now(),
            updated=db.now(),
            created_by=json_value(spec.by),
            updated_by=json_value(spec.by),
        )
    )
    return schedule_id


async def _take_over(
    db: Database, connection: AsyncConnection, schedule_id: UUID, removed: Sequence[ScheduleRow]
) -> None:
    """Let a schedule start where the one that it replaces, with equal key and dates, had got to."""
    table = deployment_schedule.c
    for old in removed:
        if old.active and old.next_at is not None:
            behind = db.moment(old.next_at.timestamp())
            await connection.execute(
                update(deployment_schedule)
                .where(
                    table.id == schedule_id,
                    table.key == old.key,
                    table.definition == old.definition,
                    behind > db.from_now(-LATE_AFTER_S),
                    behind < table.next_at,
                )
                .values(next_at=behind)
            )


async def _edit(
    db: Database, connection: AsyncConnection, row: ScheduleRow, spec: ScheduleSpec, taken: Sequence[str]
) -> None:
    definition = row.definition if spec.definition is None else json_value(spec.definition)
    slug = row.slug if spec.slug is None else plain_text(spec.slug)
    owes = row.active and definition == row.definition
    given: dict[str, Any] = {
        # A schedule that code declares belongs to the code, even if it was made by hand.
        "created_by": json_value(spec.by) if spec.by is not None and is_of_code(spec.by) else None,
        "updated_by": json_value(_editor(row, spec)),
        "active": spec.active,
        "parameters": None if spec.parameters is None else data_value(spec.parameters, "parameters"),
        "max_scheduled_runs": spec.max_scheduled_runs,
        "catchup": spec.catchup,
    }
    await connection.execute(
        update(deployment_schedule)
        .where(deployment_schedule.c.id == row.id)
        .values(
            **{name: value for name, value in given.items() if value is not None},
            key=key_of(slug, definition, taken),
            slug=slug,
            definition=definition,
            revision=deployment_schedule.c.revision + 1,
            next_at=_owed_from(db) if owes else db.now(),
            reserved_until=None,
            updated=db.now(),
        )
    )


def _editor(row: ScheduleRow, spec: ScheduleSpec) -> dict[str, Any] | None:
    """The last editor to show: a change by hand stays visible when code changes the schedule."""
    by_code = spec.by is not None and is_of_code(spec.by)
    return None if by_code and not was_set_by_code(row.updated_by) else spec.by


def _owed_from(db: Database) -> ColumnElement[Any]:
    """Where schedulers go on after an edit: now, or earlier if they are behind. Runs that became due after an
    earlier edit removed them may not have been made again yet.
    """
    behind = deployment_schedule.c.next_at < db.now()
    return case((behind, deployment_schedule.c.next_at), else_=type_coerce(db.now(), Timestamp()))


async def _remove(connection: AsyncConnection, row: ScheduleRow) -> None:
    await connection.execute(sql_delete(deployment_schedule).where(deployment_schedule.c.id == row.id))


async def _settle(
    db: Database, connection: AsyncConnection, deployment_id: UUID, before: Sequence[ScheduleRow]
) -> None:
    was = await standing(connection, deployment_id, before)
    now = await of_deployment(connection, deployment_id)
    await settle_within(db, connection, was, Standing(was.deployment, now))


async def _one(connection: AsyncConnection, deployment_id: UUID, schedule_id: UUID) -> ScheduleRow:
    table = deployment_schedule.c
    statement = select(deployment_schedule).where(
        table.id == schedule_id, table.deployment_id == deployment_id
    )
    row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise NotFound(f"there is no schedule {schedule_id} of deployment {deployment_id}")
    return ScheduleRow(**row)
