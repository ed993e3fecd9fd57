"""What deploying would change on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..foundation.authorship import is_of_code, was_set_by_code
from ..scheduling.declared_schedules import DeclaredSchedule, KnownSchedule, match_declared, plain

if TYPE_CHECKING:
    from ..client.records import Deployment, DeploymentSchedule


class Change(NamedTuple):
    """One field with its value before and after."""

    field: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "before": self.before, "after": self.after}


_COMPARED = (
    "version",
    "description",
    "tags",
    "parameters",
    "parameter_openapi_schema",
    "enforce_parameter_schema",
    "job_variables",
    "work_pool_name",
    "work_queue_name",
    "paused",
    "pull_steps",
    "entrypoint",
    "path",
)


def changes(body: Mapping[str, Any], known: Deployment) -> list[Change]:
    """The fields of `body` that differ from the server's; the server keeps fields that `body` leaves out."""
    found: list[Change] = []
    for name in _COMPARED:
        if name not in body:
            continue
        before, after = getattr(known, name), body[name]
        if name == "tags":
            before, after = sorted(before), sorted(after or ())
        if (before or None) != (after or None):
            found.append(Change(name, before, after))
    kept = kept_parameters(body, known)
    if kept != known.parameters and "parameters" not in body:
        found.append(Change("parameters", known.parameters, kept))
    limit = (known.global_concurrency_limit or {}).get("limit")
    if "concurrency_limit" in body and limit != body["concurrency_limit"]:
        found.append(Change("concurrency_limit", limit, body["concurrency_limit"]))
    if body.get("concurrency_options") and not _within(
        body["concurrency_options"], known.concurrency_options
    ):
        found.append(Change("concurrency_options", known.concurrency_options, body["concurrency_options"]))
    if "schedules" in body:
        found += _schedule_changes(body["schedules"], list(reversed(known.schedules)))
    return found


def kept_parameters(body: Mapping[str, Any], known: Deployment) -> dict[str, Any]:
    """The parameters that the server keeps when the code gives none: those that the flow still takes."""
    schema: Mapping[str, Any] = body.get("parameter_openapi_schema") or {}
    if not schema or schema.get("additionalProperties") not in (None, False):
        return known.parameters
    properties: Mapping[str, Any] = schema.get("properties") or {}
    return {name: value for name, value in known.parameters.items() if name in properties}


def forgotten_schedules(body: Mapping[str, Any], known: Deployment) -> list[DeploymentSchedule]:
    """Schedules that the code once made and that stay because the code no longer mentions schedules."""
    if "schedules" in body:
        return []
    return [each for each in known.schedules if was_set_by_code(each.created_by)]


def _schedule_changes(said: Sequence[Mapping[str, Any]], known: Sequence[DeploymentSchedule]) -> list[Change]:
    """One change for each schedule, as the server will make it; `known` is in the order of creation."""
    matched = match_declared(
        [KnownSchedule(each.slug, each.schedule, each.parameters, _is_of_code(each)) for each in known],
        [
            DeclaredSchedule(each.get("slug"), each.get("replaces"), each["schedule"], each.get("parameters"))
            for each in said
        ],
    )
    found = [Change(_name(_shown(known[place])), _shown(known[place]), None) for place in matched.gone]
    for each, place in zip(said, matched.of_declared, strict=True):
        before = None if place is None else _shown(known[place])
        after = _after(each, None if place is None else known[place])
        if before != after:
            found.append(Change(_name(before or after), before, after))
        elif place is not None and not _is_of_code(known[place]):
            found.append(Change(f"{_name(after)}.created_by", known[place].created_by, "this deploy"))
    return found


def _is_of_code(schedule: DeploymentSchedule) -> bool:
    return is_of_code(schedule.created_by)


def _after(said: Mapping[str, Any], known: DeploymentSchedule | None) -> dict[str, Any]:
    """A schedule after the deploy: what the code does not give stays on a schedule that was changed by
    hand.
    """
    rule = said["schedule"]
    after: dict[str, Any] = {
        "schedule": rule if "interval" in rule and rule.get("anchor_date") is None else plain(rule),
        "active": True,
        "parameters": {},
        "slug": None,
        "max_scheduled_runs": None,
    }
    if known is not None:
        before = _shown(known)
        stays = ("slug", "max_scheduled_runs")
        if not was_set_by_code(known.updated_by):
            stays += ("active", "parameters")
        after |= {name: before[name] for name in stays}
    return after | {name: said[name] for name in after if name != "schedule" and said.get(name) is not None}


def _shown(schedule: DeploymentSchedule) -> dict[str, Any]:
    return {
        "schedule": plain(schedule.schedule),
        "active": schedule.active,
        "parameters": schedule.parameters,
        "slug": schedule.slug,
        "max_scheduled_runs": schedule.max_scheduled_runs,
    }


def _name(schedule: Mapping[str, Any]) -> str:
    rule = schedule["schedule"]
    what = schedule["slug"] or next(str(rule[kind]) for kind in ("cron", "interval", "rrule") if kind in rule)
    return f"schedules[{what}]"


def _within(asked: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is not None and all(known.get(name) == value for name, value in asked.items())
