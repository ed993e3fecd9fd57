"""The only clock. Everything that needs the time of day or a pause asks here, so that tests can step it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

_wall: Callable[[], float] = time.time


def now() -> datetime:
    """The current time as aware UTC."""
    return datetime.fromtimestamp(_wall(), UTC)


def epoch_s() -> float:
    """The current time as seconds since 1970 (UTC): the form that hot paths and records carry."""
    return _wall()


def from_epoch(seconds: float) -> datetime:
    """Aware UTC of a moment that `epoch_s` gave."""
    return datetime.fromtimestamp(seconds, UTC)


def monotonic_s() -> float:
    """Seconds on a clock that never goes back; only differences mean something."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Block the calling thread."""
    time.sleep(seconds)


def set_wall_clock(wall: Callable[[], float] | None) -> None:
    """Let a test decide what time it is; None brings the real clock back."""
    global _wall
    _wall = wall or time.time
