"""What a deployment would change on the server: nothing, if it is there just like that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..schedules import schedule_from_json

if TYPE_CHECKING:
    from ..client.records import Deployment


class Change(NamedTuple):
    """One field that is to be another."""

    field: str
    before: Any
    after: Any


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
    """The fields of `body` (a DeploymentCreate) in which it differs from what the server has."""
    found: list[Change] = []
    for name in _COMPARED:
        before, after = getattr(known, name), body.get(name)
        if name == "work_queue_name" and after is None:
            continue  # the server chose the pool's default
        if name == "tags":
            before, after = sorted(before), sorted(after or ())
        if (before or None) != (after or None):
            found.append(Change(name, before, after))
    limit = (known.global_concurrency_limit or {}).get("limit")
    if limit != body.get("concurrency_limit"):
        found.append(Change("concurrency_limit", limit, body.get("concurrency_limit")))
    if body.get("concurrency_options") and not _within(
        body["concurrency_options"], known.concurrency_options
    ):
        found.append(Change("concurrency_options", known.concurrency_options, body["concurrency_options"]))
    before, after = [_plain(each.to_json()) for each in known.schedules], [*map(_plain, body["schedules"])]
    if _sorted(before) != _sorted(after):
        found.append(Change("schedules", before, after))
    return found


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule without what the server adds."""
    rule = entry["schedule"]
    if "interval" in rule and rule.get("anchor_date") is None:
        plain: dict[str, Any] = {"interval": rule["interval"]}  # a new one: differs from any
    else:
        plain = schedule_from_json(rule).to_json()
    return {
        "schedule": plain,
        "active": entry.get("active", True),
        "parameters": entry.get("parameters") or {},
        "slug": entry.get("slug"),
        "max_scheduled_runs": entry.get("max_scheduled_runs"),
    }


def _sorted(entries: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(map(str, entries))


def _within(asked: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is not None and all(known.get(name) == value for name, value in asked.items())
