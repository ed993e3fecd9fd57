"""Task runs of stock clients, recorded from events: every state is stored, in whatever order they arrive.

A task run is identified by flow run, task key and dynamic key; it keeps the first id. Its row has the newest
state by the client's clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ..events.task_runs import TaskRunNews
from ..foundation import clock
from ..states import FINAL_STATES
from .database.rows import NO_FLOW_RUN
from .database.types import to_micros
from .database.wire_text import json_text, json_value, plain_text

Identity = tuple[UUID, str, str]


@dataclass(slots=True)
class _Known:
    """A task run's recorded states, and the news about it."""

    id: UUID
    entries: list[list[Any]] = field(default_factory=list[list[Any]])
    news: list[TaskRunNews] = field(default_factory=list[TaskRunNews])


# Column and its type for unnest.
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "uuid"),
    ("flow_run_id", "uuid"),
    ("expected_start_time", "time"),
    ("start_time", "time"),
    ("end_time", "time"),
    ("epoch", "bigint"),
    ("run_count", "int"),
    ("task_key", "text"),
    ("dynamic_key", "text"),
    ("task_name", "text"),
    ("name", "text"),
    ("state_type", "text"),
    ("state_name", "text"),
    ("message", "text"),
    ("tags", "json"),
    ("labels", "json"),
    ("policy", "json"),
    ("task_version", "text"),
    ("task_inputs", "json"),
    ("cache_key", "text"),
    ("cache_expiration", "time"),
    ("timeline", "json"),
)
_FIXED = frozenset({"id", "flow_run_id", "task_key", "dynamic_key", "task_name", "expected_start_time"})
# Columns from the newest event only, not from events of older states.
_OF_NEWEST = frozenset(
    {"name", "tags", "labels", "policy", "task_version", "task_inputs", "cache_key", "cache_expiration"}
)
_COUNTS = frozenset({"epoch", "run_count"})
_NAMES = ", ".join(name for name, _ in _COLUMNS)


def _change(name: str) -> str:
    if name in _OF_NEWEST:
        return f"{name} = coalesce(excluded.{name}, task_run.{name})"
    if name in _COUNTS:
        new, old = f"excluded.{name}", f"task_run.{name}"
        return f"{name} = CASE WHEN {new} > {old} THEN {new} ELSE {old} END"
    return f"{name} = excluded.{name}"


_CHANGES = ", ".join(_change(name) for name, _ in _COLUMNS if name not in _FIXED)


async def record_postgres(connection: Any, news: list[TaskRunNews]) -> list[TaskRunNews]:
    """Write the news inside an open transaction; returns those without a known flow run."""
    if not news:
        return []
    runs = [_flow_run_of(each) for each in news]
    known_runs = {
        UUID(int=row[0].int)
        for row in await connection.fetch("SELECT id FROM flow_run WHERE id = ANY($1::uuid[])", runs)
    }
    kept, orphans = _sorted_out(news, known_runs)
    if not kept:
        return orphans
    identities = _identities(kept)
    rows = await connection.fetch(
        "SELECT t.id, t.flow_run_id, t.task_key, t.dynamic_key, t.timeline::text FROM task_run t "
        "JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS u(flow_run_id, task_key, dynamic_key) "
        "USING (flow_run_id, task_key, dynamic_key) ORDER BY t.id FOR NO KEY UPDATE OF t",
        *map(list, zip(*identities, strict=True)),
    )
    found = {(UUID(int=row[1].int), row[2], row[3]): (UUID(int=row[0].int), row[4]) for row in rows}
    columns = list(zip(*_rows(kept, found), strict=True))
    cells = ", ".join(f"{name}::jsonb" if kind == "json" else name for name, kind in _COLUMNS)
    types = {"time": "timestamptz", "json": "text"}
    arrays = ", ".join(f"${place}::{types.get(kind, kind)}[]" for place, (_, kind) in enumerate(_COLUMNS, 1))
    await connection.execute(
        f"INSERT INTO task_run ({_NAMES}, seq) SELECT {cells}, 0 FROM unnest({arrays}) AS u({_NAMES}) "
        f"ON CONFLICT (id) DO UPDATE SET {_CHANGES}",
        *map(list, columns),
    )
    await connection.execute(
        "INSERT INTO flow_run_of_events (flow_run_id) SELECT id FROM unnest($1::uuid[]) AS u(id) ORDER BY id "
        "ON CONFLICT DO NOTHING",
        list(known_runs),
    )
    return orphans


