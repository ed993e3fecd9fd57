"""Automations: storing, finding, changing and removing them. `automation_evaluation` evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import RESOURCE_ID
from ..foundation.errors import NotFound
from ..foundation.filter_base import Filter
from ..foundation.ids import uuid7
from .database.automation_tables import automation_part, automation_window
from .database.database import Database
from .database.tables import automation
from .database.wire_text import data_value, json_value, plain_text
from .filter_conditions import FilterConditions, _joined  # pyright: ignore[reportPrivateUsage]
from .filters import Ids, Operator, Tags, Texts
from .lifecycle_events import Action, tell_within

AutomationSort = Literal["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"]

# Kind of resource by the field of an action that names one.
_NAMED_BY = {
    "deployment_id": "deployment",
    "work_pool_id": "work-pool",
    "work_queue_id": "work-queue",
    "automation_id": "automation",
    "block_document_id": "block-document",
}


@dataclass(frozen=True, slots=True)
class Before(Filter):
    before_: datetime | None = None


@dataclass(frozen=True, slots=True)
class AutomationFilter(Filter):
    operator: Operator = "and_"
    id: Ids | None = None
    name: Texts | None = None
    created: Before | None = None
    tags: Tags | None = None


@dataclass(frozen=True, slots=True)
class AutomationRow:
    """An automation; trigger and actions are JSON in the standard's form."""

    id: UUID
    name: str
    description: str
    enabled: bool
    tags: list[str]
    trigger: dict[str, Any]
    actions: list[dict[str, Any]]
    actions_on_trigger: list[dict[str, Any]]
    actions_on_resolve: list[dict[str, Any]]
    owner_resource: str | None
    related: list[str]
    created: datetime
    updated: datetime
    paused_reason: str | None = None  # why the server switched it off


async def create(db: Database, facts: Mapping[str, Any]) -> AutomationRow:
    """Create an automation from the values of its columns, without ids and times."""
    automation_id = uuid7()
    async with db.write() as connection:
        await connection.execute(
            insert(automation).values(
                id=automation_id,
                **_kept(facts),
                related=_related(facts),
                created=db.now(),
                updated=db.now(),
            )
        )
        await _tell(connection, "created", [automation_id])
    return await read(db, automation_id)


async def replace(db: Database, automation_id: UUID, facts: Mapping[str, Any]) -> None:
    """Give an automation other values; its owner stays. Raises NotFound."""
    values = _kept(facts) | {"related": _related(facts), "paused_reason": None}
    await _set(db, automation_id, values)


