"""Actions of automations that fired, from when they are due until they were executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, update

from ..automations.chains import Chain, chain_in
from ..automations.firings import Firing, firing_from_json
from ..events.records import Event
from ..foundation import clock
from .database.announcements import EVENTS, announce
from .database.automation_tables import automation_action
from .database.database import Database
from .events import insert_within


@dataclass(frozen=True, slots=True)
class DueAction:
    """One action of one firing. `id` names this invocation, however often it is tried."""

    id: UUID
    automation: Mapping[str, Any]
    action: Mapping[str, Any]
    place: int
    firing: Firing
    triggered_event_id: UUID
    attempts: int
    unreadable: str | None = None  # why its firing cannot be read; then it cannot be executed

    @property
    def chain(self) -> Chain | None:
        """The automations that led to the action, its own last."""
        return chain_in(self.automation)

    @property
    def event(self) -> Event | None:
        """The event that made the automation fire; None when the lack of events did."""
        return self.firing.event


async def claim(db: Database, limit: int, lease_s: float) -> list[DueAction]:
    """Take due actions for `lease_s` seconds, after which unfinished ones are due again."""
    table = automation_action.c
    async with db.read() as connection:
        if await connection.scalar(select(table.id).where(table.due <= db.now()).limit(1)) is None:
            return []
    async with db.write() as connection:
        due = select(automation_action).where(table.due <= db.now()).order_by(table.due, table.id)
        due = due.limit(limit).with_for_update(skip_locked=True)
        rows = (await connection.execute(due)).mappings().all()
        if rows:
            await connection.execute(
                update(automation_action)
                .where(table.id.in_([row["id"] for row in rows]))
                .values(attempts=table.attempts + 1, due=db.from_now(lease_s))
            )
    return [_due(row) for row in rows]


def _due(row: RowMapping) -> DueAction:
    attempts = row["attempts"] + 1
    try:
        firing, unreadable = firing_from_json(row["firing"]), None
    except Exception as error:  # reported as this action's failure; others are executed
        firing, unreadable = None, f"why it fired cannot be read: {type(error).__name__}: {error}"
    return DueAction(
        row["id"],
        row["automation"],
        row["action"],
        row["place"],
        firing or Firing("", clock.now()),
        row["triggered_event_id"],
        attempts,
        unreadable,
    )


async def finish(db: Database, action_id: UUID, events: Sequence[Event]) -> bool:
    """Record that an action was executed or failed for good, with its events. False if that was recorded
    before.
    """
    async with db.write() as connection:
        gone = await connection.execute(delete(automation_action).where(automation_action.c.id == action_id))
        if not gone.rowcount:
            return False
        await insert_within(connection, events)
        await announce(connection, EVENTS)
        return True


async def waiting(db: Database) -> int:
    """How many actions are not finished."""
    async with db.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(automation_action)) or 0)
