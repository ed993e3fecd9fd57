"""When a deployment runs: by an interval, a cron expression, or a recurrence rule.

A schedule is a value: it knows no deployment and no database, and has the same dates for every window and in
every process. Its JSON form is the standard's; a key tells the kind.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, cast

from ..foundation import clock
from ..foundation.errors import BadSchedule
from ..foundation.near_names import nearest
from .cron_text import read_cron
from .rrule_text import read_rrule
from .wall_clock import moments, read_zone, start_wall, wall_of

_DAY = timedelta(days=1)
_LAST_YEAR = 9000  # later dates are not computed: calendars end soon after
_ANCHOR_YEARS = range(1000, _LAST_YEAR)


class Schedule(ABC):
    """A rule that gives dates. Immutable and comparable; wrong arguments raise BadSchedule."""

    __slots__ = ()

    @abstractmethod
    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """The dates later than `after`, as aware UTC, strictly ascending; lazy, perhaps endless."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The standard's JSON form."""

    def dates(self, after: datetime, limit: int, until: datetime | None = None) -> list[datetime]:
        """At most `limit` dates later than `after` and not later than `until`, as aware UTC."""
        coming = self.upcoming(after)
        if until is not None:
            coming = takewhile(lambda date: date <= until, coming)
        return list(islice(coming, limit))

    def next_date(self, after: datetime) -> datetime | None:
        """The first date later than `after` as aware UTC; None when there is none."""
        return next(self.upcoming(after), None)


@dataclass(frozen=True, slots=True)
class IntervalSchedule(Schedule):
    """Every `interval_s` seconds, counted from `anchor_date` in both directions.

    Intervals of a day or more are counted on the wall clock: "every day from 9:00" stays at 9:00 when summer
    time begins. A naive anchor is on the wall clock of `timezone` (default: the anchor's, else UTC).
    """

    interval_s: float
    anchor_date: datetime = field(default_factory=clock.now)
    timezone: str | None = None

    def __post_init__(self) -> None:
        read_zone(self.timezone)
        if not 1e-6 <= self.interval_s <= 1e9:  # also false for NaN
            raise BadSchedule(
                f"interval: {self.interval_s:g} seconds cannot be used as an interval.",
                "interval",
                hint="Give a number of seconds above 0, and at most 30 years.",
            )
        if self.anchor_date.year not in _ANCHOR_YEARS:
            raise BadSchedule(
                f"anchor_date: the year {self.anchor_date.year} is out of range.",
                "anchor_date",
                hint="Use any date of the past years.",
            )
        if self.anchor_date.tzinfo is None:
            local = self.anchor_date.replace(tzinfo=read_zone(self.timezone))
            object.__setattr__(self, "anchor_date", local)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        step = timedelta(microseconds=round(self.interval_s * 1e6))
        if after.year >= _LAST_YEAR:
            return iter(())
        if step < _DAY:
            return _stepped(self.anchor_date.astimezone(UTC), step, after.astimezone(UTC))
        zone = read_zone(self.timezone or getattr(self.anchor_date.tzinfo, "key", None))
        walls = _stepped(wall_of(self.anchor_date, zone), step, start_wall(after, zone))
        return moments(walls, zone, after, gap="shift", repeat=False)

    def to_json(self) -> dict[str, Any]:
        anchor = self.anchor_date.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {"interval": float(self.interval_s), "anchor_date": anchor, "timezone": self.timezone}


@dataclass(frozen=True, slots=True)
class CronSchedule(Schedule):
    """A cron expression of five fields, or six with the seconds last, on the wall clock of `timezone`.

    When clocks go back, a repeated time runs once, the first time; when they go forward, a skipped time runs
    right after the change. Expressions whose minute or hour begins with a star follow real time instead:
    every hour stays every hour (the rule of Debian's cron). `day_or=False`: day and weekday must both match.
    """

    cron: str
    timezone: str | None = None
    day_or: bool = True

    def __post_init__(self) -> None:
        read_zone(self.timezone)
        read_cron(self.cron, self.day_or)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        if after.year >= _LAST_YEAR:
            return iter(())
        zone, cron = read_zone(self.timezone), read_cron(self.cron, self.day_or)
        walls = cron.walls(start_wall(after, zone))
        return moments(walls, zone, after, gap="skip" if cron.rhythm else "end", repeat=cron.rhythm)

    def to_json(self) -> dict[str, Any]:
        return {"cron": self.cron, "timezone": self.timezone, "day_or": self.day_or}