def record_sqlite(connection: sqlite3.Connection, news: list[TaskRunNews]) -> list[TaskRunNews]:
    """`record_postgres` for SQLite. One statement writes many rows: see `appends_sqlite`."""
    if not news:
        return []
    runs = orjson.dumps(sorted({_flow_run_of(each).hex for each in news})).decode()
    known_runs = {
        UUID(row[0])
        for row in connection.execute(
            "SELECT id FROM flow_run WHERE id IN (SELECT value FROM json_each(?))", (runs,)
        )
    }
    kept, orphans = _sorted_out(news, known_runs)
    if not kept:
        return orphans
    asked = orjson.dumps([(run.hex, task, key) for run, task, key in _identities(kept)]).decode()
    rows = connection.execute(
        "SELECT t.id, t.flow_run_id, t.task_key, t.dynamic_key, t.timeline FROM json_each(?) AS asked "
        "CROSS JOIN task_run t ON t.flow_run_id = asked.value ->> 0 AND t.task_key = asked.value ->> 1 "
        "AND t.dynamic_key = asked.value ->> 2",
        (asked,),
    )
    found = {(UUID(row[1]), row[2], row[3]): (UUID(row[0]), row[4]) for row in rows}
    document = orjson.dumps([[_sqlite_cell(cell) for cell in row] for row in _rows(kept, found)]).decode()
    cells = ", ".join(f"value ->> {place}" for place in range(len(_COLUMNS)))
    connection.execute(
        f"INSERT INTO task_run ({_NAMES}, seq) SELECT {cells}, 0 FROM json_each(?) WHERE true "
        f"ON CONFLICT (id) DO UPDATE SET {_CHANGES}",
        (document,),
    )
    connection.execute(
        "INSERT INTO flow_run_of_events (flow_run_id) SELECT value FROM json_each(?) WHERE true "
        "ON CONFLICT DO NOTHING",
        (orjson.dumps([run.hex for run in known_runs]).decode(),),
    )
    return orphans


def _flow_run_of(news: TaskRunNews) -> UUID:
    return news.flow_run_id or NO_FLOW_RUN


def _identity(news: TaskRunNews) -> Identity:
    return _flow_run_of(news), plain_text(news.task_key), plain_text(news.dynamic_key)


def _identities(news: list[TaskRunNews]) -> list[Identity]:
    return sorted({_identity(each) for each in news})


def _sorted_out(
    news: list[TaskRunNews], known_runs: set[UUID]
) -> tuple[list[TaskRunNews], list[TaskRunNews]]:
    """The news of a known flow run or of none, and the news of an unknown flow run."""
    kept = [each for each in news if each.flow_run_id is None or each.flow_run_id in known_runs]
    orphans = [each for each in news if each.flow_run_id is not None and each.flow_run_id not in known_runs]
    return kept, orphans


def _rows(
    news: list[TaskRunNews], found: Mapping[Identity, tuple[UUID, str | None]]
) -> list[tuple[Any, ...]]:
    """A row for each task run in the news, ordered by id."""
    known: dict[Identity, _Known] = {}
    for each in news:
        identity = _identity(each)
        run = known.get(identity)
        if run is None:
            run_id, timeline = found.get(identity, (each.task_run_id, None))
            entries: list[list[Any]] = orjson.loads(timeline) if timeline else []
            run = known[identity] = _Known(run_id, entries)
        run.news.append(each)
    return sorted(map(_row, known.values()), key=lambda row: row[0])


def _row(run: _Known) -> tuple[Any, ...]:
    newest = max(run.news, key=lambda each: each.at)
    entries = {_entry_id(entry): entry for entry in [*run.entries, *map(_entry, run.news)]}
    timeline = sorted(entries.values(), key=lambda entry: entry[2])
    last = timeline[-1]
    facts = newest.facts
    is_newest = _entry_id(last) == str(newest.event_id)
    started = next((entry[2] for entry in timeline if entry[0] == "RUNNING"), None)
    start = _moment(facts.get("start_time")) or _from_epoch(started)
    # As in the standard, a task run that crashed or was cancelled before it ran has no end time.
    ended = last[2] if last[0] in FINAL_STATES and start is not None else None
    expected = _moment(facts.get("expected_start_time"))
    name = plain_text(str(facts.get("name") or newest.task_key))
    return (
        run.id,
        _flow_run_of(newest),
        expected or _from_epoch(timeline[0][2]),
        start,
        _from_epoch(ended),
        int(facts.get("flow_run_run_count") or 0),
        max(int(facts.get("run_count") or 0), sum(entry[0] == "RUNNING" for entry in timeline)),
        plain_text(newest.task_key),
        plain_text(newest.dynamic_key),
        name,
        name if is_newest else None,
        last[0],
        last[1],
        last[3],
        json_text(sorted(map(str, facts.get("tags") or ()))) if is_newest else None,
        json_text(facts.get("labels") or {}) if is_newest else None,
        json_text(facts.get("empirical_policy") or {}) if is_newest else None,
        _text(facts.get("task_version")) if is_newest else None,
        json_text(facts.get("task_inputs") or {}) if is_newest else None,
        _text(facts.get("cache_key")) if is_newest else None,
        _moment(facts.get("cache_expiration")) if is_newest else None,
        json_text(timeline),
    )


def _entry_id(entry: list[Any]) -> Any:
    """The identity of a timeline's entry: its state's id, or else its content."""
    return entry[4].get("id") if len(entry) > 4 else tuple(entry[:3])


def _entry(news: TaskRunNews) -> list[Any]:
    more: dict[str, Any] = {"id": str(news.event_id)}
    if news.details:
        more["details"] = json_value(news.details)
    if news.data is not None:
        more["data"] = json_value(news.data)
    return [
        news.state_type,
        plain_text(news.state_name),
        news.at.timestamp(),
        None if news.message is None else plain_text(str(news.message)),
        more,
    ]


def _text(value: Any) -> str | None:
    return None if value is None else plain_text(str(value))


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _from_epoch(seconds: float | None) -> datetime | None:
    return None if seconds is None else clock.from_epoch(seconds)


def _sqlite_cell(cell: Any) -> Any:
    if isinstance(cell, UUID):
        return cell.hex
    return to_micros(cell.timestamp()) if isinstance(cell, datetime) else cell
