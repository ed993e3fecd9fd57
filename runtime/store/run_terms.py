"""The terms of a query over runs, such as `state:failed flow:orders-* -tag:staging`, as SQL conditions.

They say what the standard's filters cannot: names with `*`, exclusions, parameters, lengths, numbers of
tasks. Terms are joined by "and", the values of one term by "or".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as made
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Len, MaxLen
from sqlalchemy import ColumnElement, Table, Text, and_, cast, false, func, not_, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from ..foundation import clock
from ..foundation.filter_base import Filter
from ..states import StateType
from .concurrency_limits import seconds_between
from .database.database import Database
from .database.tables import deployment, flow, flow_run, task_run, work_pool, work_queue
from .database.types import JsonKey, Timestamp
from .database.wire_text import plain_text
from .filter_conditions import FilterConditions
from .filters import Tags

TermField = Literal[
    "state", "flow", "deployment", "pool", "queue", "tag", "name", "id", "param", "tasks", "took", "started",
    "version", "run", "task", "tries",
]  # fmt: skip
Condition = ColumnElement[bool]

_LARGEST = 2**31 - 1
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.I)
_WAITING = ("SCHEDULED", "PENDING")


@dataclass(frozen=True, slots=True)
class Term(Filter):
    """One condition of a query; which fields it needs depends on `field`. `at_least` and `at_most` are counts
    of tasks or tries, or seconds; `key` is the name of a parameter.
    """

    field: TermField
    values: Annotated[list[Annotated[str, MaxLen(500)]], Len(0, 200)] = made(default_factory=list[str])
    negated: bool = False
    key: Annotated[str | None, MaxLen(200)] = None
    at_least: float | None = None
    at_most: float | None = None
    after: datetime | None = None
    before: datetime | None = None


def started(table: Table) -> ColumnElement[Any]:
    """When a run began or is to begin: the expression that has an index."""
    if table is task_run:
        return table.c.expected_start_time
    return func.coalesce(table.c.start_time, table.c.expected_start_time, type_=Timestamp())


def of_flow_runs(db: Database, terms: Iterable[Term]) -> list[Condition]:
    """The conditions of the terms on `flow_run`."""
    return [_signed(term, _on_flow_run(db, term)) for term in terms]


def of_task_runs(db: Database, terms: Sequence[Term]) -> list[Condition]:
    """The conditions of the terms on `task_run`; terms about flow runs hold for the run of the task."""
    found: list[Condition] = []
    for term in terms:
        own = _on_task_run(db, term)
        if own is None:
            of_run = _signed(term, _on_flow_run(db, term))
            same = select(1).where(flow_run.c.id == task_run.c.flow_run_id, of_run)
            found.append(same.correlate(task_run).exists())
        else:
            found.append(_signed(term, own))
    return found


def _signed(term: Term, condition: Condition) -> Condition:
    return not_(func.coalesce(condition, false())) if term.negated else condition


def _on_flow_run(db: Database, term: Term) -> Condition:
    run = flow_run.c
    match term.field:
        case "flow":
            return run.flow_id.in_(_ids(flow, term))
        case "deployment":
            return run.deployment_id.in_(_ids(deployment, term))
        case "pool":
            return run.work_pool_id.in_(_ids(work_pool, term))
        case "queue":
            return run.work_queue_id.in_(_ids(work_queue, term))
        case "name":
            of_flow = run.flow_id.in_(select(flow.c.id).where(_contain(flow.c.name, term.values)))
            return or_(_contain(run.name, term.values), of_flow)
        case "run":
            return or_(_named(run.name, term.values), run.id.in_(_uuids(term.values)))
        case "id":
            return run.id.in_(_uuids(term.values))
        case "version":
            return _named(run.flow_version, term.values)
        case "param":
            return _parameter(db, term)
        case "tasks":
            return _tasks(term)
        case "task":
            called = or_(_named(task_run.c.task_name, term.values), _named(task_run.c.name, term.values))
            of_run = select(1).where(task_run.c.flow_run_id == run.id, called)
            return of_run.correlate(flow_run).exists()
        case _:
            return _on_any_run(db, flow_run, term)


def _on_task_run(db: Database, term: Term) -> Condition | None:
    """None for terms about the flow run of the task."""
    task = task_run.c
    shown = func.coalesce(task.name, task.task_name + "-" + task.dynamic_key)
    match term.field:
        case "name":
            return _contain(shown, term.values)
        case "task":
            return or_(_named(task.task_name, term.values), _named(shown, term.values))
        case "id":
            return task.id.in_(_uuids(term.values))
        case "state" | "tag" | "took" | "started" | "tries":
            return _on_any_run(db, task_run, term)
        case _:
            return None


def _on_any_run(db: Database, table: Table, term: Term) -> Condition:
    match term.field:
        case "state":
            return or_(false(), *(_state(table, word) for word in term.values))
        case "tag":
            return _tag(db, table, term.values)
        case "took":
            ended = func.coalesce(table.c.end_time, db.now(), type_=Timestamp())
            took = _within(seconds_between(db, table.c.start_time, ended), term)
            return and_(table.c.start_time.is_not(None), took)
        case "tries":
            return _within(table.c.run_count, term)
        case "started":
            return _when(started(table), term)
        case _:
            raise NotImplementedError(term.field)


def _state(table: Table, word: str) -> Condition:
    """A type or a name of states. Runs that are late are told apart from those that wait."""
    asked = word.replace(" ", "").replace("-", "").upper()
    is_late = table.c.state_name == "Late"
    if asked == "LATE":
        return and_(table.c.state_type == "SCHEDULED", is_late)
    if asked == "WAITING":
        return and_(table.c.state_type.in_(_WAITING), ~is_late)
    if asked == "SCHEDULED":
        return and_(table.c.state_type == asked, ~is_late)
    if asked in StateType.__members__:
        return table.c.state_type == asked
    return func.upper(func.replace(table.c.state_name, " ", "")) == plain_text(asked)


def _tag(db: Database, table: Table, values: Sequence[str]) -> Condition:
    """One of the tags; a value with `*` is looked for in the text of all tags."""
    whole = [value for value in values if "*" not in value]
    parts: list[Condition] = []
    if whole:
        parts += FilterConditions(db.is_sqlite).tag_parts(table.c.tags, Tags(any_=whole))
    for value in values:
        if "*" in value:
            parts.append(_as_text(db, table.c.tags).ilike(f'%"{_pattern(value)}"%', escape="\\"))
    return or_(false(), *parts)


def _parameter(db: Database, term: Term) -> Condition:
    """A parameter that is one of the values, each as it stands in JSON or as a text."""
    key = type_coerce(term.key or "", JsonKey())
    column = type_coerce(flow_run.c.parameters, Text if db.is_sqlite else JSONB)
    value = cast(column.op("->")(key), Text)
    if not term.values:
        return value.is_not(None)
    parts: list[Condition] = []
    for each in term.values:
        pattern = _pattern(each)
        parts += [value.ilike(pattern, escape="\\"), value.ilike(f'"{pattern}"', escape="\\")]
    return or_(*parts)


def _tasks(term: Term) -> Condition:
    """How many task runs there are, without counting further than asked for."""
    of_run = select(1).where(task_run.c.flow_run_id == flow_run.c.id).correlate(flow_run)
    parts: list[Condition] = []
    if term.at_least is not None and term.at_least >= 1:
        parts.append(of_run.limit(1).offset(min(int(-(-term.at_least // 1)), _LARGEST) - 1).exists())
    if term.at_most is not None:
        more = min(int(term.at_most), _LARGEST)
        parts.append(not_(of_run.limit(1).offset(more).exists()) if more >= 0 else false())
    return and_(flow_run.c.id.is_not(None), *parts)


def _within(value: ColumnElement[Any], term: Term) -> Condition:
    parts: list[Condition] = [value.is_not(None)]
    if term.at_least is not None:
        parts.append(value >= min(term.at_least, _LARGEST))
    if term.at_most is not None:
        parts.append(value <= min(term.at_most, _LARGEST))
    return and_(*parts)


def _when(moment: ColumnElement[Any], term: Term) -> Condition:
    parts: list[Condition] = []
    if term.after is not None:
        parts.append(moment >= clock.calendar_utc(term.after))
    if term.before is not None:
        parts.append(moment < clock.calendar_utc(term.before))
    return and_(*parts) if parts else moment.is_not(None)


def _ids(table: Table, term: Term) -> Any:
    """The ids of what has one of the names, or is named by its id."""
    return select(table.c.id).where(
        or_(_named(table.c.name, term.values), table.c.id.in_(_uuids(term.values)))
    )


def _uuids(values: Iterable[str]) -> list[UUID]:
    return [UUID(value) for value in values if _UUID.fullmatch(value)]


def contains(column: ColumnElement[Any], word: str) -> Condition:
    """Whether a text has that word in it, in any case of letters."""
    return _contain(column, [word])


def _named(column: ColumnElement[Any], names: Iterable[str]) -> Condition:
    """One of the names, in any case of letters; `*` stands for any text."""
    return or_(false(), *(column.ilike(_pattern(name), escape="\\") for name in names))


def _contain(column: ColumnElement[Any], words: Iterable[str]) -> Condition:
    return or_(false(), *(column.ilike(f"%{_pattern(word)}%", escape="\\") for word in words))


def _pattern(name: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", plain_text(name)).replace("*", "%")


def _as_text(db: Database, column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(column, Text) if db.is_sqlite else cast(type_coerce(column, JSONB), Text)
