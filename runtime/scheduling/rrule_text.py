"""Recurrence rules (RFC 5545) from their text: RRULE, RDATE, EXDATE and DTSTART lines.

All times are converted to the wall clock of one zone first, so rules recur at the same local time all year.
The zone is DTSTART's TZID, else the schedule's. The start of a rule is moved ahead by whole periods before
its times are computed, so an old rule costs no more than a new one.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ..foundation.errors import BadSchedule
from .rrule_walk import Walk
from .wall_clock import read_zone, wall_of

if TYPE_CHECKING:
    from dateutil.rrule import rrule

MAX_CHARACTERS = 6500
MAX_COUNT = 100_000
MAX_INTERVAL = 100_000_000
DEFAULT_START = datetime(
    2020, 1, 1
)  # of rules without DTSTART; fixed, so that INTERVAL always counts from one date
_SEARCH_YEARS = 50
_SUB_DAILY = ("HOURLY", "MINUTELY", "SECONDLY")
_DAY_PARTS = ("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY", "BYEASTER")
_LINE = re.compile(
    r"(?P<name>RRULE|EXRULE|RDATE|EXDATE|DTSTART)(?P<parameters>(;[^:]*)?):(?P<value>.*)", re.I
)
_HINT = 'Write it as in RFC 5545, such as "RRULE:FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=6;BYMINUTE=0;BYSECOND=0".'


@dataclass(frozen=True)
class Recurrence:
    """One parsed rule text, on the wall clock of its zone."""

    zone: ZoneInfo
    rhythm: bool  # sub-daily without hours: follows real time when clocks change
    rules: tuple[Walk, ...]
    dates: tuple[datetime, ...]
    excluded: frozenset[datetime]

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The naive times later than `after`, ascending, within 50 years."""
        end = _years_later(after)
        coming = heapq.merge(
            *(rule.later(after) for rule in self.rules), (d for d in self.dates if d > after)
        )
        return (wall for wall in takewhile(lambda wall: wall <= end, coming) if wall not in self.excluded)


@lru_cache(maxsize=50_000)
def read_rrule(text: str, timezone: str | None, where: str = "rrule") -> Recurrence:
    """A recurrence from its text. Raises BadSchedule when it is malformed or never comes."""
    if len(text) > MAX_CHARACTERS:
        raise BadSchedule(
            f"{where}: the rule has {len(text):,} characters; {MAX_CHARACTERS:,} are allowed.",
            where,
            hint="Split it into several schedules.",
        )
    try:
        return _Reading(timezone).read(text)
    except BadSchedule:
        raise
    except Exception as error:  # the library raises errors of many kinds
        shown = text if len(text) <= 200 else text[:200] + "…"
        raise BadSchedule(
            f"{where}: {shown!r} cannot be used: {str(error).rstrip('.')}.", where, hint=_HINT
        ) from None


