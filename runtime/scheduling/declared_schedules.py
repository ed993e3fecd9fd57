"""Matches the schedules that code declares with those a deployment has: by slug, else by definition. Pure.

The server changes schedules by these matches, and `deploy --diff` shows what the server would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..foundation.errors import BadSchedule
from .schedules import schedule_from_json


@dataclass(frozen=True, slots=True)
class KnownSchedule:
    """A schedule that a deployment has."""

    slug: str | None
    definition: Mapping[str, Any]
    parameters: Mapping[str, Any]
    is_of_code: bool


@dataclass(frozen=True, slots=True)
class DeclaredSchedule:
    """A schedule that the code declares; None means not given."""

    slug: str | None
    replaces: str | None
    definition: Mapping[str, Any] | None
    parameters: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Matched:
    """`of_declared` has, for each declared schedule, the index of the known one that it matches, None for a
    new one. `gone` are the indexes of known ones that the code made and no longer declares.
    """

    of_declared: list[int | None]
    gone: list[int]


def match_declared(known: Sequence[KnownSchedule], said: Sequence[DeclaredSchedule]) -> Matched:
    """Match declared schedules with known ones; `known` is in the order of creation.

    Raises BadSchedule when two would match one, or one would duplicate a schedule that stays.
    """
    found: list[int | None] = [None] * len(said)
    places = {row.slug: place for place, row in enumerate(known) if row.slug is not None}
    for number, each in enumerate(said):
        if each.replaces is not None and each.replaces != each.slug:
            found[number] = _claimed(places.get(each.replaces), found, each.replaces)
    for number, each in enumerate(said):
        place = places.get(each.slug) if each.slug is not None else None
        if found[number] is None and place not in found:
            found[number] = place
    slugs = {each.slug for each in said}
    for number, place in _alike(known, said, found, slugs):
        found[number] = place
    gone = [place for place, row in enumerate(known) if place not in found and row.is_of_code]
    _check_doubles(known, said, found, gone)
    return Matched(found, gone)


def plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition in its normal form, for comparison."""
    return schedule_from_json(definition).to_json()


def _claimed(place: int | None, found: Sequence[int | None], slug: str) -> int | None:
    if place is not None and place in found:
        raise BadSchedule(f"two schedules would replace {slug!r}", "schedules")
    return place


def _alike(
    known: Sequence[KnownSchedule],
    said: Sequence[DeclaredSchedule],
    found: Sequence[int | None],
    slugs: set[str | None],
) -> Iterator[tuple[int, int]]:
    """Matches by equal definition: first those with equal parameters, then the code's own with other ones."""
    free = [place for place, row in enumerate(known) if place not in found and _is_free(row, slugs)]
    open_ones = [number for number, place in enumerate(found) if place is None]
    forms = {place: plain(known[place].definition) for place in free}
    for is_right in (_with_same_parameters, _of_code):
        for number in list(open_ones):
            each = said[number]
            if each.definition is None:
                continue
            form = plain(each.definition)
            fitting = [place for place in free if forms[place] == form and is_right(known[place], each)]
            if fitting:
                place = min(fitting, key=lambda place: not known[place].is_of_code)
                free.remove(place)
                open_ones.remove(number)
                yield number, place


def _is_free(row: KnownSchedule, slugs: set[str | None]) -> bool:
    return row.slug is None or row.slug not in slugs


def _with_same_parameters(row: KnownSchedule, each: DeclaredSchedule) -> bool:
    return dict(row.parameters) == dict(each.parameters or {})


def _of_code(row: KnownSchedule, _: DeclaredSchedule) -> bool:
    return row.is_of_code


def _check_doubles(
    known: Sequence[KnownSchedule],
    said: Sequence[DeclaredSchedule],
    found: Sequence[int | None],
    gone: Sequence[int],
) -> None:
    stay = {row.slug for place, row in enumerate(known) if place not in found and place not in gone}
    slugs = [each.slug for each in said if each.slug is not None]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise BadSchedule("two schedules have the same slug", "schedules")
        if slug in stay:
            raise BadSchedule(f"there is a schedule {slug!r} already, which stays", "schedules")
