"""Evaluates automations: reads new events, counts them, and stores the actions of automations that fire.

One transaction does all of it and moves the position, so a process may die at any moment: its events are read
again, and nothing fires twice. A lock on the position's row lets only one process do it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..automations.chains import CHAIN, PAUSED, ROOT, TRIGGERED, Chain, led_on
from ..automations.evaluation import Evaluation, Place, Window, event_triggers
from ..automations.firings import (
    Firing,
    event_as_json,
    event_from_json,
    firing_as_json,
    firing_from_json,
)
from ..automations.triggers import EventTrigger, Trigger, read_triggers, tells_of_automations
from ..events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event
from ..foundation import clock
from ..foundation.ids import uuid7
from ..foundation.long_lived import is_away
from ..foundation.settings import current_settings
from . import automations
from .automation_chains import Chains, firings_of
from .automations import AutomationRow
from .database.announcements import ACTIONS, EVENTS, announce
from .database.automation_tables import (
    automation_action,
    automation_part,
    automation_window,
    service_position,
)
from .database.database import Database
from .database.tables import automation, event
from .database.wire_text import plain_text
from .event_tail import EventTail
from .events import insert_within

_log = logging.getLogger("heliostat.services")

_NAME = "automations"
_AT_ONCE = 200  # places in one statement
_CLOCKS_DIFFER_BY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Watching:
    row: AutomationRow
    triggers: Mapping[str, Trigger]

    def event_triggers(self) -> list[EventTrigger]:
        return event_triggers(self.triggers)

    def hears_of_automations(self) -> bool:
        return any(each.names_automations for each in self.event_triggers())


async def advance(db: Database) -> bool:
    """Take the next events; False when there are none. Raises DatabaseUnavailable."""
    if not await _is_behind(db):
        return False
    async with db.write() as connection:
        tail = await _tail(db, connection)
        if tail is None:
            return False
        watching = await _watching(db, connection)
        counting = [each for one in watching for each in one.event_triggers()]
        events, read = await tail.read_within(
            connection, lambda name: any(each.covers_name(name) for each in counting)
        )
        chains = Chains(connection)
        others = [each for each in events if not tells_of_automations(each.event)]
        for one in watching:
            heard = events if one.hears_of_automations() else others
            if heard:
                async with _alone(db, connection, one.row):
                    await _evaluate(db, connection, one, heard, chains)
        gaps = {str(number): at for number, at in tail.gaps.items()}
        await connection.execute(
            update(service_position).where(service_position.c.name == _NAME).values(last=tail.last, gaps=gaps)
        )
        return read > 0


async def close_windows(db: Database) -> float | None:
    """Close windows whose time is over, once all events are read; returns the seconds until the next end."""
    async with db.read() as connection:
        watching = [one for one in await _watching(db, connection) if _waits_for_time(one)]
        if not watching:
            return None
    async with db.write() as connection:
        tail = await _tail(db, connection)
        if tail is None:
            return None
        now = await db.time_within(connection)
        if await connection.scalar(select(event.c.seq).where(event.c.seq > tail.last).limit(1)) is not None:
            return 0.0  # new events must be read first
        chains = Chains(connection)
        for one in await _watching(db, connection):
            if _waits_for_time(one):
                async with _alone(db, connection, one.row):
                    evaluation = Evaluation(
                        one.triggers,
                        await _windows(connection, one, before=now),
                        await _parts(connection, one.row.id),
                    )
                    evaluation.look(now)
                    await _keep(db, connection, one, evaluation, chains)
        end: datetime | None = await connection.scalar(select(func.min(automation_window.c.end)))
        return None if end is None else max((end - now).total_seconds(), 0.0)


def _waits_for_time(one: _Watching) -> bool:
    return any(each.is_proactive or each.after for each in one.event_triggers())


async def _is_behind(db: Database) -> bool:
    """Whether there may be events to read, found without a lock."""
    async with db.read() as connection:
        place = (await connection.execute(select(service_position).where(_is_ours()))).mappings().first()
        if place is None or place["gaps"]:
            return True
        more = select(event.c.seq).where(event.c.seq > place["last"]).limit(1)
        return await connection.scalar(more) is not None


async def _tail(db: Database, connection: AsyncConnection) -> EventTail | None:
    """The reading position, locked until the transaction ends; None while another process has it."""
    place = select(service_position).where(_is_ours()).with_for_update(skip_locked=True)
    row = (await connection.execute(place)).mappings().first()
    if row is None:
        return None
    return EventTail(db, row["last"], {int(number): at for number, at in row["gaps"].items()})


def _is_ours() -> Any:
    return service_position.c.name == _NAME


async def _watching(db: Database, connection: AsyncConnection) -> list[_Watching]:
    rows = (await connection.execute(select(automation).where(automation.c.enabled))).mappings().all()
    found: list[_Watching] = []
    for row in (AutomationRow(**row) for row in rows):
        try:
            found.append(_Watching(row, read_triggers(row.trigger)))
        except Exception as error:
            await _set_aside(db, connection, row, "its trigger cannot be read", error)
    return found


@asynccontextmanager
async def _alone(db: Database, connection: AsyncConnection, row: AutomationRow) -> AsyncGenerator[None]:
    """Errors inside switch off this automation and do not reach the others."""
    try:
        async with db.failures_told():
            yield
    except Exception as error:
        await _set_aside(db, connection, row, "it could not be evaluated", error)


async def _set_aside(
    db: Database, connection: AsyncConnection, row: AutomationRow, doing: str, error: Exception
) -> None:
    """Switch off an automation that cannot be evaluated, so that the others go on."""
    if is_away(error):
        raise error
    reason = f"It was switched off because {doing}: {type(error).__name__}: {error}"
    _log.error("automation %r (%s): %s", row.name, row.id, reason, exc_info=error)
    await automations.pause_within(db, connection, row.id, plain_text(reason))


async def _evaluate(
    db: Database, connection: AsyncConnection, one: _Watching, events: Sequence[Event], chains: Chains
) -> None:
    since = one.row.created - _CLOCKS_DIFFER_BY
    triggers = one.event_triggers()
    covered = [
        each
        for each in events
        if (each.received or each.occurred) >= since and any(trigger.covers(each) for trigger in triggers)
    ]
    if not covered:
        return
    await chains.learn(covered)
    fitting = _fit_to_fire_on(one.row, covered, chains)
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
    await _keep(db, connection, one, evaluation, chains)


def _fit_to_fire_on(row: AutomationRow, events: Sequence[Event], chains: Chains) -> list[Event]:
    """The events that count for an automation: none that it caused itself, none at the end of too long a
    chain.
    """
    most = current_settings().automation_chain_depth
    led = [(each, chains.of(each)) for each in events]
    ended = [chain for _, chain in led if chain is not None and len(chain.automations) >= most]
    if ended:
        _log.warning(
            "automation %r does not fire on %d event(s): %d automations led there, each fired by the one "
            "before (HELIOSTAT_AUTOMATION_CHAIN_DEPTH)",
            row.name,
            len(ended),
            most,
        )
    return [each for each, chain in led if chain is None or chain.admits(row.id, most)]


async def _windows(
    connection: AsyncConnection,
    one: _Watching,
    *,
    places: Iterable[Place] = (),
    before: datetime | None = None,
) -> dict[Place, Window]:
    """The windows at these places; with `before`, those that have ended by then and those without a key."""
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


async def _keep(
    db: Database, connection: AsyncConnection, one: _Watching, evaluation: Evaluation, chains: Chains
) -> None:
    """Write the changes and the actions of firings: all of them or, after an error, none."""
    if evaluation.touched or evaluation.touched_parts or evaluation.fired:
        async with connection.begin_nested():
            await _keep_within(db, connection, one, evaluation, chains)


async def _keep_within(
    db: Database, connection: AsyncConnection, one: _Watching, evaluation: Evaluation, chains: Chains
) -> None:
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
        await _fire(db, connection, one.row, evaluation.fired, chains)


async def _fire(
    db: Database, connection: AsyncConnection, row: AutomationRow, fired: Sequence[Firing], chains: Chains
) -> None:
    """Write the events and actions of a firing, unless the automation fires too often."""
    now, settings = await db.time_within(connection), current_settings()
    most_in_a_minute, deep = settings.automation_firings_per_minute, settings.automation_chain_depth
    await chains.learn(event for firing in fired for event in firing.events())
    recent = await firings_of(connection, f"prefect.automation.{row.id}", row.updated, now)
    told: list[tuple[Firing, Event, Chain]] = []
    pausing: Event | None = None
    had_enough: set[str | None] = set()
    for firing in fired:
        before = chains.longest(firing.events())
        root = None if before is None else before.root
        if not recent.admit(root, deep):
            had_enough.add(root)
            continue
        if most_in_a_minute and recent.in_a_minute > most_in_a_minute:
            pausing = await _pause(db, connection, row, most_in_a_minute)
            break
        chain = led_on(before, row.id, firing.id if firing.event is None else firing.event.id)
        told.append((firing, triggered_event(row, firing, chain), chain))
    if had_enough:
        _log.warning(
            "automation %r does not fire: it has %d times on what goes back to event %s "
            "(HELIOSTAT_AUTOMATION_CHAIN_DEPTH)",
            row.name,
            deep,
            ", ".join(sorted(map(str, had_enough))[:3]),
        )
    await insert_within(connection, [event for _, event, _ in told])
    if pausing is not None:
        await insert_within(connection, [pausing])
    actions = [each for firing, event, chain in told for each in _actions(row, firing, event, chain)]
    if actions:
        await connection.execute(insert(automation_action), actions)
    await announce(connection, EVENTS, ACTIONS)


async def _pause(db: Database, connection: AsyncConnection, row: AutomationRow, most: int) -> Event:
    """Switch off an automation that fires too fast; returns the event about it."""
    reason = (
        f"It fired more than {most} times in a minute. Narrow its trigger, or raise "
        "HELIOSTAT_AUTOMATION_FIRINGS_PER_MINUTE, then switch it on again."
    )
    await automations.pause_within(db, connection, row.id, reason)
    _log.warning("automation %r is paused: %s", row.name, reason)
    now = clock.now()
    resource = {RESOURCE_ID: f"prefect.automation.{row.id}", RESOURCE_NAME: row.name}
    return Event(uuid7(), now, PAUSED, resource, payload={"reason": reason}, received=now)


def _actions(row: AutomationRow, firing: Firing, told: Event, chain: Chain) -> list[dict[str, Any]]:
    """Rows of the actions of one firing; actions on triggering get the event about the firing."""
    entering = replace(firing, event=told)
    actions = [(action, firing) for action in row.actions]
    actions += [(action, entering) for action in row.actions_on_trigger]
    described = {
        "id": str(row.id),
        "name": row.name,
        "description": row.description,
        "trigger": row.trigger,
        CHAIN: chain.as_json(),
    }
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


def triggered_event(row: AutomationRow, firing: Firing, chain: Chain) -> Event:
    """`prefect.automation.triggered`."""
    resource = {RESOURCE_ID: f"prefect.automation.{row.id}", RESOURCE_NAME: row.name, ROOT: chain.root}
    if row.trigger["type"] == "event":
        resource["prefect.posture"] = row.trigger["posture"]
    related = [] if firing.event is None else [event_resource_of(firing.event.id, "triggering-event")]
    if firing.parts:
        related = [event_resource_of(each.id, "triggering-event") for each in firing.events()][:100]
    now = clock.now()
    return Event(
        id=uuid7(),
        occurred=now,
        event=TRIGGERED,
        resource=resource,
        related=related,
        payload={
            "triggering_labels": dict(firing.labels),
            "triggering_event": None if firing.event is None else event_as_json(firing.event),
            CHAIN: chain.as_json(),
        },
        received=now,
    )


def event_resource_of(event_id: UUID, role: str) -> dict[str, str]:
    """An event as a related resource."""
    return {RESOURCE_ID: f"prefect.event.{event_id}", RESOURCE_ROLE: role}


def _key_text(key: Iterable[str]) -> str:
    return orjson.dumps(list(key)).decode()
