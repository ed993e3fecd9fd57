"""Recording runs and their first states with one query to the database, because starting a run waits for
it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Dialect, Table

from ..foundation import clock
from .database.announcements import RUNS, announce_by_sqlite
from .database.database import Database
from .database.gathering import gathered
from .database.prepared import prepared
from .database.rows import FlowRunRow, FlowRunStateRow
from .database.tables import flow_run, flow_run_state
from .database.types import from_micros, to_micros
from .search import FlowRunAndState

_TIMES = ("created", "updated")
_MOMENTS = (
    "state_timestamp",
    "expected_start_time",
    "next_scheduled_start_time",
    "start_time",
    "end_time",
)
_FIELDS = frozenset({each.name for each in fields(FlowRunRow)} - {"flow_name", "parameters_pickle", "result"})
_FLOW_NAME = "SELECT name FROM flow WHERE id = ?"
_DEPLOYMENT = "SELECT 1 FROM deployment WHERE id = ?"


async def record(
    db: Database,
    run: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    is_due: bool,
    place: tuple[str | None, str | None] = (None, None),
) -> FlowRunAndState | None:
    """Record the columns of a new run and of its first state, in one transaction (which concurrent calls may
    share); returns the run.

    Returns None and records nothing when its flow or deployment is gone. `is_due` announces the run to the
    services that start runs. `place`: the names of its pool and queue. The run must have no idempotency key:
    existing runs are not searched.
    """
    made = await _recorded(db, _NewRun(run, state, is_due))
    if made is None:
        return None
    facts: dict[str, Any] = {name: run.get(name) for name in _FIELDS}
    facts |= {name: _moment(run.get(name)) for name in _MOMENTS}
    facts |= {name: made[name] for name in ("flow_name", *_TIMES)}
    first: dict[str, Any] = {**state, "timestamp": _moment(state["timestamp"])}
    return FlowRunAndState(FlowRunRow(**facts), FlowRunStateRow(**first), *place)


class _NewRun(NamedTuple):
    run: Mapping[str, Any]
    state: Mapping[str, Any]
    is_due: bool


def _subjects(new: _NewRun) -> tuple[UUID]:
    return (new.run["id"],)


@gathered(_subjects)
async def _recorded(db: Database, news: Sequence[_NewRun]) -> list[Mapping[str, Any] | None]:
    """The flow name and the times of each new run; None when it was not recorded."""
    if db.is_sqlite:
        return await db.sqlite_write(lambda it: [_by_sqlite(db, it, *new) for new in news])
    bound = _bound(db)
    rows = [
        (*bound.run.bind(run), run.get("deployment_id"), *bound.state.bind(state), is_due)
        for run, state, is_due in news
    ]
    async with db.asyncpg_statements() as driver:
        made = {each["id"]: each for each in await driver.fetchmany(_on_postgres(db), rows)}
    return [made.get(new.run["id"]) for new in news]


def _by_sqlite(
    db: Database,
    connection: sqlite3.Connection,
    run: Mapping[str, Any],
    state: Mapping[str, Any],
    is_due: bool,
) -> dict[str, Any] | None:
    flow_name = connection.execute(_FLOW_NAME, (run["flow_id"].hex,)).fetchone()
    if flow_name is None:
        return None
    deployment_id = run.get("deployment_id")
    if deployment_id and not connection.execute(_DEPLOYMENT, (deployment_id.hex,)).fetchone():
        return None
    now = to_micros(clock.epoch_s())
    bound, (insert_run, insert_state) = _bound(db), _on_sqlite(db)
    connection.execute(insert_run, (*bound.run.bind(run), now, now))
    connection.execute(insert_state, bound.state.bind(state))
    if is_due:
        announce_by_sqlite(connection, RUNS)
    return {"flow_name": flow_name[0], "created": from_micros(now), "updated": from_micros(now)}


def _moment(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else from_micros(to_micros(epoch_s))


class _Columns:
    """Columns of a table, and how their values are passed to the driver."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        columns = [column for column in table.c if column.name not in _TIMES]
        self.names = [column.name for column in columns]
        self.types = [column.type.compile(dialect=dialect) for column in columns]
        self._binders: list[Callable[[Any], Any] | None] = [
            column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns
        ]

    def bind(self, row: Mapping[str, Any]) -> list[Any]:
        """The values of a row in the order of the columns; missing ones are NULL."""
        return [
            row.get(name) if binder is None else binder(row.get(name))
            for name, binder in zip(self.names, self._binders, strict=True)
        ]


class _Bound(NamedTuple):
    run: _Columns
    state: _Columns


@prepared
def _bound(db: Database) -> _Bound:
    dialect = db.engine.dialect
    return _Bound(_Columns(flow_run, dialect), _Columns(flow_run_state, dialect))


@prepared
def _on_sqlite(db: Database) -> tuple[str, str]:
    """The statements for the run and for its state."""
    run, state = _bound(db)
    run_names = (*run.names, *_TIMES)
    run_cells, state_cells = (", ".join("?" for _ in names) for names in (run_names, state.names))
    return (
        f"{_into(flow_run, run_names)} VALUES ({run_cells})",
        f"{_into(flow_run_state, state.names)} VALUES ({state_cells})",
    )


@prepared
def _on_postgres(db: Database) -> str:
    run, state = _bound(db)
    count = len(run.names)
    last = count + len(state.names) + 2
    run_cells = [f"${place}::{kind}" for place, kind in enumerate(run.types, 1)]
    state_cells = [f"${place}::{kind}" for place, kind in enumerate(state.types, count + 2)]
    known = f"EXISTS (SELECT 1 FROM deployment WHERE id = ${count + 1}::uuid)"
    there = f"(${count + 1}::uuid IS NULL OR {known})"
    return (
        f"WITH made AS ({_into(flow_run, (*run.names, *_TIMES))} "
        f"SELECT {', '.join(run_cells)}, clock_timestamp(), clock_timestamp() "
        f"FROM flow WHERE id = ${1 + run.names.index('flow_id')}::uuid AND {there} "
        "RETURNING id, flow_id, created, updated), "
        f"history AS ({_into(flow_run_state, state.names)} "
        f"SELECT {', '.join(state_cells)} FROM made) "
        "SELECT id, created, updated, (SELECT name FROM flow WHERE id = flow_id) AS flow_name, "
        f"CASE WHEN ${last}::boolean THEN pg_notify('heliostat', 'runs')::text END FROM made"
    )


def _into(table: Table, names: list[str] | tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(names)})"
