"""The one way in which tests wait for a condition; one that waits in vain tells what it saw last."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from heliostat.runtime.foundation import clock

PATIENCE_S = 60.0  # long, for a machine that has other work; what is fast waits no longer than it needs


def wait_for(
    look: Callable[[], Any],
    wanted: Any = bool,
    *,
    within_s: float = PATIENCE_S,
    tell: Callable[[], object] | None = None,
) -> Any:
    """What `look` gives as soon as it is the wanted value; a function says of a value whether it is wanted.

    `tell` gives more to say when it never comes about.
    """
    until = clock.monotonic_s() + within_s
    while not _is_wanted(seen := look(), wanted):
        _tell_if_late(until, seen, within_s, tell)
        clock.sleep(0.01)
    return seen


async def wait_until(
    look: Callable[[], Any],
    wanted: Any = bool,
    *,
    within_s: float = PATIENCE_S,
    tell: Callable[[], object] | None = None,
) -> Any:
    """`wait_for` while the loop goes on; `look` may give an awaitable."""
    until = clock.monotonic_s() + within_s
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        if _is_wanted(seen, wanted):
            return seen
        _tell_if_late(until, seen, within_s, tell)
        await asyncio.sleep(0.01)


def _is_wanted(seen: Any, wanted: Any) -> bool:
    return bool(wanted(seen) if callable(wanted) else seen == wanted)


def _tell_if_late(until: float, seen: Any, within_s: float, tell: Callable[[], object] | None) -> None:
    if clock.monotonic_s() >= until:
        more = "" if tell is None else f"\n{tell()}"
        raise AssertionError(f"still waiting after {within_s:g} s; seen last: {seen!r}{more}")
