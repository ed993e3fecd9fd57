"""Searching events by filters, in pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, RowMapping, Text, exists, func, literal, or_, select, tuple_
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ..events.filters import (
    EventFilter,
    EventName,
    OfAnyResource,
    OfRelated,
    OfResource,
    Specification,
    values_of,
)
from ..events.matching import words_of
from ..events.records import RESOURCE_ROLE, Event
from ..foundation.filter_base import Filter
from .database.database import Database
from .database.tables import event, event_resource
from .database.types import JsonKey
from .database.wire_text import plain_text

_AFTER_ALL = "\U0010ffff"
_AT_ONCE = 200

Condition = ColumnElement[bool]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended."""

    occurred: datetime
    seq: int


async def find(db: Database, asked: EventFilter, limit: int, after: Place | None = None) -> list[Event]:
    """A page of matching events by time of occurrence, after the place where the page before ended."""
    columns = event.c
    statement = select(event).where(*conditions(db, asked), *_distinct(db, asked))
    if after is not None:
        here, there = tuple_(columns.occurred, columns.seq), (after.occurred, after.seq)
        bound = tuple_(literal(there[0], columns.occurred.type), literal(there[1], columns.seq.type))
        statement = statement.where(here > bound if asked.order == "ASC" else here < bound)
    if asked.order == "ASC":
        statement = statement.order_by(columns.occurred, columns.seq)
    else:
        statement = statement.order_by(columns.occurred.desc(), columns.seq.desc())
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit))
        return [event_of(row) for row in rows.mappings()]


async def every(db: Database, asked: EventFilter) -> AsyncGenerator[Event]:
    """All events that match, read in pages."""
    after: Place | None = None
    while page := await find(db, asked, _AT_ONCE, after):
        for each in page:
            yield each
        after = place_of(page[-1])


async def count(db: Database, asked: EventFilter) -> int:
    """How many events match."""
    statement = select(func.count()).select_from(event).where(*conditions(db, asked), *_distinct(db, asked))
    async with db.read() as connection:
        return int(await connection.scalar(statement) or 0)


def place_of(last: Event) -> Place:
    """The place behind an event."""
    return Place(last.occurred, last.seq)


def event_of(row: RowMapping) -> Event:
    """An event from a row of the table."""
    return Event(
        row["id"],
        row["occurred"],
        row["event"],
        row["resource"],
        row["related"],
        row["payload"],
        row["follows"],
        row["received"],
        row["seq"],
    )


def conditions(db: Database, asked: EventFilter) -> list[Condition]:
    """A filter as conditions on rows of `event`."""
    asked, columns = _storable(asked), event.c
    found: list[Condition] = [
        columns.occurred >= asked.occurred.since,
        columns.occurred <= asked.occurred.until,
    ]
    if asked.id.id:
        found.append(columns.id.in_(asked.id.id))
    if asked.event is not None:
        found += _of_name(asked.event)
    if asked.resource is not None:
        found += _of_resource(columns, asked.resource)
    for part in asked.related_parts():
        found += _of_related(db, part)
    for part in asked.any_resource_parts():
        found += _of_any(db, part)
    if asked.text is not None:
        found += _of_text(asked.text.query)
    return found


def _storable(value: T) -> T:
    """The filter with texts that both databases accept."""
    found: Any = value
    if isinstance(value, str):
        found = plain_text(value)
    elif isinstance(value, list | tuple):
        found = [_storable(each) for each in cast("Iterable[Any]", value)]
    elif isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        found = {_storable(name): _storable(each) for name, each in items}
    elif isinstance(value, Filter):
        found = replace(cast(Any, value), **{name: _storable(each) for name, each in value.parts()})
    return found


def _distinct(db: Database, asked: EventFilter) -> list[Condition]:
    """The condition that an event is the first of its resource, in the requested order."""
    if asked.resource is None or not asked.resource.distinct:
        return []
    order = event.c.occurred.asc() if asked.order == "ASC" else event.c.occurred.desc()
    place = func.row_number().over(partition_by=event.c.resource_id, order_by=(order, event.c.seq))
    ranked = select(event.c.seq, place.label("place")).where(*conditions(db, asked)).subquery()
    return [event.c.seq.in_(select(ranked.c.seq).where(ranked.c.place == 1))]


def _of_name(asked: EventName) -> list[Condition]:
    name, found = event.c.event, list[Condition]()
    if asked.prefix:
        found.append(_begins(name, asked.prefix))
    if asked.exclude_prefix:
        found.append(~_begins(name, asked.exclude_prefix))
    if asked.name:
        found.append(name.in_(asked.name))
    if asked.exclude_name:
        found.append(name.not_in(asked.exclude_name))
    return found


