"""Which of a deployment's schedules a sent list means: by slug, or as a whole. Pure; rules of the standard.

(Reference notes, section 7.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import orjson

from ..foundation.authorship import is_of_code, was_set_by_code
from ..foundation.errors import BadSchedule, Duplicate
from ..scheduling.said_schedules import KnownSchedule, SaidSchedule, meant, plain
from .deployment_rows import ScheduleRow, ScheduleSpec


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """What becomes of a deployment's schedules; those that are not named stay as they are."""

    created: list[ScheduleSpec] = field(default_factory=list[ScheduleSpec])
    edited: list[tuple[ScheduleRow, ScheduleSpec]] = field(
        default_factory=list[tuple[ScheduleRow, ScheduleSpec]]
    )
    removed: list[ScheduleRow] = field(default_factory=list[ScheduleRow])


def match_schedules(existing: Sequence[ScheduleRow], sent: Sequence[ScheduleSpec]) -> ScheduleChanges:
    """Match sent schedules to those there are: by slug when all have one, else the list replaces them.

    Raises BadSchedule when only the existing ones have slugs, or when two sent ones mean the same schedule;
    Duplicate when two have the same slug.
    """
    check_slugs(sent)
    if not existing or any(row.slug is None for row in existing):
        return ScheduleChanges(created=list(sent), removed=list(existing))
    if any(spec.slug is None for spec in sent):
        raise BadSchedule(
            "the deployment's schedules have slugs, so every schedule that is sent needs one", "schedules"
        )
    return _by_slug({row.slug: row for row in existing}, sent)


def reconcile_schedules(existing: Sequence[ScheduleRow], sent: Sequence[ScheduleSpec]) -> ScheduleChanges:
    """What a deploy changes: see `said_schedules`. What is there just like that is left alone, and so are
    schedules that people made. Of one that somebody changed by hand, what is not said stays.

    Raises BadSchedule.
    """
    known = sorted(existing, key=lambda row: row.id)
    rows = [
        KnownSchedule(row.slug, row.definition, row.parameters, is_of_code(row.created_by)) for row in known
    ]
    said = [SaidSchedule(spec.slug, spec.replaces, spec.definition, spec.parameters) for spec in sent]
    matched = meant(rows, said)
    changes = ScheduleChanges(removed=[known[place] for place in matched.gone])
    for spec, place in zip(sent, matched.of_said, strict=True):
        if place is None:
            changes.created.append(spec)
            continue
        row, asked = known[place], spec
        if was_set_by_code(row.updated_by):  # nobody changed it by hand: it is as the code says, in full
            asked = replace(spec, parameters=spec.parameters or {}, active=spec.active is not False)
        if _differs(row, asked):
            changes.edited.append((row, _without_same_definition(row, asked)))
    return changes


def _differs(row: ScheduleRow, spec: ScheduleSpec) -> bool:
    said = {
        "slug": spec.slug,
        "active": spec.active,
        "parameters": spec.parameters,
        "max_scheduled_runs": spec.max_scheduled_runs,
        "catchup": spec.catchup,
    }
    other = any(value is not None and value != getattr(row, name) for name, value in said.items())
    moved = spec.definition is not None and plain(spec.definition) != plain(row.definition)
    return other or moved or not is_of_code(row.created_by)


def _without_same_definition(row: ScheduleRow, spec: ScheduleSpec) -> ScheduleSpec:
    """A definition that only reads differently would move the schedule's runs to another key."""
    if spec.definition is not None and plain(spec.definition) == plain(row.definition):
        return replace(spec, definition=None)
    return spec


def check_slugs(sent: Sequence[ScheduleSpec]) -> None:
    """Raises Duplicate when two of them have the same slug."""
    slugs = [spec.slug for spec in sent if spec.slug is not None]
    if len(slugs) != len(set(slugs)):
        raise Duplicate("two schedules have the same slug", hint="give each a slug of its own")


def key_of(slug: str | None, definition: object, taken: Sequence[str] = ()) -> str:
    """What a schedule's runs carry: it outlives the schedule's row, so that a slot has one run for ever.

    Two schedules alike in one deployment are told apart by their number.
    """
    if slug is not None:
        return f"slug:{slug}"
    digest = sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    key, number = digest, 1
    while key in taken:
        number += 1
        key = f"{digest}:{number}"
    return key


def _by_slug(known: dict[str | None, ScheduleRow], sent: Sequence[ScheduleSpec]) -> ScheduleChanges:
    changes = ScheduleChanges()
    targets: set[str] = set()
    replaced = {spec.replaces for spec in sent}
    for spec in sent:
        target = spec.replaces if spec.replaces in known else spec.slug
        assert target is not None
        if target in targets:
            raise BadSchedule(f"two schedules would replace {target!r}", "schedules")
        if target != spec.slug and spec.slug in known and spec.slug not in replaced:
            raise BadSchedule(
                f"{target!r} cannot become {spec.slug!r}: there is a schedule of that slug", "schedules"
            )
        targets.add(target)
        if target in known:
            changes.edited.append((known[target], spec))
        else:
            changes.created.append(spec)
    return changes
