"""Converts between the wall clock of a time zone and moments in UTC, summer time included.

Schedules are defined in wall-clock times. Twice a year their moments cannot be computed by a subtraction: in
the spring gap a wall-clock time does not exist, in the autumn overlap it exists twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from ..foundation.errors import BadSchedule

Gap = Literal["skip", "end", "shift"]
"""What a time in the spring gap becomes: nothing, the end of the gap, or a time later by the gap's length."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def read_zone(name: str | None, where: str = "timezone") -> ZoneInfo:
    """The time zone of that name ("Europe/Berlin"); None is UTC. Raises BadSchedule."""
    if name is None:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # a path, a folder of the database, an unknown name
        raise BadSchedule(
            f"{where}: there is no time zone {name!r}.",
            where,
            hint='Use a name of the IANA database, such as "Europe/Berlin" or "UTC".',
        ) from None


def wall_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the wall clock shows at that moment, as a naive datetime."""
    return moment.astimezone(zone).replace(tzinfo=None)


def start_wall(after: datetime, zone: ZoneInfo) -> datetime:
    """A wall-clock time that is earlier than every time whose moment may lie after `after`.

    Near a change of the clocks it is before the wall-clock time of `after`, because earlier times come again
    or are moved later.
    """
    wall = wall_of(after, zone)
    change = abs(_offset(after + _DAY, zone) - _offset(after - _DAY, zone))
    if change and _offset(after + change, zone) != _offset(after - change, zone):
        return wall - change
    return wall


def moments(
    walls: Iterable[datetime], zone: ZoneInfo, after: datetime, *, gap: Gap, repeat: bool
) -> Iterator[datetime]:
    """The moments (aware UTC, strictly ascending, later than `after`) of ascending wall-clock times.

    With `repeat` a time in the autumn overlap gives both moments, else only the first. `walls` must begin at
    `start_wall` or earlier. Lazy: reads only as many of `walls` as needed.
    """
    waiting: list[datetime] = []
    last = after.astimezone(UTC)
    for wall in walls:
        first = wall.replace(tzinfo=zone).utcoffset() or timedelta()
        second = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
        moment = (wall - first).replace(tzinfo=UTC)
        if first < second:  # in the gap: later wall-clock times may have earlier moments
            if gap == "end":
                moment = _change_between((wall - second).replace(tzinfo=UTC), moment, zone)
            if gap != "skip":
                heapq.heappush(waiting, moment)
            continue
        while waiting and waiting[0] <= moment:
            earlier = heapq.heappop(waiting)
            if earlier > last:
                last = earlier
                yield earlier
        if moment > last:
            last = moment
            yield moment
        if repeat and first > second:
            heapq.heappush(waiting, (wall - second).replace(tzinfo=UTC))
    while waiting:
        moment = heapq.heappop(waiting)
        if moment > last:
            last = moment
            yield moment


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment, to the second, at which the zone's offset changes between the two."""
    old = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
