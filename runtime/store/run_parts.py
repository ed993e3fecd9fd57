"""A flow run's task runs summed up: by call site, by the cause of their failure, and around one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from .concurrency_limits import seconds_between
from .database.database import Database
from .database.tables import flow_run, task_run
from .database.types import JsonKey
from .task_runs import of_run, shown_name

MOST_FAILURES = 5_000  # that are read and sorted by cause
_IDS_SHOWN = 50
_TEXT_SHOWN = 500
_MOST_SIBLINGS = 5_000
_MOST_STEPS = 12
_MOST_INPUTS = 8  # task runs of one input that are named
_FAILED = ("FAILED", "CRASHED")
_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+", re.I
)


@dataclass(slots=True)
class Failures:
    """Failed task runs of one call site with errors that differ in figures and ids alone."""

    task_key: str
    task_name: str
    state_type: str
    cause: str
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    ids: list[UUID] = field(default_factory=list[UUID])
    names: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Group:
    """The task runs of one call site: how many in which state, and how long they took."""

    task_key: str
    task_name: str
    counts: dict[str, int]
    seconds: float
    slowest_s: float | None
    start_time: datetime | None
    end_time: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One task run on the way of an item through the run; `count` of them when an input has many."""

    id: UUID
    name: str
    task_key: str
    task_name: str
    state_type: str
    state_name: str
    seconds: float | None
    run_count: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another call at the same place."""

    id: UUID
    index: str
    state_type: str
    state_name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a task run: the way of its item, and the calls at the same place."""

    before: list[Step]
    after: list[Step]
    siblings: list[Sibling]
    count: int
    failed: int
    inputs: dict[str, list[Step]]


async def failures(db: Database, flow_run_id: UUID) -> list[Failures]:
    """The failed task runs of a run by call site and cause, the most frequent first. Raises NotFound."""
    columns = task_run.c
    statement = (
        select(
            columns.task_key,
            columns.task_name,
            columns.state_type,
            func.substr(columns.message, 1, _TEXT_SHOWN),
            _of_error("type"),
            func.substr(_of_error("message"), 1, _TEXT_SHOWN),
            columns.end_time,
            columns.id,
            shown_name(),
        )
        .where(columns.state_type.in_(_FAILED))
        .order_by(columns.id)
        .limit(MOST_FAILURES)
    )
    kinds: dict[tuple[str, str, str], Failures] = {}
    async with db.read() as connection:
        await _known(connection, flow_run_id)
        for row in await connection.execute(statement.where(*await of_run(connection, flow_run_id))):
            cause = cause_of(row[3], row[4], row[5])
            key = (row[0], row[2], _VARYING.sub("#", cause))
            kind = kinds.setdefault(key, Failures(row[0], site_name(row[0], row[1]), row[2], cause))
            kind.count += 1
            at: datetime | None = row[6]
            if at is not None:
                kind.first_at = at if kind.first_at is None else min(kind.first_at, at)
                kind.last_at = at if kind.last_at is None else max(kind.last_at, at)
            if len(kind.ids) < _IDS_SHOWN:
                kind.ids.append(row[7])
                kind.names.append(row[8])
    return sorted(kinds.values(), key=lambda kind: -kind.count)


def site_name(task_key: str, task_name: str) -> str:
    """The name of a task, from its call site where the record has that of a single call (other clients')."""
    found = re.fullmatch(r"(?:.*\.)?([^.]+?)-[0-9a-f]{4,}", task_key)
    return found[1] if found is not None and task_name.startswith(found[1]) else task_name


def cause_of(message: str | None, kind: str | None, text: str | None) -> str:
    """One line that says why a run failed: the error's type and words, or else what its state says."""
    if kind:
        first = (text or "").strip().split("\n", 1)[0]
        short = kind.rsplit(".", 1)[-1]
        return f"{short}: {first}" if first else short
    first = (message or "").strip().split("\n", 1)[0]
    # What clients of the standard API write before the error itself.
    return re.sub(r"^(Task|Flow) run encountered an exception:? ?", "", first) or "no message"


async def groups(db: Database, flow_run_id: UUID) -> list[Group]:
    """The task runs of a run by call site, in the order of their first starts. Raises NotFound."""
    columns = task_run.c
    took = _seconds(db)
    statement = select(
        columns.task_key,
        func.min(columns.task_name),
        columns.state_type,
        func.count(),
        func.sum(took),
        func.max(took),
        func.min(columns.start_time),
        func.max(columns.end_time),
    ).group_by(columns.task_key, columns.state_type)
    found: dict[str, Group] = {}
    async with db.read() as connection:
        await _known(connection, flow_run_id)
        for row in await connection.execute(statement.where(*await of_run(connection, flow_run_id))):
            group = found.setdefault(
                row[0], Group(row[0], site_name(row[0], row[1]), {}, 0.0, None, None, None)
            )
            group.counts[row[2]] = int(row[3])
            group.seconds += float(row[4] or 0.0)
            group.slowest_s = max(filter(None, (group.slowest_s, _float(row[5]))), default=None)
            group.start_time = min(filter(None, (group.start_time, row[6])), default=None)
            group.end_time = max(filter(None, (group.end_time, row[7])), default=None)
    far = datetime.max
    return sorted(
        found.values(),
        key=lambda group: (
            group.start_time is None,
            (group.start_time or far).replace(tzinfo=None),
            group.task_key,
        ),
    )


async def surroundings(db: Database, task_run_id: UUID) -> Surroundings:
    """What lies around a task run. Raises NotFound."""
    async with db.read() as connection:
        own = (await connection.execute(_steps(db).where(task_run.c.id == task_run_id))).first()
        if own is None:
            raise NotFound(f"there is no task run {task_run_id}")
        before, inputs = await _before(db, connection, own.task_inputs or {}, own.dynamic_key)
        after = await _after(db, connection, own)
        siblings, count, failed = await _siblings(db, connection, own)
    return Surroundings(before, after, siblings, count, failed, inputs)


