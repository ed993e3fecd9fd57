"""Searching the log lines of all runs: in steps that an index serves, so that each answer comes soon.

A step looks at a stretch of lines that follow each other in the index; within it the conditions apply that no
index serves, such as words. A page is complete, or says from where its search goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Len, MaxLen
from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..foundation.filter_base import Filter
from ..values.line_matching import template_of
from .database.database import Database
from .database.rows import LogRow
from .database.tables import deployment, flow, flow_run, log, task_run
from .database.wire_text import plain_text
from .filter_conditions import words_condition

Level = Literal["debug", "info", "warning", "error"]
LEVELS: dict[Level, tuple[int, int]] = {
    "debug": (-(2**31), 19),
    "info": (20, 29),
    "warning": (30, 39),
    "error": (40, 2**31 - 1),
}
Finder = Callable[[str, list[str]], Awaitable[list[int]]]
"""Tells in which of the lines a regular expression occurs, within bounds of time."""

WITHIN_S = 1.5
LONGEST_SHOWN = 16_384  # characters of a line; the whole is read by its id
_FIRST_STRETCH, _STRETCH = 4_000, 40_000
_FILTERED_AT_ONCE = 2_000
_MOST_NAMES = 50

Some = Annotated[list[UUID], Len(0, 200)]
Texts = Annotated[list[str], Len(0, _MOST_NAMES)]


@dataclass(frozen=True, slots=True)
class LogQuery(Filter):
    """What lines are asked for. Names may have `*`; `hide` and `alike` are templates of `line_matching`."""

    text: Annotated[str | None, MaxLen(200)] = None
    regex: Annotated[str | None, MaxLen(200)] = None
    levels: list[Level] | None = None
    flow_ids: Some | None = None
    deployment_ids: Some | None = None
    flow_run_ids: Some | None = None
    task_run_ids: Some | None = None
    flows: Texts | None = None
    deployments: Texts | None = None
    runs: Texts | None = None
    tasks: Texts | None = None
    loggers: Texts | None = None
    after: datetime | None = None
    before: datetime | None = None
    hide: Texts | None = None
    alike: Texts | None = None

    @property
    def is_of_one_run(self) -> bool:
        """Whether the lines of one run alone are read, which are in the order of writing."""
        return any(ids is not None and len(ids) == 1 for ids in (self.flow_run_ids, self.task_run_ids))


@dataclass(frozen=True, slots=True)
class Line(LogRow):
    """A log line; `message` may be the beginning of one of that many `characters`."""

    characters: int


@dataclass(frozen=True, slots=True)
class LinePage:
    """Lines in the order that was asked for. `cursor` goes on after them, or after what was looked at; None:
    there is no more. `is_whole`: the page is full or the end, and not cut short by time.
    """

    lines: list[Line]
    cursor: str | None
    is_whole: bool


LINE_COLUMNS = (
    log.c.id,
    log.c.flow_run_id,
    log.c.task_run_id,
    log.c.timestamp,
    log.c.level,
    log.c.name,
    func.substr(log.c.message, 1, LONGEST_SHOWN).label("message"),
    func.length(log.c.message).label("characters"),
)


async def find(
    db: Database,
    query: LogQuery,
    finder: Finder,
    *,
    newest_first: bool,
    limit: int,
    cursor: str | None = None,
    within_s: float | None = None,
) -> LinePage:
    """One page of lines."""
    order = _Order(by_id=query.is_of_one_run, newest_first=newest_first)
    until = clock.monotonic_s() + (WITHIN_S if within_s is None else within_s)
    at, length, found = _read_cursor(cursor), _FIRST_STRETCH, list[Line]()
    indexed, others = indexed_conditions(query), other_conditions(db, query)
    async with db.read() as connection:
        while True:
            end = await order.end_of_stretch(connection, indexed, at, length)
            at = await _within(connection, query, finder, order, (indexed, others), at, end, found, limit)
            if len(found) >= limit:
                return LinePage(found, _cursor_text(order.key(found[-1])), True)
            if end is None:
                return LinePage(found, None, True)
            at, length = end, _STRETCH
            if clock.monotonic_s() > until:
                return LinePage(found, _cursor_text(at), False)


async def _within(
    connection: AsyncConnection,
    query: LogQuery,
    finder: Finder,
    order: _Order,
    conditions: tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]],
    at: _Key | None,
    end: _Key | None,
    found: list[Line],
    limit: int,
) -> _Key | None:
    """Add the matching lines of one stretch to those found, up to the limit."""
    is_filtered = bool(query.regex or query.hide or query.alike)
    while len(found) < limit:
        most = _FILTERED_AT_ONCE if is_filtered else limit - len(found)
        statement: Any = select(*LINE_COLUMNS).where(*conditions[0], *conditions[1])
        rows = await connection.execute(order.between(statement, at, end).limit(most))
        lines = [Line(**row) for row in rows.mappings()]
        found += (await _filtered(query, finder, lines))[: limit - len(found)]
        if len(lines) < most:
            break
        at = order.key(lines[-1])
    return at


async def _filtered(query: LogQuery, finder: Finder, lines: list[Line]) -> list[Line]:
    if query.hide or query.alike:
        hidden, wanted = set(query.hide or ()), set(query.alike or ())
        templates = [template_of(line.message) for line in lines]
        lines = [
            line
            for line, template in zip(lines, templates, strict=True)
            if template not in hidden and (not wanted or template in wanted)
        ]
    if query.regex and lines:
        lines = [lines[place] for place in await finder(query.regex, [line.message for line in lines])]
    return lines


async def around(db: Database, line_id: int, count: int) -> tuple[list[Line], int]:
    """A line among those of its run before and after it, and its place there; no lines: there is none."""
    async with db.read() as connection:
        row = (await connection.execute(select(*LINE_COLUMNS).where(log.c.id == line_id))).mappings().first()
        if row is None:
            return [], 0
        of_run = select(*LINE_COLUMNS).where(log.c.flow_run_id == row["flow_run_id"]).limit(count)
        before = await connection.execute(of_run.where(log.c.id < line_id).order_by(log.c.id.desc()))
        after = await connection.execute(of_run.where(log.c.id > line_id).order_by(log.c.id))
        earlier = [Line(**each) for each in before.mappings()][::-1]
        later = [Line(**each) for each in after.mappings()]
    return [*earlier, Line(**row), *later], len(earlier)


async def whole_message(db: Database, line_id: int) -> str | None:
    """The text of a line, however long."""
    async with db.read() as connection:
        return await connection.scalar(select(log.c.message).where(log.c.id == line_id))


async def newer_than(db: Database, query: LogQuery, finder: Finder, line_id: int, limit: int) -> list[Line]:
    """Matching lines that were written after that one, the oldest first: for a reader who follows."""
    statement = (
        select(*LINE_COLUMNS)
        .where(log.c.id > line_id, *indexed_conditions(query), *other_conditions(db, query))
        .order_by(log.c.id)
        .limit(limit)
    )
    async with db.read() as connection:
        lines = [Line(**row) for row in (await connection.execute(statement)).mappings()]
    return await _filtered(query, finder, lines)


async def newest_id(db: Database) -> int:
    """The number of the line that was written last."""
    async with db.read() as connection:
        return int(await connection.scalar(select(func.max(log.c.id))) or 0)


async def names_of(db: Database, lines: Sequence[Line]) -> tuple[dict[UUID, Any], dict[UUID, str]]:
    """Name and flow of the runs that the lines belong to, and the names of their task runs."""
    run_ids = list({line.flow_run_id for line in lines})
    task_ids = list({line.task_run_id for line in lines if line.task_run_id is not None})
    runs = (
        select(flow_run.c.id, flow_run.c.name, flow.c.name.label("flow"), flow_run.c.flow_id)
        .join(flow, flow.c.id == flow_run.c.flow_id)
        .where(flow_run.c.id.in_(run_ids))
    )
    named = func.coalesce(task_run.c.name, task_run.c.task_name + "-" + task_run.c.dynamic_key)
    tasks = select(task_run.c.id, named).where(task_run.c.id.in_(task_ids))
    async with db.read() as connection:
        found = {
            row.id: {"name": row.name, "flow_name": row.flow, "flow_id": row.flow_id}
            for row in (await connection.execute(runs) if run_ids else ())
        }
        return found, {row[0]: row[1] for row in (await connection.execute(tasks) if task_ids else ())}


# Conditions. Those of the first kind choose where in an index to read, the others are tried line by line.


def indexed_conditions(query: LogQuery, *, with_levels: bool = True) -> list[ColumnElement[bool]]:
    """The conditions that an index serves."""
    found: list[ColumnElement[bool]] = []
    if query.after is not None:
        found.append(log.c.timestamp >= _aware(query.after))
    if query.before is not None:
        found.append(log.c.timestamp <= _aware(query.before))
    if query.flow_run_ids is not None:
        found.append(log.c.flow_run_id.in_(query.flow_run_ids))
    if query.task_run_ids is not None:
        found.append(log.c.task_run_id.in_(query.task_run_ids))
    levels = query.levels if with_levels else None
    if levels and not {"debug", "info"} & set(levels):
        found.append(literal_column("log.level >= 30"))  # written out, as the index has it
    return found


def other_conditions(
    db: Database, query: LogQuery, *, with_levels: bool = True, with_flows: bool = True
) -> list[ColumnElement[bool]]:
    """The conditions that are tried line by line."""
    found: list[ColumnElement[bool]] = []
    if with_levels and query.levels is not None:
        found.append(or_(*(_is_of(level) for level in query.levels)) if query.levels else and_(log.c.id < 0))
    if query.text and (words := words_condition(log.c.message, query.text)) is not None:
        found.append(words)
    if query.loggers:
        found.append(_named(log.c.name, query.loggers))
    found += _of_runs(query, with_flows)
    if query.tasks:
        named = func.coalesce(task_run.c.name, task_run.c.task_name + "-" + task_run.c.dynamic_key)
        either = or_(_named(task_run.c.task_name, query.tasks), _named(named, query.tasks))
        of_line = select(1).where(task_run.c.id == log.c.task_run_id, either)
        found.append(of_line.correlate(log).exists())
    return found


def _of_runs(query: LogQuery, with_flows: bool) -> Iterable[ColumnElement[bool]]:
    """Lines of the runs, flows and deployments that are asked for: one look-up of the line's own run."""
    parts: list[ColumnElement[bool]] = []
    if query.runs:
        parts.append(_named(flow_run.c.name, query.runs))
    if query.deployment_ids is not None:
        parts.append(flow_run.c.deployment_id.in_(query.deployment_ids))
    if query.deployments:
        named = select(deployment.c.id).where(_named(deployment.c.name, query.deployments))
        parts.append(flow_run.c.deployment_id.in_(named.correlate(None)))
    if with_flows and query.flow_ids is not None:
        parts.append(flow_run.c.flow_id.in_(query.flow_ids))
    if with_flows and query.flows:
        named = select(flow.c.id).where(_named(flow.c.name, query.flows))
        parts.append(flow_run.c.flow_id.in_(named.correlate(None)))
    if parts:
        yield select(1).where(flow_run.c.id == log.c.flow_run_id, *parts).correlate(log).exists()