def _kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to store. Actions, above all their parameters, must be stored unchanged. Raises
    UnstorableValue.
    """
    data_value(facts.get("actions"), "actions")
    return json_value(dict(facts))


async def enable(
    db: Database, automation_id: UUID, enabled: bool, cause: Mapping[str, Any] | None = None
) -> None:
    """Switch an automation on or off; `cause` goes into the event about it. Raises NotFound."""
    await _set(db, automation_id, {"enabled": enabled, "paused_reason": None}, cause)


async def pause_within(db: Database, connection: AsyncConnection, automation_id: UUID, reason: str) -> None:
    """Switch an automation off and store the reason, within a transaction that records the event."""
    statement = update(automation).where(automation.c.id == automation_id)
    await connection.execute(statement.values(enabled=False, paused_reason=reason, updated=db.now()))
    await _forget_counts(connection, [automation_id])


async def read(db: Database, automation_id: UUID) -> AutomationRow:
    """The automation with that id. Raises NotFound."""
    async with db.read() as connection:
        rows = await connection.execute(select(automation).where(automation.c.id == automation_id))
        row = rows.mappings().first()
    if row is None:
        raise _missing(automation_id)
    return AutomationRow(**row)


async def find(
    db: Database,
    asked: AutomationFilter | None = None,
    *,
    sort: AutomationSort = "NAME_ASC",
    limit: int = 200,
    offset: int = 0,
) -> list[AutomationRow]:
    """The automations that match."""
    orders: dict[str, ColumnElement[Any]] = {
        "CREATED_DESC": automation.c.created.desc(),
        "UPDATED_DESC": automation.c.updated.desc(),
        "NAME_ASC": automation.c.name.asc(),
        "NAME_DESC": automation.c.name.desc(),
    }
    statement = select(automation).where(*_AutomationConditions(db.is_sqlite).of_automations(asked))
    statement = statement.order_by(orders[sort], automation.c.id).limit(limit).offset(min(offset, 2**63 - 1))
    async with db.read() as connection:
        return [AutomationRow(**row) for row in (await connection.execute(statement)).mappings()]


async def count(db: Database, asked: AutomationFilter | None = None) -> int:
    """How many automations match."""
    conditions = _AutomationConditions(db.is_sqlite).of_automations(asked)
    async with db.read() as connection:
        return int(
            await connection.scalar(select(func.count()).select_from(automation).where(*conditions)) or 0
        )


async def related_to(db: Database, resource_id: str) -> list[AutomationRow]:
    """The automations whose triggers or actions name a resource, or that it owns."""
    async with db.read() as connection:
        rows = (await connection.execute(select(automation).order_by(automation.c.name))).mappings()
        every = [AutomationRow(**row) for row in rows]
    return [each for each in every if resource_id in (each.owner_resource, *each.related)]


async def delete(db: Database, automation_id: UUID) -> None:
    """Remove an automation. Raises NotFound."""
    async with db.write() as connection:
        await _tell(connection, "deleted", [automation_id])
        gone = await connection.execute(sql_delete(automation).where(automation.c.id == automation_id))
        if not gone.rowcount:
            raise _missing(automation_id)
        await _forget_counts(connection, [automation_id])


async def delete_owned_by(db: Database, resource_id: str) -> None:
    """Remove the automations that a resource owns."""
    async with db.write() as connection:
        owned = automation.c.owner_resource == plain_text(resource_id)
        ids = list(await connection.scalars(select(automation.c.id).where(owned).with_for_update()))
        if ids:
            await _tell(connection, "deleted", ids)
            await connection.execute(sql_delete(automation).where(automation.c.id.in_(ids)))
            await _forget_counts(connection, ids)


class _AutomationConditions(FilterConditions):
    def of_automations(self, asked: AutomationFilter | None) -> list[ColumnElement[bool]]:
        if asked is None:
            return []
        columns = automation.c
        parts = [
            self._on(columns.id, asked.id),
            self._on(columns.name, asked.name),
            self._on(columns.created, asked.created),
            self._tags(columns.tags, asked.tags),
        ]
        return _joined(asked, parts)


async def _set(
    db: Database, automation_id: UUID, values: Mapping[str, Any], cause: Mapping[str, Any] | None = None
) -> None:
    async with db.write() as connection:
        statement = update(automation).where(automation.c.id == automation_id)
        if not (await connection.execute(statement.values(**values, updated=db.now()))).rowcount:
            raise _missing(automation_id)
        await _forget_counts(connection, [automation_id])
        await _tell(connection, "updated", [automation_id], cause)


async def _tell(
    connection: AsyncConnection, action: Action, ids: list[UUID], cause: Mapping[str, Any] | None = None
) -> None:
    statement = select(automation.c.id, automation.c.name, automation.c.enabled)
    for row in (await connection.execute(statement.where(automation.c.id.in_(ids)))).all():
        facts = {"name": row.name, "enabled": row.enabled, **(cause or {})}
        await tell_within(connection, "automation", action, row.id, row.name, facts)


async def _forget_counts(connection: AsyncConnection, ids: list[UUID]) -> None:
    """Delete the counts of automations that are changed or removed: a changed one starts from zero."""
    for table in (automation_window, automation_part):
        await connection.execute(sql_delete(table).where(table.c.automation_id.in_(ids)))


def _related(facts: Mapping[str, Any]) -> list[str]:
    """The resources that triggers match and actions act on."""
    found: set[str] = set()
    actions = [*facts["actions"], *facts["actions_on_trigger"], *facts["actions_on_resolve"]]
    for action in actions:
        found |= {f"prefect.{kind}.{action[name]}" for name, kind in _NAMED_BY.items() if action.get(name)}
    triggers: list[dict[str, Any]] = [facts["trigger"]]
    while triggers:
        trigger = triggers.pop()
        triggers += trigger.get("triggers") or []
        related: Any = trigger.get("match_related") or {}
        others = cast("list[dict[str, Any]]", related if isinstance(related, list) else [related])
        for match in [cast("dict[str, Any]", trigger.get("match") or {}), *others]:
            ids: Any = match.get(RESOURCE_ID) or []
            wanted = cast("list[str]", [ids] if isinstance(ids, str) else ids)
            found |= {each for each in wanted if not each.endswith("*") and not each.startswith("!")}
    return sorted(found)


def _missing(automation_id: UUID) -> NotFound:
    return NotFound(f"there is no automation {automation_id}")
