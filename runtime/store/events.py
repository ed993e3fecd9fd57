"""Records events, many in one transaction, together with the task runs that they describe."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import RESOURCE_ID, RESOURCE_ROLE, Event
from ..events.task_runs import TaskRunNews, news_of, tells_of_a_task_run
from ..foundation import clock
from . import task_run_news
from .database.announcements import EVENTS, announce_by_asyncpg, announce_by_sqlite
from .database.database import Database
from .database.tables import event, event_resource
from .database.types import to_micros
from .database.wire_text import json_text, plain_text

_RETENTION_BATCH = 500


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result for a batch: how many events were new, and news of task runs without a known flow run."""

    new: int
    orphans: list[TaskRunNews]


async def record(db: Database, events: Sequence[Event]) -> Recorded:
    """Record events and the task runs that they describe, in one transaction. Events whose id is recorded
    already change nothing. Raises DatabaseUnavailable.
    """
    # In one order everywhere, so that two processes that record equal events do not deadlock; by time first,
    # # because readers of the stream get events in the order of their rows.
    batch = sorted(
        {event.id: event for event in events}.values(), key=lambda event: (event.occurred, event.id)
    )
    if not batch:
        return Recorded(0, [])
    if db.is_sqlite:
        return await db.sqlite_write(lambda connection: _record_sqlite(connection, batch))
    async with db.asyncpg_write() as connection:
        return await _record_postgres(connection, batch)


async def remove_before(db: Database, age: timedelta) -> int:
    """Remove a small batch of the events that occurred longer than `age` ago; returns their number."""
    before = (clock.now() - age).timestamp()
    oldest = "SELECT seq FROM event WHERE occurred < :before ORDER BY occurred LIMIT :most"
    params = {"before": to_micros(before) if db.is_sqlite else clock.from_epoch(before)}
    async with db.write() as connection:
        found = await connection.execute(text(oldest), params | {"most": _RETENTION_BATCH})
        gone = [row[0] for row in found]
        if gone:
            for statement in (
                "DELETE FROM event_resource WHERE event_seq IN :gone",
                "DELETE FROM event WHERE seq IN :gone",
            ):
                bound = text(statement).bindparams(bindparam("gone", expanding=True))
                await connection.execute(bound, {"gone": gone})
        return len(gone)


async def insert_within(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Record events that the server makes, in an open transaction, and announce them. Existing ones stay."""
    if not events:
        return
    ids = [each.id for each in events]
    there = set(await connection.scalars(select(event.c.id).where(event.c.id.in_(ids))))
    new = [each for each in events if each.id not in there]
    if not new:
        return
    await connection.execute(
        insert(event),
        [
            {
                "id": each.id,
                "occurred": each.occurred,
                "received": each.received,
                "event": each.event,
                "resource_id": each.resource_id,
                "resource": each.resource,
                "related": each.related,
                "payload": each.payload,
                "follows": each.follows,
            }
            for each in new
        ],
    )
    found = await connection.execute(select(event.c.id, event.c.seq).where(event.c.id.in_(ids)))
    places = {row[0]: row[1] for row in found}
    related = [
        {
            "resource_id": resource[RESOURCE_ID],
            "event_seq": places[each.id],
            "role": resource.get(RESOURCE_ROLE, ""),
        }
        for each in new
        for resource in each.related
    ]
    if related:
        await connection.execute(insert(event_resource), related)


async def _record_postgres(connection: Any, batch: list[Event]) -> Recorded:
    now = clock.now()
    rows = await connection.fetch(
        "INSERT INTO event (id, occurred, received, event, resource_id, resource, related, payload, follows) "
        "SELECT id, occurred, received, event, resource_id, resource::jsonb, related::jsonb, payload::jsonb, "
        "follows FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], "
        "$6::text[], $7::text[], $8::text[], $9::uuid[]) "
        "AS u(id, occurred, received, event, resource_id, resource, related, payload, follows) "
        "ON CONFLICT (id) DO NOTHING RETURNING id, seq",
        [event.id for event in batch],
        [event.occurred for event in batch],
        [event.received or now for event in batch],
        [plain_text(event.event) for event in batch],
        [plain_text(event.resource_id) for event in batch],
        [json_text(event.resource) for event in batch],
        [json_text(event.related) for event in batch],
        [json_text(event.payload) for event in batch],
        [event.follows for event in batch],
    )
    places = {UUID(int=row[0].int): row[1] for row in rows}
    new = [event for event in batch if event.id in places]
    related = _related_rows(new, places)
    if related:
        await connection.execute(
            "INSERT INTO event_resource (resource_id, event_seq, role) "
            "SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[]) ON CONFLICT DO NOTHING",
            *map(list, zip(*related, strict=True)),
        )
    if new:
        await announce_by_asyncpg(connection, EVENTS)
    return Recorded(len(new), await task_run_news.record_postgres(connection, _news_in(new)))


def _record_sqlite(connection: sqlite3.Connection, batch: list[Event]) -> Recorded:
    now = clock.now()
    document = orjson.dumps(
        [
            [
                event.id.hex,
                to_micros(event.occurred.timestamp()),
                to_micros((event.received or now).timestamp()),
                plain_text(event.event),
                plain_text(event.resource_id),
                json_text(event.resource),
                json_text(event.related),
                json_text(event.payload),
                None if event.follows is None else event.follows.hex,
            ]
            for event in batch
        ]
    ).decode()
    cells = ", ".join(f"value ->> {place}" for place in range(9))
    rows = connection.execute(
        "INSERT INTO event (id, occurred, received, event, resource_id, resource, related, payload, follows) "
        f"SELECT {cells} FROM json_each(?) WHERE true ON CONFLICT (id) DO NOTHING RETURNING id, seq",
        (document,),
    ).fetchall()
    places = {UUID(row[0]): row[1] for row in rows}
    new = [event for event in batch if event.id in places]
    related = orjson.dumps(_related_rows(new, places)).decode()
    connection.execute(
        "INSERT INTO event_resource (resource_id, event_seq, role) "
        "SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING",
        (related,),
    )
    if new:
        announce_by_sqlite(connection, EVENTS)
    return Recorded(len(new), task_run_news.record_sqlite(connection, _news_in(new)))


def _related_rows(new: list[Event], places: dict[UUID, int]) -> list[tuple[str, int, str]]:
    return [
        (plain_text(each[RESOURCE_ID]), places[event.id], plain_text(each.get(RESOURCE_ROLE, "")))
        for event in new
        for each in event.related
        if RESOURCE_ID in each
    ]


def _news_in(events: list[Event]) -> list[TaskRunNews]:
    found = (news_of(event) for event in events if tells_of_a_task_run(event))
    return [news for news in found if news is not None]
