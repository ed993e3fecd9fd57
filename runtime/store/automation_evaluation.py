"""Automations meet events: read on in the table of events, count, and note the actions of those that fire.

One transaction does all of it and moves the position, so that a process may die at any moment: what it had
read is read again, and nothing has fired twice. Whoever holds the position's row is the only one at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .. import clock
from ..automations.evaluation import Evaluation, Place, Window, event_triggers
from ..automations.firings import (
    Firing,
    event_as_json,
    event_from_json,
    firing_as_json,
    firing_from_json,
)
from ..automations.triggers import EventTrigger, Trigger, read_triggers
from ..events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event
from ..ids import uuid7
from .announcements import ACTIONS, EVENTS, announce
from .automation_tables import automation_action, automation_part, automation_window, service_position
from .automations import AutomationRow
from .database import Database
from .event_tail import EventTail
from .events import insert_within
from .tables import automation, event

_NAME = "automations"
_AT_ONCE = 200  # places that are asked for in one statement
_CLOCKS_DIFFER_BY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Watching:
    row: AutomationRow
    triggers: Mapping[str, Trigger]

    def event_triggers(self) -> list[EventTrigger]:
        return event_triggers(self.triggers)


async def advance(db: Database) -> bool:
    """Take the next events; False when there are none. Raises DatabaseUnavailable."""
    if not await _is_behind(db):
        return False
    async with db.write() as connection:
        tail = await _tail(db, connection)
        if tail is None:
            return False
        watching = await _watching(connection)
        counting = [each for one in watching for each in one.event_triggers()]
        events, read = await tail.read_within(
            connection, lambda name: any(each.covers_name(name) for each in counting)
        )
        if events:
            for one in watching:
                await _evaluate(connection, one, events)
        gaps = {str(number): at for number, at in tail.gaps.items()}
        await connection.execute(
            update(service_position).where(service_position.c.name == _NAME).values(last=tail.last, gaps=gaps)
        )
        return read > 0


async def close_windows(db: Database) -> float | None:
    """Let windows end whose time has come, once all events are read; gives the seconds until the next end."""
    async with db.read() as connection:
        watching = [one for one in await _watching(connection) if _waits_for_time(one)]
        if not watching:
            return None
    async with db.write() as connection:
        tail = await _tail(db, connection)
        if tail is None:
            return None
        now = clock.now()
        if await connection.scalar(select(event.c.seq).where(event.c.seq > tail.last).limit(1)) is not None:
            return 0.0  # what has been said meanwhile comes first
        for one in await _watching(connection):
            if _waits_for_time(one):
                evaluation = Evaluation(
                    one.triggers,
                    await _windows(connection, one, before=now),
                    await _parts(connection, one.row.id),
                )
                evaluation.look(now)
                await _keep(connection, one, evaluation)
        end: datetime | None = await connection.scalar(select(func.min(automation_window.c.end)))
        return None if end is None else max((end - now).total_seconds(), 0.0)


def _waits_for_time(one: _Watching) -> bool:
    return any(each.is_proactive or each.after for each in one.event_triggers())


async def _is_behind(db: Database) -> bool:
    """Whether there may be something to read; asking costs no lock."""
    async with db.read() as connection:
        place = (await connection.execute(select(service_position).where(_is_ours()))).mappings().first()
        if place is None or place["gaps"]:
            return True
        more = select(event.c.seq).where(event.c.seq > place["last"]).limit(1)
        return await connection.scalar(more) is not None


async def _tail(db: Database, connection: AsyncConnection) -> EventTail | None:
    """Where to read on, held until the transaction ends; None while another process is at it."""
    place = select(service_position).where(_is_ours()).with_for_update(skip_locked=True)
    row = (await connection.execute(place)).mappings().first()
    if row is None:
        return None
    return EventTail(db, row["last"], {int(number): at for number, at in row["gaps"].items()})


def _is_ours() -> Any:
    return service_position.c.name == _NAME


async def _watching(connection: AsyncConnection) -> list[_Watching]:
    rows = (await connection.execute(select(automation).where(automation.c.enabled))).mappings()
    found = [AutomationRow(**row) for row in rows]
    return [_Watching(row, read_triggers(row.trigger)) for row in found]


async def _evaluate(connection: AsyncConnection, one: _Watching, events: Sequence[Event]) -> None:
    since = one.row.created - _CLOCKS_DIFFER_BY
    fitting = [
        each
        for each in events
        if (each.received or each.occurred) >= since
        and any(trigger.covers(each) for trigger in one.event_triggers())
    ]
    if not fitting:
        return
    places = {
        (trigger.path, trigger.key_of(each))
        for each in fitting
        for trigger in one.event_triggers()
        if trigger.covers(each)
    }
    evaluation = Evaluation(
        one.triggers,
        await _windows(connection, one, places=places),
        await _parts(connection, one.row.id),
    )
    for each in fitting:
        evaluation.see(each)
    await _keep(connection, one, evaluation)


async def _windows(
    connection: AsyncConnection,
    one: _Watching,
    *,
    places: Iterable[Place] = (),
    before: datetime | None = None,
) -> dict[Place, Window]:
    """The windows at these places; or, with `before`, those that ended until then and those of no key."""
    columns = automation_window.c
    ours = select(automation_window).where(columns.automation_id == one.row.id)
    if before is not None:
        statements = [ours.where((columns.end <= before) | (columns.key == _key_text(())))]
    else:
        pairs = [(path, _key_text(key)) for path, key in places]
        statements = [
            ours.where(tuple_(columns.path, columns.key).in_(pairs[begin : begin + _AT_ONCE]))
            for begin in range(0, len(pairs), _AT_ONCE)
        ]
    found: dict[Place, Window] = {}
    for statement in statements:
        for row in (await connection.execute(statement)).mappings():
            last = None if row["last"] is None else event_from_json(row["last"])
            place = (row["path"], tuple(orjson.loads(row["key"])))
            found[place] = Window(row["start"], row["end"], row["count"], last)
    return found


async def _parts(connection: AsyncConnection, automation_id: UUID) -> dict[str, dict[str, Firing]]:
    statement = select(automation_part).where(automation_part.c.automation_id == automation_id)
    found: dict[str, dict[str, Firing]] = {}
    for row in (await connection.execute(statement)).mappings():
        found.setdefault(row["path"], {})[row["child"]] = firing_from_json(row["firing"])
    return found


async def _keep(connection: AsyncConnection, one: _Watching, evaluation: Evaluation) -> None:
    """Write what changed, and the actions of what fired."""
    touched, columns = list(evaluation.touched), automation_window.c
    for begin in range(0, len(touched), _AT_ONCE):
        pairs = [(path, _key_text(key)) for path, key in touched[begin : begin + _AT_ONCE]]
        ours = (columns.automation_id == one.row.id) & tuple_(columns.path, columns.key).in_(pairs)
        await connection.execute(delete(automation_window).where(ours))
    open_windows = [
        {
            "automation_id": one.row.id,
            "path": path,
            "key": _key_text(key),
            "start": window.start,
            "end": window.end,
            "count": window.count,
            "last": None if window.last is None else event_as_json(window.last),
        }
        for (path, key), window in evaluation.windows.items()
        if (path, key) in evaluation.touched
    ]
    if open_windows:
        await connection.execute(insert(automation_window), open_windows)
    for path in evaluation.touched_parts:
        table = automation_part.c
        await connection.execute(
            delete(automation_part).where(table.automation_id == one.row.id, table.path == path)
        )
        parts = [
            {"automation_id": one.row.id, "path": path, "child": child, "firing": firing_as_json(firing)}
            for child, firing in evaluation.parts[path].items()
        ]
        if parts:
            await connection.execute(insert(automation_part), parts)
    if evaluation.fired:
        await _fire(connection, one.row, evaluation.fired)


async def _fire(connection: AsyncConnection, row: AutomationRow, fired: Sequence[Firing]) -> None:
    """The events that tell of it, and an action each to be carried out."""
    told = [(firing, triggered_event(row, firing)) for firing in fired]
    await insert_within(connection, [event for _, event in told])
    actions = [each for firing, event in told for each in _actions(row, firing, event)]
    if actions:
        await connection.execute(insert(automation_action), actions)
    await announce(connection, EVENTS, ACTIONS)


def _actions(row: AutomationRow, firing: Firing, told: Event) -> list[dict[str, Any]]:
    """Rows of the actions of one firing; those on entering the state are about the event that tells of it."""
    entering = replace(firing, event=told)
    actions = [(action, firing) for action in row.actions]
    actions += [(action, entering) for action in row.actions_on_trigger]
    described = {"id": str(row.id), "name": row.name, "description": row.description, "trigger": row.trigger}
    return [
        {
            "id": uuid7(),
            "automation": described,
            "action": action,
            "place": place,
            "firing": firing_as_json(why),
            "triggered_event_id": told.id,
            "attempts": 0,
            "due": told.occurred,
        }
        for place, (action, why) in enumerate(actions)
    ]


def triggered_event(row: AutomationRow, firing: Firing) -> Event:
    """`prefect.automation.triggered`."""
    resource = {RESOURCE_ID: f"prefect.automation.{row.id}", RESOURCE_NAME: row.name}
    if row.trigger["type"] == "event":
        resource["prefect.posture"] = row.trigger["posture"]
    related = [] if firing.event is None else [event_resource_of(firing.event.id, "triggering-event")]
    if firing.parts:
        related = [event_resource_of(each.id, "triggering-event") for each in firing.events()][:100]
    now = clock.now()
    return Event(
        id=uuid7(),
        occurred=now,
        event="prefect.automation.triggered",
        resource=resource,
        related=related,
        payload={
            "triggering_labels": dict(firing.labels),
            "triggering_event": None if firing.event is None else event_as_json(firing.event),
        },
        received=now,
    )


def event_resource_of(event_id: UUID, role: str) -> dict[str, str]:
    """An event as a related resource."""
    return {RESOURCE_ID: f"prefect.event.{event_id}", RESOURCE_ROLE: role}


def _key_text(key: Iterable[str]) -> str:
    return orjson.dumps(list(key)).decode()