@dataclass(frozen=True, slots=True)
class RRuleSchedule(Schedule):
    """Recurrence rules (RFC 5545): RRULE, RDATE, EXDATE and DTSTART lines, at most 6,500 characters.

    Rules recur on the wall clock of DTSTART's TZID, else of `timezone`; times that end in Z are UTC. A time
    in the spring gap is moved later by the length of the gap, a time in the autumn overlap comes once; rules
    by hour, minute or second follow real time. Without DTSTART a rule counts from the start of 2020.
    """

    rrule: str
    timezone: str | None = "UTC"

    def __post_init__(self) -> None:
        read_zone(self.timezone)
        read_rrule(self.rrule, self.timezone)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        if after.year >= _LAST_YEAR:
            return iter(())
        rule = read_rrule(self.rrule, self.timezone)
        walls = rule.walls(start_wall(after, rule.zone))
        return moments(walls, rule.zone, after, gap="skip" if rule.rhythm else "shift", repeat=rule.rhythm)

    def to_json(self) -> dict[str, Any]:
        return {"rrule": self.rrule, "timezone": self.timezone}


_KEYS = {
    "interval": ("interval", "anchor_date", "timezone"),
    "cron": ("cron", "timezone", "day_or"),
    "rrule": ("rrule", "timezone"),
}


_KINDS_HINT = 'Such as {"cron": "30 6 * * *"}, {"interval": 3600} or {"rrule": "FREQ=DAILY"}.'
_DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_UNITS_S = (604_800, 86_400, 3600, 60, 1)


def schedule_from_json(value: Any, where: str = "schedule") -> Schedule:
    """The schedule of the standard's JSON form; its key tells the kind.

    `interval` and `anchor_date` may be texts (ISO 8601) or YAML's own types. Raises BadSchedule, whose
    `where` is the path of the field at fault, such as "schedules[1].cron".
    """
    try:
        kind, given = _kind_of(value)
        zone = _read(given, "timezone", str, "UTC" if kind == "rrule" else None)
        if kind == "cron":
            return CronSchedule(_read(given, "cron", str), zone, _read(given, "day_or", bool, True))
        if kind == "rrule":
            return RRuleSchedule(_read(given, "rrule", str), zone)
        anchor = given.get("anchor_date")
        moment = clock.now() if anchor is None else _moment(anchor)
        return IntervalSchedule(_seconds(given["interval"]), moment, zone)
    except BadSchedule as error:
        dot = "." if error.where else ""
        raise BadSchedule(f"{where}{dot}{error}", f"{where}{dot}{error.where}", hint=error.hint) from None


def _kind_of(value: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        raise BadSchedule(f": {value!r} is not an object.", hint=_KINDS_HINT)
    given = cast("Mapping[str, Any]", value)
    kinds = [key for key in _KEYS if key in given]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else ", ".join(map(str, given)) or "nothing"
        raise BadSchedule(f": it must have one of {', '.join(_KEYS)}; it has {found}.", hint=_KINDS_HINT)
    for name in given:
        if name not in _KEYS[kinds[0]]:
            close = nearest(str(name), _KEYS[kinds[0]])
            raise BadSchedule(
                f"{name}: a schedule by {kinds[0]} has no such field.",
                str(name),
                hint=f"Did you mean {close}?" if close else f"It has {', '.join(_KEYS[kinds[0]])}.",
            )
    return kinds[0], given


def _read(given: Mapping[str, Any], name: str, kind: type[Any], default: Any = None) -> Any:
    value = given.get(name, default)
    if isinstance(value, kind) or (name == "timezone" and value is None):
        return value
    expected = "true or false" if kind is bool else "a text"
    raise BadSchedule(f"{name}: {value!r} is not {expected}.", name)


def _seconds(value: Any) -> float:
    """Seconds from a number, a timedelta, a number's text, or a duration such as "P1DT6H" or "PT90S"."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip().upper()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise BadSchedule(
            f"interval: {value!r} is not a duration.",
            "interval",
            hint='Give seconds, or a text such as "PT1H".',
        )
    return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True))


def _moment(value: Any) -> datetime:
    """A date with a time; without an offset it is UTC, as in the standard."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise BadSchedule(
            f"anchor_date: {value!r} is not a date with a time.",
            "anchor_date",
            hint='Write it as "2026-01-31T09:00:00Z".',
        )
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _stepped(anchor: datetime, step: timedelta, after: datetime) -> Iterator[datetime]:
    number = (after - anchor) // step + 1
    while True:
        try:
            yield anchor + number * step
        except OverflowError:  # the calendar ends
            return
        number += 1
