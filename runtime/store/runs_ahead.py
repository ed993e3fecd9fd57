"""Runs that schedules made ahead, when a deployment or its schedules are edited.

A run whose slot still exists stays and gets the edited fields; a run whose slot is gone is removed. Edits do
not touch runs that are due, were moved by hand, or have begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import BadSchedule
from ..scheduling.schedule_slots import AUTO_SCHEDULED_TAG, slot_key
from ..scheduling.schedules import schedule_from_json
from ..states import Scheduled
from .database.database import Database
from .database.tables import deployment, flow_run
from .deployment_rows import ScheduleRow
from .deployment_run_rows import Columns, NewDeploymentRun, run_and_state_rows
from .future_runs import made_ahead, remove_within

_CREATOR_NAMES = {"cron": "CronSchedule", "interval": "IntervalSchedule", "rrule": "RRuleSchedule"}
_FOLLOWS = (
    "parameters",
    "tags",
    "labels",
    "entrypoint",
    "code_revision",
    "deployment_version",
    "work_pool_id",
    "work_queue_id",
    "created_by",
    "schedule_key",
)
"""The columns that a run made ahead gets from an edit."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A deployment with its schedules, at one moment of a transaction."""

    deployment: Mapping[str, Any]
    schedules: Sequence[ScheduleRow]


async def standing(
    connection: AsyncConnection, deployment_id: UUID, schedules: Sequence[ScheduleRow]
) -> Standing:
    """The deployment's row with the given schedules."""
    found = await connection.execute(select(deployment).where(deployment.c.id == deployment_id))
    return Standing(dict(found.mappings().one()), schedules)


async def settle_within(db: Database, connection: AsyncConnection, before: Standing, after: Standing) -> None:
    """Let the runs made ahead follow an edit; the deployment is locked.

    A slot still exists when its schedule does, or one with its key replaced it, and the date is still one of
    its dates. Paused deployments and inactive schedules have no slots. The runs of a schedule that took
    another one's slug are removed and made again, because their keys would be confused.
    """
    by_id = {row.id: row for row in after.schedules}
    by_key = {row.key: row for row in after.schedules}
    keys = {row.key for row in before.schedules}
    for old in before.schedules:
        new = by_id.get(old.id) or by_key.get(old.key)
        swapped = new is not None and new.key != old.key and new.key in keys
        if new is None or not new.active or after.deployment["paused"] or swapped:
            await remove_within(connection, _of(db, old))
            continue
        if new.definition != old.definition or new.key != old.key:
            await _take_back_others(db, connection, old, new)
        await _renew(db, connection, (before.deployment, old), (after.deployment, new))


def slot_run(schedule: ScheduleRow | Columns, owner: Columns, slot: datetime) -> NewDeploymentRun:
    """The run for a slot of a schedule."""
    facts = _columns(schedule)
    kind = next((name for key, name in _CREATOR_NAMES.items() if key in facts["definition"]), "Schedule")
    return NewDeploymentRun(
        state=Scheduled(slot, "Made by a schedule"),
        parameters=facts["parameters"],
        tags=(AUTO_SCHEDULED_TAG,),
        idempotency_key=slot_key(owner["id"], facts["id"], slot),
        created_by={"id": str(facts["id"]), "type": "SCHEDULE", "display_value": facts["slug"] or kind},
        schedule_key=facts["key"],
        slot_at=slot,
    )


def _columns(schedule: ScheduleRow | Columns) -> Columns:
    if isinstance(schedule, ScheduleRow):
        return {name: getattr(schedule, name) for name in ("id", "definition", "parameters", "slug", "key")}
    return schedule


def _of(db: Database, schedule: ScheduleRow) -> list[ColumnElement[bool]]:
    return [
        flow_run.c.deployment_id == schedule.deployment_id,
        flow_run.c.schedule_key == schedule.key,
        *made_ahead(db),
    ]


async def _take_back_others(
    db: Database, connection: AsyncConnection, old: ScheduleRow, new: ScheduleRow
) -> None:
    """Remove runs of the old schedule that are at no date of the new one, or whose slot has a run there."""
    found = await connection.execute(select(flow_run.c.id, flow_run.c.slot_at).where(*_of(db, old)))
    slots = {run_id: slot for run_id, slot in found.all() if slot is not None}
    dates = _dates(new, list(slots.values()))
    if new.key != old.key:
        there = select(flow_run.c.slot_at).where(
            flow_run.c.deployment_id == new.deployment_id,
            flow_run.c.schedule_key == new.key,
            flow_run.c.slot_at.in_(list(slots.values())),
        )
        dates -= set(await connection.scalars(there))
    gone = [run_id for run_id, slot in slots.items() if slot not in dates]
    if gone:
        await remove_within(connection, [flow_run.c.id.in_(gone), *_of(db, old)])


def _dates(schedule: ScheduleRow, slots: Sequence[datetime]) -> set[datetime]:
    """Which of these moments are dates of a schedule."""
    if not slots:
        return set()
    wanted, found = set(slots), set[datetime]()
    try:
        for date in schedule_from_json(schedule.definition).upcoming(min(slots) - timedelta(microseconds=1)):
            if date > max(slots):
                break
            if date in wanted:
                found.add(date)
    except BadSchedule:
        return set()
    return found


async def _renew(
    db: Database,
    connection: AsyncConnection,
    before: tuple[Mapping[str, Any], ScheduleRow],
    after: tuple[Mapping[str, Any], ScheduleRow],
) -> None:
    """Give the remaining runs only the edited fields, because a person may have edited other ones."""
    (_, old), (owner, new) = before, after
    was, will_be = _values(*before), _values(*after)
    changed = {name: value for name, value in will_be.items() if value != was[name]}
    if old.id != new.id:  # the key of a slot has the id of its schedule
        slots = select(flow_run.c.id, flow_run.c.slot_at).where(*_of(db, old))
        keys = [
            {"run": run_id, "key": slot_key(owner["id"], new.id, slot)}
            for run_id, slot in (await connection.execute(slots)).all()
            if slot is not None
        ]
        if keys:
            named = update(flow_run).where(flow_run.c.id == bindparam("run"))
            await connection.execute(named.values(idempotency_key=bindparam("key")), keys)
    if changed:
        await connection.execute(update(flow_run).where(*_of(db, old)).values(**changed, updated=db.now()))


def _values(owner: Mapping[str, Any], schedule: ScheduleRow) -> dict[str, Any]:
    columns, _ = run_and_state_rows(owner, slot_run(schedule, owner, schedule.created))
    return {name: columns[name] for name in _FOLLOWS}
