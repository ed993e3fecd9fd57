"""The list of a server's services, from which `heliostat server start --services` chooses."""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.foundation.errors import BadSetting
from .cache_expiry import CacheExpiry
from .event_keeping import EventRetention, PlaceEvents
from .loop import Loop
from .reaper import Reaper
from .scheduler import Scheduler
from .tending import CancellationCleanup, LateMarker, PauseExpiry
from .triggers import Triggers

SERVICES: tuple[type[Loop], ...] = (
    Scheduler,
    LateMarker,
    PauseExpiry,
    CancellationCleanup,
    Triggers,
    PlaceEvents,
    EventRetention,
    CacheExpiry,
    Reaper,
)


def names() -> list[str]:
    """The names that `chosen` knows."""
    return [service.name for service in SERVICES]


def chosen(wanted: Sequence[str] | None) -> list[type[Loop]]:
    """The services with these names, or all for None. Raises BadSetting."""
    if wanted is None:
        return list(SERVICES)
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        raise BadSetting(f"There is no service {unknown[0]!r}.", hint=f"known: {', '.join(names())}")
    return [service for service in SERVICES if service.name in wanted]
