"""Matches a sent list of schedules with a deployment's: by slug, or as a whole, as the standard API does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import orjson

from ..foundation.authorship import is_of_code, was_set_by_code
from ..foundation.errors import BadSchedule, Duplicate
from ..scheduling.declared_schedules import DeclaredSchedule, KnownSchedule, match_declared, plain
from .deployment_rows import ScheduleRow, ScheduleSpec


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """The changes of a deployment's schedules; those that are not named stay."""

    created: list[ScheduleSpec] = field(default_factory=list[ScheduleSpec])
    edited: list[tuple[ScheduleRow, ScheduleSpec]] = field(
        default_factory=list[tuple[ScheduleRow, ScheduleSpec]]
    )
    removed: list[ScheduleRow] = field(default_factory=list[ScheduleRow])


def match_schedules(existing: Sequence[ScheduleRow], sent: Sequence[ScheduleSpec]) -> ScheduleChanges:
    """Match sent schedules with existing ones by slug when all have one, else the list replaces them.

    Raises BadSchedule when only the existing ones have slugs, or when two sent ones match one schedule;
    Duplicate when two have one slug.
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
    """The changes of a deploy, matched by `declared_schedules`. Equal schedules and those that people made
    are left alone. A schedule that was changed by hand keeps what the code does not give.

    Raises BadSchedule.
    """
    known = sorted(existing, key=lambda row: row.id)
    rows = [
        KnownSchedule(row.slug, row.definition, row.parameters, is_of_code(row.created_by)) for row in known
    ]
    said = [DeclaredSchedule(spec.slug, spec.replaces, spec.definition, spec.parameters) for spec in sent]
    matched = match_declared(rows, said)
    changes = ScheduleChanges(removed=[known[place] for place in matched.gone])
    for spec, place in zip(sent, matched.of_declared, strict=True):
        if place is None:
            changes.created.append(spec)
            continue
        row, asked = known[place], spec
        if was_set_by_code(row.updated_by):  # not changed by hand: all fields follow the code
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
    """The spec without a definition that is only written differently, which would change the key of its
    runs.
    """
    if spec.definition is not None and plain(spec.definition) == plain(row.definition):
        return replace(spec, definition=None)
    return spec


def check_slugs(sent: Sequence[ScheduleSpec]) -> None:
    """Raise Duplicate when two schedules have one slug."""
    slugs = [spec.slug for spec in sent if spec.slug is not None]
    if len(slugs) != len(set(slugs)):
        raise Duplicate("two schedules have the same slug", hint="give each a different slug")


def key_of(slug: str | None, definition: object, taken: Sequence[str] = ()) -> str:
    """The key in a schedule's runs. It outlives the schedule's row, so that a slot never gets a second run.
    Equal schedules of one deployment differ by a number in it.
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