class _Reading:
    """One pass over the lines of a text. Its errors are ValueErrors that say what is wrong."""

    def __init__(self, timezone: str | None) -> None:
        self._zone = read_zone(timezone)
        self._start = DEFAULT_START
        self._dates: list[datetime] = []
        self._excluded: list[datetime] = []

    def read(self, text: str) -> Recurrence:
        lines = list(_lines(text))
        self._read_start([line for line in lines if line["name"].upper() == "DTSTART"])
        rules: list[Walk] = []
        parts: list[dict[str, str]] = []
        for line in lines:
            name, value = line["name"].upper(), line["value"]
            if name == "RRULE":
                parts.append(_parts(value))
                rules.append(self._rule(parts[-1]))
            elif name == "EXRULE":
                raise ValueError("EXRULE is not part of RFC 5545; list the dates with EXDATE")
            elif name == "RDATE":
                self._dates += self._times(value, line["parameters"])
            elif name == "EXDATE":
                self._excluded += self._times(value, line["parameters"])
        if not rules and not self._dates:
            raise ValueError("it has neither an RRULE nor an RDATE")
        rhythm = bool(parts) and all(each["FREQ"] in _SUB_DAILY and "BYHOUR" not in each for each in parts)
        return Recurrence(
            self._zone,
            rhythm,
            tuple(rules),
            tuple(sorted(set(self._dates))),
            frozenset(self._excluded),
        )

    def _read_start(self, lines: list[re.Match[str]]) -> None:
        if len(lines) > 1:
            raise ValueError("it has more than one DTSTART")
        for line in lines:
            zone = _parameter(line["parameters"], "TZID")
            if zone:
                self._zone = read_zone(zone, "rrule")
            (self._start,) = self._times(line["value"], line["parameters"])

    def _times(self, value: str, parameters: str) -> list[datetime]:
        named = _parameter(parameters, "TZID")
        zone = read_zone(named, "rrule") if named else self._zone
        return [self._wall(each, zone) for each in value.split(",") if each]

    def _wall(self, text: str, zone: ZoneInfo) -> datetime:
        from dateutil.parser import isoparse

        try:
            time = isoparse(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a date such as 20260131T063000") from None
        if time.tzinfo is None and zone is self._zone:
            return time
        return wall_of(time if time.tzinfo else time.replace(tzinfo=zone), self._zone)

    def _rule(self, parts: dict[str, str]) -> Walk:
        frequency, interval = parts["FREQ"], int(parts.get("INTERVAL", "1"))
        if not 1 <= interval <= MAX_INTERVAL:
            raise ValueError(f"INTERVAL must be 1 to {MAX_INTERVAL:,}, not {interval}")
        count = int(parts["COUNT"]) if "COUNT" in parts else None
        if count is not None and not 1 <= count <= MAX_COUNT:
            raise ValueError(f"COUNT must be 1 to {MAX_COUNT:,}, not {count}; set an end with UNTIL")
        if count is not None and "UNTIL" in parts:
            raise ValueError("COUNT and UNTIL exclude each other")
        rule = self._parsed(parts)
        end = _years_later(max(self._start, DEFAULT_START))
        if "UNTIL" in parts:
            end = min(end, self._wall(parts["UNTIL"], self._zone))
        self._check_it_comes(rule, parts, end)
        if count is not None:
            rule = _ended_by_its_count(rule, count, end)
        return Walk(rule, self._start, frequency, interval)

    def _parsed(self, parts: dict[str, str]) -> rrule:
        from dateutil.rrule import rrule, rrulestr

        if parts.get("UNTIL"):
            parts = {**parts, "UNTIL": f"{self._wall(parts['UNTIL'], self._zone):%Y%m%dT%H%M%S}"}
        rule = rrulestr(_text({**parts, "COUNT": ""}), dtstart=self._start)
        if not isinstance(rule, rrule):
            raise TypeError("it is more than one rule")
        return rule

    def _check_it_comes(self, rule: rrule, parts: dict[str, str], end: datetime) -> None:
        """Search by years first: the library takes very long to search day by day for a day that does not
        exist.
        """
        comes = True
        if parts["FREQ"] not in ("YEARLY", "MONTHLY"):
            times = ("BYHOUR", "BYMINUTE", "BYSECOND", "BYSETPOS", "INTERVAL", "UNTIL")
            if any(name in parts for name in _DAY_PARTS):
                days = self._parsed({**parts, "FREQ": "YEARLY", **dict.fromkeys(times, "")})
                comes = next(iter(days.replace(until=end + timedelta(days=1))), None) is not None
        if not comes or next(iter(rule.replace(until=end)), None) is None:
            raise ValueError("it never comes")


def _lines(text: str) -> Iterator[re.Match[str]]:
    """Lines may be separated by any space, as in the library; a long list of dates may contain spaces."""
    lines: list[str] = []
    for word in text.split():
        if _LINE.fullmatch(word):
            lines.append(word)
        elif re.match(r"[A-Za-z]+=", word):
            lines.append(f"RRULE:{word}")
        elif lines and re.match(r"[\d,;]", word):
            lines[-1] += word
        else:
            raise ValueError(f"{word!r} is not understood")
    for line in lines:
        match = _LINE.fullmatch(line)
        if match:
            yield match


def _parts(value: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for each in value.strip(";").split(";"):
        name, equals, content = each.partition("=")
        name = name.upper()
        if not equals or not content:
            raise ValueError(f"{each!r} is not NAME=VALUE")
        if name in parts:
            raise ValueError(f"{name} is given twice in one rule")
        parts[name] = content.upper()
    if "FREQ" not in parts:
        raise ValueError("a rule has no FREQ")
    return parts


def _text(parts: dict[str, str]) -> str:
    return "RRULE:" + ";".join(f"{name}={value}" for name, value in parts.items() if value)


def _parameter(parameters: str, name: str) -> str | None:
    match = re.search(rf";{name}=\"?([^;:\"]+)", parameters, re.I)
    return match[1] if match else None


def _ended_by_its_count(rule: rrule, count: int, end: datetime) -> rrule:
    """The rule with the date of its last time instead of a count, so that its start can be moved ahead."""
    last = None
    for number, wall in enumerate(rule.replace(until=end), 1):
        last = wall
        if number == count:
            break
    return rule.replace(until=last or end)


def _years_later(wall: datetime) -> datetime:
    return wall + min(timedelta(days=_SEARCH_YEARS * 366), datetime.max - wall)
