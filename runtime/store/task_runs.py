"""Reading task runs, for replays and for people. `appends.commit` writes those of runs with a journal."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Text, cast, exists, func, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..states import FINAL_STATES
from .database.database import Database
from .database.rows import ReplayedTask, TaskRunRow, TaskRunState
from .database.tables import flow_run_of_events, task_run
from .database.wire_text import plain_text

TASK_RUN_COLUMNS = [column for column in task_run.c if column.name != "result"]
_LOW_80 = (1 << 80) - 1
_SEARCHED_S = 86_400.0
_MOST_CANDIDATES = 5


async def recorded_range(
    db: Database, flow_run_id: UUID, first_id: UUID, last_id: UUID
) -> builtins.list[ReplayedTask]:
    """The task runs with ids from `first_id` to `last_id`, in the order of their ids."""
    columns = task_run.c
    statement = (
        select(
            columns.id,
            columns.state_type,
            columns.state_name,
            columns.result_kind,
            columns.result,
            columns.input_hash,
            columns.run_count,
            columns.flow_run_id,
        )
        .where(columns.id.between(first_id, last_id))
        .order_by(columns.id)
    )
    async with db.read() as connection:
        rows = await connection.execute(statement)
        return [ReplayedTask(*row[:7]) for row in rows if row[7] == flow_run_id]


async def recorded_inputs(
    db: Database, flow_run_id: UUID, first_id: UUID, last_id: UUID, most: int
) -> builtins.list[tuple[UUID, bytes | None]]:
    """Id and input hash of the first `most` task runs with ids from `first_id` to `last_id`, in order."""
    columns = task_run.c
    statement = (
        select(columns.id, columns.input_hash)
        .where(columns.id.between(first_id, last_id), columns.flow_run_id == flow_run_id)
        .order_by(columns.id)
        .limit(most)
    )
    async with db.read() as connection:
        return [(row[0], row[1]) for row in await connection.execute(statement)]


async def has_any(db: Database, flow_run_id: UUID) -> bool:
    """Whether the flow run has any task run."""
    async with db.read() as connection:
        within = await of_run(connection, flow_run_id)
        return bool(await connection.scalar(select(exists().where(*within))))


async def read(db: Database, task_run_id: UUID) -> TaskRunRow:
    """The task run with that id, with its inline result. Raises NotFound."""
    async with db.read() as connection:
        return await _one(connection, task_run_id)


async def read_any(db: Database, ids: Sequence[UUID]) -> builtins.list[TaskRunRow]:
    """The existing ones of these task runs, without their results."""
    async with db.read() as connection:
        rows = await connection.execute(select(*TASK_RUN_COLUMNS).where(task_run.c.id.in_(ids)))
        return [task_run_row(row) for row in rows.mappings()]


async def with_state(db: Database, state_id: UUID) -> builtins.list[TaskRunRow]:
    """Task runs whose timeline has a state with that id; only time-ordered ids (version 7) are searched. The
    id tells the time of the state: runs that were expected in the day before are searched.
    """
    if state_id.version != 7:
        return []
    at = (state_id.int >> 80) / 1000
    expected = task_run.c.expected_start_time
    statement = select(*TASK_RUN_COLUMNS).where(
        expected >= db.moment(at - _SEARCHED_S),
        expected <= db.moment(at + 1.0),
        cast(task_run.c.timeline, Text).contains(str(state_id)),
    )
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(1))
        return [task_run_row(row) for row in rows.mappings()]


async def find(db: Database, reference: str, flow_run_id: UUID | None = None) -> TaskRunRow:
    """The task run for a reference by a person: its id, the beginning of it (8 characters or more) or, inside
    a given flow run, its name or the end of its id (8 characters or more). Raises NotFound, also when several
    match.
    """
    reference = plain_text(reference.strip())
    digits = reference.replace("-", "").lower()
    hexadecimal = re.fullmatch(r"[0-9a-f]{8,32}", digits) is not None
    async with db.read() as connection:
        if hexadecimal and len(digits) == 32:
            return await _one(connection, UUID(digits))
        within = () if flow_run_id is None else await of_run(connection, flow_run_id)
        for conditions in _meanings(reference, digits if hexadecimal else None, within):
            columns = select(task_run.c.id, shown_name().label("name")).where(*conditions)
            fitting = (await connection.execute(columns.limit(_MOST_CANDIDATES + 1))).all()
            if len(fitting) == 1:
                return await _one(connection, fitting[0].id)
            if fitting:
                some = ", ".join(f"{row.id} ({row.name})" for row in fitting[:_MOST_CANDIDATES])
                more = ", ..." if len(fitting) > _MOST_CANDIDATES else ""
                raise NotFound(
                    f"{reference!r} matches several task runs: {some}{more}",
                    hint="give the whole id or its last 8 characters",
                )
    raise _missing(reference)


async def list(
    db: Database,
    flow_run_id: UUID,
    *,
    state_types: Iterable[str] | None = None,
    state_names: Iterable[str] = (),
    name_like: str | None = None,
    limit: int = 200,
    offset: int = 0,
    after_id: UUID | None = None,
) -> builtins.list[TaskRunRow]:
    """Task runs of a flow run without their results, by id: by call site, then by index. `name_like` is a
    part of the name, in any case. `after_id` continues after the last one of a page, at equal cost for every
    page; `offset` skips rows one by one.
    """
    statement = select(*TASK_RUN_COLUMNS).order_by(task_run.c.id)
    if after_id is not None:
        statement = statement.where(task_run.c.id > after_id)
    types, names = builtins.list(map(str, state_types or ())), builtins.list(state_names)
    if state_types is not None or names:
        statement = statement.where(or_(task_run.c.state_type.in_(types), task_run.c.state_name.in_(names)))
    if name_like is not None:
        statement = statement.where(shown_name().icontains(name_like, autoescape=True))
    async with db.read() as connection:
        statement = statement.where(*await of_run(connection, flow_run_id))
        rows = await connection.execute(statement.limit(limit).offset(offset))
        return [task_run_row(row) for row in rows.mappings()]


async def count_by_state(db: Database, *flow_run_ids: UUID) -> dict[str, int]:
    """How many task runs of these flow runs are in a state of each type, without types that have none."""
    counts: dict[str, int] = {}
    async with db.read() as connection:
        for flow_run_id in flow_run_ids:
            statement = (
                select(task_run.c.state_type, func.count())
                .where(*await of_run(connection, flow_run_id))
                .group_by(task_run.c.state_type)
            )
            for row in await connection.execute(statement):
                counts[row[0]] = counts.get(row[0], 0) + int(row[1])
    return counts


def states_of(row: TaskRunRow) -> builtins.list[TaskRunState]:
    """The states that a task run went through: those of its timeline, or of the ordinary path."""
    if row.timeline is not None:
        return [
            TaskRunState(
                entry[0], entry[1], datetime.fromtimestamp(entry[2], UTC), entry[3], **_more_of(entry[4:])
            )
            for entry in row.timeline
        ]
    last = TaskRunState(
        row.state_type, row.state_name, row.end_time or row.start_time or row.expected_start_time, row.message
    )
    path = [TaskRunState("PENDING", "Pending", row.expected_start_time, None)]
    if row.start_time is not None and row.state_type in FINAL_STATES:
        path.append(TaskRunState("RUNNING", "Running", row.start_time, None))
    return [last] if row.state_type == "PENDING" else [*path, last]


def _more_of(rest: Sequence[Any]) -> dict[str, Any]:
    """The other fields of states from remote clients: id, details and data."""
    if not rest:
        return {}
    more: dict[str, Any] = rest[0]
    return {
        "id": UUID(more["id"]) if more.get("id") else None,
        "details": more.get("details") or {},
        "data": more.get("data"),
    }


async def of_run(connection: AsyncConnection, flow_run_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Conditions for the task runs of a flow run: their ids begin like the run's and so are one range of the
    key, unless a remote client chose them.
    """
    named_elsewhere = select(flow_run_of_events.c.flow_run_id).where(
        flow_run_of_events.c.flow_run_id == flow_run_id
    )
    if await connection.scalar(named_elsewhere) is not None:
        return (task_run.c.flow_run_id == flow_run_id,)
    low = flow_run_id.int >> 80 << 80
    return (
        task_run.c.id.between(UUID(int=low), UUID(int=low | _LOW_80)),
        # Runs that began in the same millisecond are in the range, too. The coalesce hides the column from
        # its # own index, which SQLite would use to look up every row and sort them all for the first page.
        func.coalesce(task_run.c.flow_run_id, null()) == flow_run_id,
    )