def _is_of(level: Level) -> ColumnElement[bool]:
    lowest, highest = LEVELS[level]
    return log.c.level.between(lowest, highest)


def _named(column: ColumnElement[Any], names: Iterable[str]) -> ColumnElement[bool]:
    """One of the names, in any case of letters; `*` stands for any text."""
    patterns = (
        plain_text(name).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for name in names
    )
    return or_(*(column.ilike(pattern.replace("*", "%"), escape="\\") for pattern in patterns))


def _aware(moment: datetime) -> datetime:
    return clock.calendar_utc(moment)


# The order of lines, and places in it.

_Key = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class _Order:
    by_id: bool
    newest_first: bool

    def key(self, line: Line) -> _Key:
        return line.timestamp, line.id

    def between(self, statement: Any, at: _Key | None, end: _Key | None) -> Select[Any]:
        """Lines after `at` up to `end`, in order."""
        if at is not None:
            statement = statement.where(self._beyond(at))
        if end is not None:
            statement = statement.where(or_(~self._beyond(end)))
        columns = [log.c.id] if self.by_id else [log.c.timestamp, log.c.id]
        return statement.order_by(*(each.desc() if self.newest_first else each.asc() for each in columns))

    async def end_of_stretch(
        self, connection: AsyncConnection, indexed: list[ColumnElement[bool]], at: _Key | None, length: int
    ) -> _Key | None:
        """The last of the next `length` lines; None when fewer follow."""
        statement: Any = select(log.c.timestamp, log.c.id).where(*indexed)
        last: Any = self.between(statement, at, None).limit(1).offset(length - 1)
        row = (await connection.execute(last)).first()
        return None if row is None else (row.timestamp, row.id)

    def _beyond(self, key: _Key) -> ColumnElement[bool]:
        moment, number = key
        at, place = log.c.timestamp, log.c.id
        if self.by_id:
            return place < number if self.newest_first else place > number
        if self.newest_first:  # the first comparison is what an index can use
            return and_(at <= moment, or_(at < moment, place < number))
        return and_(at >= moment, or_(at > moment, place > number))


def _cursor_text(key: _Key) -> str:
    moment = key[0]
    return f"{int(moment.timestamp()) * 1_000_000 + moment.microsecond}.{key[1]}"


def _read_cursor(cursor: str | None) -> _Key | None:
    """Raises ValueError for a text that is no cursor."""
    if cursor is None:
        return None
    micros, _, number = cursor.partition(".")
    seconds, rest = divmod(int(micros), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), int(number)
