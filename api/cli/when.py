"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

from ...runtime.foundation import clock

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w|)[a-z]*\s*")


def moment_of(start_in: str | None, start_at: str | None) -> datetime | None:
    """The time that `--start-in` or `--start-at` means; None when neither is given. Raises BadParameter."""
    if start_in is not None and start_at is not None:
        raise click.UsageError("Give --start-in or --start-at, not both.")
    if start_in is not None:
        return clock.now() + timedelta(seconds=seconds_of(start_in))
    return None if start_at is None else _moment(start_at)


def seconds_of(text: str) -> float:
    """The seconds in a text such as "90", "30s", "10m", "1h30m", "2 days". Raises BadParameter."""
    words = text.strip().lower().removeprefix("in ").replace(" and ", " ")
    total, at = 0.0, 0
    while at < len(words):
        part = _PART.match(words, at)
        if part is None or part.end() == at:
            raise click.BadParameter(f"{text!r} is not a duration; write 90, 30s, 10m, 2h or 1d.")
        total += float(part[1]) * _UNITS_S[part[2]]
        at = part.end()
    if not words:
        raise click.BadParameter("the duration is empty; write 90, 30s, 10m, 2h or 1d.")
    return total


def _moment(text: str) -> datetime:
    """A time from text, by default in this machine's time zone; without a date, the next such time."""
    now = clock.now().astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text.strip()):
            clock_time = datetime.fromisoformat(f"2000-01-01T{text.strip().rjust(5, '0')}").time()
            moment = datetime.combine(now.date(), clock_time).astimezone()
            if moment > now:
                return moment
            return datetime.combine(now.date() + timedelta(days=1), clock_time).astimezone()
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time; write 2026-01-31T06:30, with an offset if you like, or 06:30."
        ) from None
