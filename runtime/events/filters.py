"""The filters of searches and streams of events, in the names of the standard API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar, cast
from uuid import UUID

from annotated_types import MaxLen

from ..foundation import clock
from ..foundation.filter_base import Filter

Specification = dict[str, str | list[str]]
"""Maps a label to the value it must have, or to several of which one fits; `abc*` is a prefix, `!abc`
negates.
"""

T = TypeVar("T")

_WINDOW = timedelta(days=180)


def _window_begin() -> datetime:
    return (clock.now() - _WINDOW).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Occurred(Filter):
    since: datetime = field(default_factory=_window_begin)
    until: datetime = field(default_factory=clock.now)

    def __post_init__(self) -> None:
        # Times without a zone are UTC.
        object.__setattr__(self, "since", clock.calendar_utc(self.since))
        object.__setattr__(self, "until", clock.calendar_utc(self.until))


@dataclass(frozen=True, slots=True)
class EventName(Filter):
    prefix: list[str] | None = None
    exclude_prefix: list[str] | None = None
    name: list[str] | None = None
    exclude_name: list[str] | None = None


@dataclass(frozen=True, slots=True)
class OfResource(Filter):
    """`distinct`: only the first event of each resource, in the requested order."""

    id: list[str] | None = None
    id_prefix: list[str] | None = None
    labels: Specification | None = None
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class OfRelated(Filter):
    id: list[str] | None = None
    role: list[str] | None = None
    resources_in_roles: list[tuple[str, str]] | None = None
    labels: Specification | None = None


@dataclass(frozen=True, slots=True)
class OfAnyResource(Filter):
    id: list[str] | None = None
    id_prefix: list[str] | None = None
    labels: Specification | None = None


@dataclass(frozen=True, slots=True)
class EventIds(Filter):
    id: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class EventText(Filter):
    """Words of which one must occur; `+word` must occur, `-word` must not; quotes make a phrase."""

    query: Annotated[str, MaxLen(200)]


@dataclass(frozen=True, slots=True)
class EventFilter(Filter):
    """Every given part must match, also every member of a list in `related` or `any_resource`."""

    occurred: Occurred = field(default_factory=Occurred)
    event: EventName | None = None
    resource: OfResource | None = None
    related: OfRelated | list[OfRelated] | None = None
    any_resource: OfAnyResource | list[OfAnyResource] | None = None
    id: EventIds = field(default_factory=EventIds)
    text: EventText | None = None
    order: Literal["ASC", "DESC"] = "DESC"

    def related_parts(self) -> list[OfRelated]:
        return _as_list(self.related)

    def any_resource_parts(self) -> list[OfAnyResource]:
        return _as_list(self.any_resource)


def _as_list(value: T | list[T] | None) -> list[T]:
    if value is None:
        return []
    return cast("list[T]", value) if isinstance(value, list) else [value]


def values_of(expected: str | list[str]) -> tuple[list[str], list[str]]:
    """The values that a specification wants for one label, and those that it excludes (without the `!`)."""
    every = [expected] if isinstance(expected, str) else expected
    wanted = [each for each in every if not each.startswith("!")]
    return wanted, [each[1:] for each in every if each.startswith("!")]
