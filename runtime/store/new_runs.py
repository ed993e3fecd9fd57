"""Recording a run and its first state with one question to the database: what starts of runs wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Dialect, Table

from .. import clock
from .announcements import RUNS, announce_by_sqlite
from .database import Database
from .prepared import prepared
from .tables import deployment, flow, flow_run, flow_run_state
from .types import to_micros

_TIMES = ("created", "updated")


async def record(
    db: Database, run: Mapping[str, Any], state: Mapping[str, Any], *, by_deployment: bool, is_due: bool
) -> bool:
    """Record the columns of a new run and of its first state, in one transaction.

    False, and nothing is recorded, when the deployment that it is of (`by_deployment`), or its flow, is gone.
    `is_due`: whoever starts runs is told. The run has no idempotency key: this does not look for a twin.
    """
    statements = _statements(db)
    owner: UUID = run["deployment_id"] if by_deployment else run["flow_id"]
    if db.is_sqlite:
        return await db.sqlite_write(
            lambda connection: _by_sqlite(connection, statements, run, state, owner, by_deployment, is_due)
        )
    sql = statements.on_postgres(by_deployment, is_due)
    async with db.asyncpg_write() as driver:
        values = (*statements.run.bind(run), owner, *statements.state.bind(state))
        return await driver.fetchrow(sql, *values) is not None


def _by_sqlite(
    connection: sqlite3.Connection,
    statements: _Statements,
    run: Mapping[str, Any],
    state: Mapping[str, Any],
    owner: UUID,
    by_deployment: bool,
    is_due: bool,
) -> bool:
    now = to_micros(clock.epoch_s())
    sql = statements.run_on_sqlite(by_deployment)
    if not connection.execute(sql, (*statements.run.bind(run), now, now, owner.hex)).rowcount:
        return False
    connection.execute(statements.state_on_sqlite, statements.state.bind(state))
    if is_due:
        announce_by_sqlite(connection, RUNS)
    return True


class _Columns:
    """Columns of a table, and how their values are given to the driver."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        columns = [column for column in table.c if column.name not in _TIMES]
        self.names = [column.name for column in columns]
        self.types = [column.type.compile(dialect=dialect) for column in columns]
        self._binders: list[Callable[[Any], Any] | None] = [
            column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns
        ]

    def bind(self, row: Mapping[str, Any]) -> list[Any]:
        """The values of a row in the order of the columns; what it does not name is NULL."""
        return [
            row.get(name) if binder is None else binder(row.get(name))
            for name, binder in zip(self.names, self._binders, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Statements:
    run: _Columns
    state: _Columns

    def run_on_sqlite(self, by_deployment: bool) -> str:
        cells = ", ".join("?" for _ in (*self.run.names, *_TIMES))
        return f"{_into(flow_run, (*self.run.names, *_TIMES))} SELECT {cells} {_guard(by_deployment, '?')}"

    @property
    def state_on_sqlite(self) -> str:
        return (
            f"{_into(flow_run_state, self.state.names)} VALUES ({', '.join('?' for _ in self.state.names)})"
        )

    def on_postgres(self, by_deployment: bool, is_due: bool) -> str:
        count = len(self.run.names)
        run_cells = [f"${place}::{kind}" for place, kind in enumerate(self.run.types, 1)]
        state_cells = [f"${place}::{kind}" for place, kind in enumerate(self.state.types, count + 2)]
        told = ", pg_notify('heliostat', 'runs')" if is_due else ""
        return (
            f"WITH made AS ({_into(flow_run, (*self.run.names, *_TIMES))} "
            f"SELECT {', '.join(run_cells)}, clock_timestamp(), clock_timestamp() "
            f"{_guard(by_deployment, f'${count + 1}::uuid')} RETURNING id), "
            f"history AS ({_into(flow_run_state, self.state.names)} "
            f"SELECT {', '.join(state_cells)} FROM made) "
            f"SELECT id{told} FROM made"
        )


@prepared
def _statements(db: Database) -> _Statements:
    dialect = db.engine.dialect
    return _Statements(_Columns(flow_run, dialect), _Columns(flow_run_state, dialect))


def _into(table: Table, names: list[str] | tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(names)})"


def _guard(by_deployment: bool, place: str) -> str:
    owner = deployment if by_deployment else flow
    return f"WHERE EXISTS (SELECT 1 FROM {owner.name} WHERE id = {place})"
