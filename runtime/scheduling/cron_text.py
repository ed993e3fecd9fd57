"""Cron expressions of the standard, translated for the library that computes their times.

Five fields (minute hour day month weekday), or six with the seconds last; names, ranges (also across the end:
`FRI-MON`), steps, lists, `L`, `LW`, `5L` or `L5` (last Friday), `5#2` (second Friday), `@daily` and other
shorthands. When day and weekday are both restricted, one match is enough; a field that covers every day
restricts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ..foundation.errors import BadSchedule

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {name: str(number) for number, name in enumerate(
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)}  # fmt: skip
_WEEKDAYS = {
    name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
}
_TERM = re.compile(r"(?:(?P<all>[*?])|(?P<low>\d+)(?:-(?P<high>\d+))?)(?:/(?P<step>\d+))?")
_PROBE = datetime(2020, 1, 1)
_HINT = 'Write five fields (minute hour day month weekday), such as "30 6 * * MON-FRI".'


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, str]


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("weekday", 0, 7, _WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _SECOND)


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid cron expression."""

    expression: str  # six fields, seconds first
    both_days: bool  # day and weekday must both match
    rhythm: bool  # minute or hour is a star: follows real time when clocks change, like Debian's cron

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The naive times later than `after`, ascending; ends when the next 50 years have none."""
        from cronsim import CronSim

        times = CronSim(self.expression, after)
        times.day_and = self.both_days
        return times


@lru_cache(maxsize=50_000)
def read_cron(text: str, day_or: bool = True, where: str = "cron") -> Cron:
    """A cron expression from its text; with `day_or=False` day and weekday must both match.

    Raises BadSchedule, which names the field at fault, also for an expression that never matches.
    """
    fields = _fields_of(text, where)
    terms = [_field(field, part, text, where) for field, part in zip(_FIELDS, fields, strict=False)]
    minute, hour, day, month, weekday, second = (*terms, "0")[:6]
    every_day, every_weekday = _covers(day, 1, 31), _covers(weekday, 0, 6)
    cron = Cron(
        expression=f"{second} {minute} {hour} {day} {month} {weekday}",
        both_days=every_day or every_weekday or not day_or,
        rhythm=fields[0].startswith("*") or fields[1].startswith("*"),
    )
    _check_it_comes(cron, text, where)
    return cron


def _fields_of(text: str, where: str) -> list[str]:
    word = text.strip()
    if word.startswith("@"):
        if word.lower() not in _MACROS:
            raise BadSchedule(
                f"{where}: {text!r} is not a known shorthand.",
                where,
                hint="There are " + ", ".join(_MACROS) + ".",
            )
        word = _MACROS[word.lower()]
    fields = word.upper().split()
    if len(fields) not in (5, 6):
        raise BadSchedule(
            f"{where}: {text!r} has {len(fields)} fields, not five or six.",
            where,
            hint=_HINT + " A sixth field, at the end, holds the seconds.",
        )
    return fields


def _field(field: _Field, part: str, text: str, where: str) -> str:
    try:
        return ",".join(_term(field, term) for term in part.split(","))
    except ValueError as error:
        raise BadSchedule(f"{where}: {text!r}: {field.name} field: {error}.", where, hint=_HINT) from None


def _term(field: _Field, term: str) -> str:
    term = re.sub(r"[A-Z]{3}", lambda name: field.names.get(name[0], name[0]), term)
    if field is _DAY and term in ("L", "LW"):
        return term
    if field is _WEEKDAY and ("#" in term or "L" in term):
        return _weekday_of_month(term)
    match = _TERM.fullmatch(term)
    if match is None or (match["all"] == "?" and field not in (_DAY, _WEEKDAY)):
        raise ValueError(_why_not(term))
    step = int(match["step"] or 1)
    if step == 0:
        raise ValueError(f"the step of {term!r} is zero")
    if match["all"]:
        # Not written as "*/2": with a step the day is restricted, but the library treats any star as
        # unrestricted.
        return "*" if step == 1 else f"{field.low}-{_top(field)}/{step}"
    return _range(field, match, step)


def _range(field: _Field, match: re.Match[str], step: int) -> str:
    low = _within(field, match["low"])
    if match["high"] is None:
        return f"{low}-{max(low, _top(field))}/{step}" if match["step"] else str(low)
    high = _within(field, match["high"])
    if low <= high:
        return f"{low}-{high}/{step}"
    round_the_end = [*range(low, _top(field) + 1), *range(field.low, high + 1)]
    return ",".join(map(str, round_the_end[::step]))


def _weekday_of_month(term: str) -> str:
    """`5L` and `L5` are the last Friday, `5#2` the second Friday, `1-5#2` the second of each weekday."""
    if match := re.fullmatch(r"(\d)L|L(\d)", term):
        return f"{_within(_WEEKDAY, match[1] or match[2])}L"
    if match := re.fullmatch(r"(\d)(?:-(\d))?#([1-5])", term):
        low = _within(_WEEKDAY, match[1])
        high = _within(_WEEKDAY, match[2] or match[1])
        days = range(low, high + 1) if low <= high else [*range(low, 7), *range(high + 1)]
        return ",".join(f"{day}#{match[3]}" for day in days)
    raise ValueError(f"{term!r} is not understood; write 5#2 for the second Friday, 5L for the last")


def _within(field: _Field, digits: str) -> int:
    number = int(digits)
    if not field.low <= number <= field.high:
        raise ValueError(f"{number} is not between {field.low} and {field.high}")
    return number


def _top(field: _Field) -> int:
    return 6 if field is _WEEKDAY else field.high  # 7 is Sunday again


def _why_not(term: str) -> str:
    if re.match(r"[HR](\(|/|$)", term):
        return f"{term!r}: hashed (H) and random (R) fields are not supported; write the number"
    if "W" in term and re.search(r"\d", term):
        return f"{term!r}: the nearest weekday (W) is not supported; only LW, the last one of the month, is"
    return f"{term!r} is not understood"


def _covers(terms: str, low: int, high: int) -> bool:
    if terms == "*":
        return True
    covered: set[int] = set()
    for term in terms.split(","):
        bounds, _, step = term.partition("/")
        first, dash, end = bounds.partition("-")
        if first == "*":
            return True
        if first.isdigit() and (end.isdigit() or not dash):
            covered.update(range(int(first), int(end or first) + 1, int(step or 1)))
    if high == 6 and 7 in covered:
        covered.add(0)
    return covered >= set(range(low, high + 1))


def _check_it_comes(cron: Cron, text: str, where: str) -> None:
    from cronsim import CronSimError

    try:
        if next(cron.walls(_PROBE), None) is not None:
            return
    except CronSimError:  # the library detects some itself
        pass
    raise BadSchedule(
        f"{where}: {text!r} never matches: no such day exists.",
        where,
        hint="Check the day against the months.",
    )
