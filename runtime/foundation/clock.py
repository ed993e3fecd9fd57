"""The clock that code asks for the time of day or a pause, so that tests can step it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(seconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(seconds=1)

_wall: Callable[[], float] = time.time


def now() -> datetime:
    """The current time as aware UTC."""
    return datetime.fromtimestamp(_wall(), UTC)


def epoch_s() -> float:
    """The current time as seconds since 1970 (UTC): the form that hot paths and records carry."""
    return _wall()


def from_epoch(seconds: float) -> datetime:
    """The aware UTC datetime of a number of seconds that `epoch_s` gave."""
    return datetime.fromtimestamp(seconds, UTC)


def calendar_utc(moment: datetime) -> datetime:
    """The moment in UTC; a moment without a zone is taken as UTC. The result stays at least a second inside
    the ends of the calendar: at the very ends another zone would overflow and a database would read infinity.
    """
    try:
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST
    return min(max(aware, _FIRST), _LAST)


def monotonic_s() -> float:
    """Seconds on a clock that never goes back; only differences mean something."""
    return time.monotonic()


def since_boot_s() -> float:
    """Seconds since the system started, the clock of process start times. Raises OSError where there is
    none.
    """
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except AttributeError as error:
        raise OSError("this system does not tell when it started") from error


def sleep(seconds: float) -> None:
    """Block the calling thread for that many seconds."""
    time.sleep(seconds)


def set_wall_clock(wall: Callable[[], float] | None) -> None:
    """Let a test decide what time it is; None brings the real clock back."""
    global _wall
    _wall = wall or time.time