async def _before(
    db: Database, connection: AsyncConnection, inputs: dict[str, Any], index: str
) -> tuple[list[Step], dict[str, list[Step]]]:
    """The task runs whose values came in, and those before them, the first one first."""
    steps: list[Step] = []
    own_inputs: dict[str, list[Step]] = {}
    seen: set[UUID] = set()
    while len(steps) < _MOST_STEPS:
        named = {name: _task_runs_in(each) for name, each in inputs.items()}
        wanted = {id for ids in named.values() for id in ids[:_MOST_INPUTS]} - seen
        if not wanted:
            break
        seen |= wanted
        rows = {row.id: row for row in await connection.execute(_steps(db).where(task_run.c.id.in_(wanted)))}
        of_input = {
            name: [_step(rows[id], len(ids) if len(ids) > _MOST_INPUTS else 1) for id in ids if id in rows]
            for name, ids in named.items()
        }
        if not steps and not own_inputs:
            own_inputs = {name: found for name, found in of_input.items() if found}
        level = {step.id: step for found in of_input.values() for step in found[:1]}
        steps = [*level.values(), *steps]
        same = [rows[id] for id in level if rows[id].dynamic_key == index]
        nearest = (same or [rows[id] for id in level])[:1]
        inputs = (nearest[0].task_inputs or {}) if nearest else {}
    return steps, own_inputs


async def _after(db: Database, connection: AsyncConnection, own: Any) -> list[Step]:
    """The task runs that took the value, and those after them. Only calls with the same index, and the first
    call of each place, are looked at: each is one entry of an index.
    """
    columns = task_run.c
    sites = select(columns.task_key).where(columns.flow_run_id == own.flow_run_id).distinct().limit(200)
    keys = [row[0] for row in await connection.execute(sites)]
    indexes = {own.dynamic_key, "0"}
    statement = _steps(db).where(
        columns.flow_run_id == own.flow_run_id,
        columns.task_key.in_(keys),
        columns.dynamic_key.in_(indexes),
    )
    waiting = [row for row in await connection.execute(statement) if row.id != own.id]
    taken: list[Step] = []
    chain = {str(own.id)}
    for _ in range(_MOST_STEPS):
        following = [row for row in waiting if not chain.isdisjoint(map(str, _all_task_runs(row)))]
        if not following:
            break
        taken += [_step(row) for row in following]
        chain |= {str(row.id) for row in following}
        waiting = [row for row in waiting if str(row.id) not in chain]
    return taken[:_MOST_STEPS]


async def _siblings(db: Database, connection: AsyncConnection, own: Any) -> tuple[list[Sibling], int, int]:
    columns = task_run.c
    place = (columns.flow_run_id == own.flow_run_id, columns.task_key == own.task_key)
    counts = await connection.execute(
        select(columns.state_type, func.count()).where(*place).group_by(columns.state_type)
    )
    by_type = {str(row[0]): int(row[1]) for row in counts}
    count = sum(by_type.values())
    half = _MOST_SIBLINGS // 2
    statement = select(
        columns.id, columns.dynamic_key, columns.state_type, columns.state_name, _seconds(db)
    ).where(*place)
    if count <= _MOST_SIBLINGS:
        rows: Sequence[Any] = (await connection.execute(statement.order_by(columns.id))).all()
    else:
        before = statement.where(columns.id < own.id).order_by(columns.id.desc()).limit(half)
        after = statement.where(columns.id >= own.id).order_by(columns.id).limit(half)
        rows = [
            *reversed((await connection.execute(before)).all()),
            *(await connection.execute(after)).all(),
        ]
    siblings = [Sibling(row[0], row[1], row[2], row[3], _float(row[4])) for row in rows]
    siblings.sort(key=lambda each: (len(each.index), each.index))  # ids of remote clients have no order
    return siblings, count, sum(by_type.get(each, 0) for each in _FAILED)


def _steps(db: Database) -> Any:
    columns = task_run.c
    return select(
        columns.id,
        columns.flow_run_id,
        columns.task_key,
        columns.task_name,
        columns.dynamic_key,
        shown_name().label("name"),
        columns.state_type,
        columns.state_name,
        columns.run_count,
        columns.task_inputs,
        _seconds(db).label("seconds"),
    )


def _step(row: Any, count: int = 1) -> Step:
    return Step(
        row.id,
        row.name,
        row.task_key,
        site_name(row.task_key, row.task_name),
        row.state_type,
        row.state_name,
        _float(row.seconds),
        row.run_count,
        count,
    )


def _all_task_runs(row: Any) -> list[UUID]:
    inputs: dict[str, Any] = row.task_inputs or {}
    return [id for each in inputs.values() for id in _task_runs_in(each)]


def _task_runs_in(inputs: Any) -> list[UUID]:
    return [UUID(str(item["id"])) for item in inputs or () if item.get("input_type") == "task_run"]


def _of_error(name: str) -> ColumnElement[str]:
    return task_run.c.error.op("->>", return_type=Text())(literal(name, JsonKey()))


def _seconds(db: Database) -> ColumnElement[Any]:
    return seconds_between(db, task_run.c.start_time, task_run.c.end_time)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


async def _known(connection: AsyncConnection, flow_run_id: UUID) -> None:
    if await connection.scalar(select(flow_run.c.id).where(flow_run.c.id == flow_run_id)) is None:
        raise NotFound(f"there is no flow run {flow_run_id}")
