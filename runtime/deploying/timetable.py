"""The standard's list of schedules, from an author's options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from ..foundation.errors import BadSchedule
from ..scheduling.schedules import Schedule, schedule_from_json

if TYPE_CHECKING:
    from ..client.records import DeploymentSchedule

_RULE = ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date")
_AROUND = ("active", "max_scheduled_runs", "parameters", "slug", "replaces")


def timetable(
    *,
    cron: str | Sequence[str] | None = None,
    interval: float | timedelta | Sequence[float | timedelta] | None = None,
    anchor_date: datetime | None = None,
    rrule: str | Sequence[str] | None = None,
    timezone: str | None = None,
    schedules: Iterable[Schedule | Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """The standard's DeploymentScheduleCreate for each schedule. Raises BadSchedule, which names the field at
    fault.
    """
    zone = {} if timezone is None else {"timezone": timezone}
    anchor = {} if anchor_date is None else {"anchor_date": anchor_date}
    rules: list[Any] = [{"cron": each, **zone} for each in _several(cron)]
    rules += [{"interval": each, **anchor, **zone} for each in _several(interval)]
    rules += [{"rrule": each, **zone} for each in _several(rrule)]
    rules += list(schedules or ())
    where = "schedules[{}]" if len(rules) > 1 else "schedule"
    return [schedule_entry(rule, where.format(index)) for index, rule in enumerate(rules)]


def schedule_entry(given: Any, where: str = "schedule") -> dict[str, Any]:
    """One DeploymentScheduleCreate, from a Schedule or a mapping.

    A mapping is {"schedule": {...}, "active": ...} as in the API, or a flat {"cron": ..., "active": ...} as
    in deployment files. Raises BadSchedule.
    """
    if isinstance(given, Schedule):
        return {"schedule": given.to_json()}
    if not isinstance(given, Mapping):
        raise BadSchedule(
            f"{where}: {given!r} is not a schedule.", where, hint='Such as {"cron": "30 6 * * *"}.'
        )
    fields = dict(cast("Mapping[str, Any]", given))
    rule = fields.pop("schedule", None)
    if rule is None:
        rule = {name: fields.pop(name) for name in _RULE if fields.get(name) is not None}
        for name in _RULE:
            fields.pop(name, None)
    if isinstance(rule, Schedule):
        rule = rule.to_json()
    unknown = [name for name in fields if name not in _AROUND]
    if unknown:
        raise BadSchedule(
            f"{where}: a schedule has no field {unknown[0]!r}.",
            f"{where}.{unknown[0]}",
            hint=f"It has {', '.join((*_RULE, *_AROUND))}.",
        )
    checked = schedule_from_json(rule, where).to_json()
    if "anchor_date" in checked and cast("Mapping[str, Any]", rule).get("anchor_date") is None:
        checked["anchor_date"] = None  # not given: `with_known_anchors` fills it
    around = {name: value for name, value in fields.items() if value is not None}
    return {"schedule": checked, **around}


def with_known_anchors(
    entries: Sequence[dict[str, Any]], known: Sequence[DeploymentSchedule]
) -> list[dict[str, Any]]:
    """Give intervals without an anchor date the anchor that they have on the server. Without this each deploy
    of unchanged code would move all its runs.
    """
    anchors: dict[float, list[Any]] = {}
    for each in reversed(known):  # the API returns the newest first
        if "interval" in each.schedule:
            anchors.setdefault(float(each.schedule["interval"]), []).append(each.schedule["anchor_date"])
    filled: list[dict[str, Any]] = []
    for entry in entries:
        rule = dict(entry["schedule"])
        if "interval" in rule and rule.get("anchor_date") is None:
            del rule["anchor_date"]
            if anchors.get(rule["interval"]):
                rule["anchor_date"] = anchors[rule["interval"]].pop(0)
        filled.append({**entry, "schedule": rule})
    return filled


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str | int | float | timedelta):
        return [value]
    return list(cast("Iterable[Any]", value))
