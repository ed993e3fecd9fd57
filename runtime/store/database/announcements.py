"""Announces a change to other processes inside the transaction that makes it: the writing end of the feed.

Postgres delivers an announcement to listeners when the transaction commits. SQLite cannot, so each topic has
a number there that rises; `feed` reads the numbers when the file has changed.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

RUNS = "runs"
"""A run waits to be started, a slot became free, or what a waiting run needs was changed."""
POOLS = "pools"
"""Work pools or queues were made, changed, paused or removed."""
SCHEDULES = "schedules"
"""Schedules or their deployments were made, changed, paused or removed."""
COMMANDS = "commands"
"""A running run was asked to stop, to pause or to go on."""
EVENTS = "events"
"""Events were stored."""
ACTIONS = "actions"
"""Automations fired: there are actions to carry out."""

TASKS = "tasks"
"""Background tasks wait for a worker."""

SLOTS = "slots"
"""Slots of limits came free, or limits were changed, while calls wait for one."""

CHANGES = "changes"
"""Flow runs or task runs were changed or removed in a way that no event tells."""

WORKERS = "workers"
"""Workers came for the first time, or were removed."""

TOPICS = frozenset({RUNS, POOLS, SCHEDULES, COMMANDS, EVENTS, ACTIONS, TASKS, SLOTS, CHANGES, WORKERS})

CHANNEL = "heliostat"  # of LISTEN and NOTIFY

_NOTIFY = "SELECT pg_notify('heliostat', $1)"
_RAISE = (
    "INSERT INTO announcement (topic, number) VALUES (?, 1) "
    "ON CONFLICT (topic) DO UPDATE SET number = announcement.number + 1"
)


_NOTIFY_STATEMENT = text("SELECT pg_notify('heliostat', :topic)")
_RAISE_STATEMENT = text(_RAISE.replace("?", ":topic"))


async def announce(connection: AsyncConnection, *topics: str) -> None:
    """Announce these topics when the transaction commits. Cheap; announcing a topic twice counts once."""
    for topic in _known(topics):
        if connection.dialect.name == "postgresql":
            await connection.execute(_NOTIFY_STATEMENT, {"topic": topic})
        else:
            await connection.execute(_RAISE_STATEMENT, {"topic": topic})


async def announce_by_asyncpg(driver: Any, *topics: str) -> None:
    """`announce` on the bare driver of Postgres."""
    for topic in _known(topics):
        await driver.execute(_NOTIFY, topic)


def announce_by_sqlite(connection: sqlite3.Connection, *topics: str) -> None:
    """`announce` on the bare driver of SQLite."""
    for topic in _known(topics):
        connection.execute(_RAISE, (topic,))


def _known(topics: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(topics) - TOPICS
    if unknown:
        raise ValueError(f"no such topics: {', '.join(sorted(unknown))}")
    return topics