def _meanings(
    reference: str, digits: str | None, within: Sequence[ColumnElement[bool]]
) -> Iterable[Sequence[ColumnElement[bool]]]:
    if digits is not None:
        span = task_run.c.id.between(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
        ends = func.replace(func.lower(cast(task_run.c.id, Text)), "-", "").endswith(digits)
        yield (or_(span, ends), *within) if within else (span,)
    if within:
        yield (*within, shown_name() == reference)


def shown_name() -> ColumnElement[str]:
    return func.coalesce(task_run.c.name, task_run.c.task_name + "-" + task_run.c.dynamic_key)


async def _one(connection: AsyncConnection, task_run_id: UUID) -> TaskRunRow:
    row = (await connection.execute(select(task_run).where(task_run.c.id == task_run_id))).mappings().first()
    if row is None:
        raise _missing(str(task_run_id))
    return task_run_row(row)


def _missing(reference: str) -> NotFound:
    return NotFound(
        f"there is no task run {reference!r}", hint="heliostat task-run ls --flow-run ID shows those of a run"
    )


def task_run_row(row: RowMapping) -> TaskRunRow:
    """A row of TASK_RUN_COLUMNS or more, with its defaults filled in."""
    facts: dict[str, Any] = {str(name): value for name, value in row.items()}
    facts["name"] = facts["name"] or f"{facts['task_name']}-{facts['dynamic_key']}"
    facts["tags"] = facts["tags"] or []
    facts["labels"] = facts["labels"] or {}
    facts["policy"] = facts["policy"] or {}
    facts["task_inputs"] = facts["task_inputs"] or {}
    return TaskRunRow(**facts)
