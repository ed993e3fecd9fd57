"""A schedule in one short line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...runtime.foundation import authorship
from .times import duration


def in_words(rule: Mapping[str, Any]) -> str:
    """A schedule as text, such as "cron 30 6 * * * (Europe/Berlin)" or "every 1h 0m"."""
    zone = rule.get("timezone")
    place = f" ({zone})" if zone and zone != "UTC" else ""
    if "cron" in rule:
        return f"cron {rule['cron']}{place}"
    if "interval" in rule:
        return f"every {_every(float(rule['interval']))}{place}"
    return f"{str(rule.get('rrule', '')).splitlines()[-1] if rule.get('rrule') else 'unknown'}{place}"


def set_by(row: Mapping[str, Any]) -> str:
    """Who made and last changed a schedule, such as "deploy (ada@laptop), then by hand (UI)"."""
    first, last = authorship.in_words(row.get("created_by")), authorship.in_words(row.get("updated_by"))
    return first if first == last or not last else f"{first}, then {last}"


def _every(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return duration(seconds)
