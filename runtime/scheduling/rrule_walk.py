"""The times of one recurrence rule, computed from a start near the requested time."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dateutil.rrule import rrule

_PERIODS = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
    "SECONDLY": timedelta(seconds=1),
}
_MONTHS = {"MONTHLY": 1, "YEARLY": 12}


class Walk:
    """The times of a rule that ends by UNTIL or not at all; never by COUNT, which counts from its start."""

    def __init__(self, rule: rrule, start: datetime, frequency: str, interval: int) -> None:
        self._rule = rule
        self._start = start
        self._frequency = frequency
        self._interval = interval
        # The last answer: no time lies between the two, and the second is one. Rare times need a long search.
        self._known: tuple[datetime, datetime] | None = None

    def later(self, after: datetime) -> Iterator[datetime]:
        """The times later than `after`, ascending."""
        known, place = self._known, after
        if known and known[0] <= after < known[1]:
            place = known[1]
            yield place
        for wall in self._rule.replace(dtstart=self._aligned(place)):
            if wall > place:
                if place is after:
                    self._known = (after, wall)
                    place = wall
                yield wall

    def _aligned(self, wall: datetime) -> datetime:
        """A later start, by whole periods, from which the rule has the same times after `wall`.

        It is one period earlier than needed, because the times of a period can lie after its start.
        """
        if wall <= self._start:
            return self._start
        period = _PERIODS.get(self._frequency)
        if period is None:
            return self._aligned_by_months(wall)
        step = self._interval * period
        return self._start + max(0, (wall - self._start) // step - 1) * step

    def _aligned_by_months(self, wall: datetime) -> datetime:
        start, step = self._start, self._interval * _MONTHS[self._frequency]
        steps = ((wall.year - start.year) * 12 + wall.month - start.month) // step - 1
        while steps > 0:
            year, month = divmod(start.year * 12 + start.month - 1 + steps * step, 12)
            # The rule may repeat the day of the start, so only a month with that day fits.
            if start.day <= calendar.monthrange(year, month + 1)[1]:
                return start.replace(year=year, month=month + 1)
            steps -= 1
        return start