def _of_resource(
    columns: ReadOnlyColumnCollection[str, Any], asked: OfResource | OfAnyResource
) -> list[Condition]:
    found: list[Condition] = []
    if asked.id:
        found.append(columns.resource_id.in_(asked.id))
    if asked.id_prefix:
        found.append(_begins(columns.resource_id, asked.id_prefix))
    if asked.labels:
        found += _has_labels(columns.resource, asked.labels)
    return found


def _of_related(db: Database, asked: OfRelated) -> list[Condition]:
    narrowed: list[Condition] = []
    if asked.id:
        narrowed.append(event_resource.c.resource_id.in_(asked.id))
    if asked.role:
        narrowed.append(event_resource.c.role.in_(asked.role))
    if asked.resources_in_roles:
        pair = tuple_(event_resource.c.resource_id, event_resource.c.role)
        narrowed.append(pair.in_([(it, role) for it, role in asked.resources_in_roles]))
    found: list[Condition] = []
    if narrowed:
        found.append(event.c.seq.in_(select(event_resource.c.event_seq).where(*narrowed)))
    if asked.labels:  # one resource must have these labels and match the other parts
        each = _related_labels(db)
        same = _has_labels(each, asked.labels)
        if asked.id:
            same.append(_label(each, "prefect.resource.id").in_(asked.id))
        if asked.role:
            same.append(_label(each, RESOURCE_ROLE).in_(asked.role))
        found.append(exists(select(1).where(*same)))
    return found


def _of_any(db: Database, asked: OfAnyResource) -> list[Condition]:
    own = _of_resource(event.c, asked)
    if not own:
        return []
    narrowed: list[Condition] = []
    if asked.id:
        narrowed.append(event_resource.c.resource_id.in_(asked.id))
    if asked.id_prefix:
        narrowed.append(_begins(event_resource.c.resource_id, asked.id_prefix))
    related: list[Condition] = []
    if narrowed:
        related.append(event.c.seq.in_(select(event_resource.c.event_seq).where(*narrowed)))
    if asked.labels:
        each = _related_labels(db)
        same = _has_labels(each, asked.labels)
        resource_id = _label(each, "prefect.resource.id")
        if asked.id:
            same.append(resource_id.in_(asked.id))
        if asked.id_prefix:
            same.append(_begins(resource_id, asked.id_prefix))
        related.append(exists(select(1).where(*same)))
    return [or_(_all(own), _all(related))]


def _of_text(query: str) -> list[Condition]:
    some, every_one, none = words_of(query)
    columns = event.c
    parts = (
        columns.event,
        *(sql_cast(each, Text) for each in (columns.resource, columns.related, columns.payload)),
    )
    looked_at: Any = parts[0]
    for part in parts[1:]:
        looked_at = looked_at + " " + part
    looked_at = func.lower(looked_at)
    found: list[Condition] = [looked_at.contains(word, autoescape=True) for word in every_one]
    found += [~looked_at.contains(word, autoescape=True) for word in none]
    if some:
        found.append(or_(*(looked_at.contains(word, autoescape=True) for word in some)))
    return found


def _related_labels(db: Database) -> Any:
    """The labels of each related resource, as a column of a table of their own."""
    unfold = func.json_each if db.is_sqlite else func.jsonb_array_elements
    return unfold(event.c.related).table_valued("value", name="each").c.value


def _has_labels(labels: Any, wanted: Specification) -> list[Condition]:
    return [_has_value(_label(labels, name), *values_of(values)) for name, values in wanted.items()]


def _has_value(value: ColumnElement[Any], wanted: list[str], unwanted: list[str]) -> Condition:
    if not wanted and not unwanted:
        return literal(False)
    none_of = ~func.coalesce(
        or_(literal(False), *(_is_like(value, each) for each in unwanted)), literal(False)
    )
    if not wanted:
        return none_of
    one_of = or_(*(_is_like(value, each) for each in wanted))
    return one_of & none_of if unwanted else one_of


def _is_like(value: ColumnElement[Any], pattern: str) -> Condition:
    if not pattern.endswith("*"):
        return value == pattern
    start = pattern[:-1]
    return func.substr(value, 1, len(start)) == start if start else value.is_not(None)


def _label(labels: Any, name: str) -> Any:
    return labels.op("->>", return_type=Text())(literal(name, JsonKey()))


def _begins(column: ColumnElement[Any], beginnings: Iterable[str]) -> Condition:
    """Whether the text begins with one of these; an index on the column serves it."""
    return or_(*((column >= start) & (column < start + _AFTER_ALL) for start in beginnings))


def _all(parts: list[Condition]) -> Condition:
    condition = parts[0]
    for part in parts[1:]:
        condition = condition & part
    return condition
