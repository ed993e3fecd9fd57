"""Events as the standard API's objects."""

from __future__ import annotations

from ..runtime.events.records import Event
from ..runtime.store.event_counts import EventCount
from .wire import Wire


def event(row: Event) -> Wire:
    """ReceivedEvent."""
    return {
        "occurred": row.occurred,
        "event": row.event,
        "resource": row.resource,
        "related": row.related,
        "payload": row.payload,
        "id": row.id,
        "follows": row.follows,
        "received": row.received,
    }


def count(row: EventCount) -> Wire:
    """EventCount."""
    return {
        "value": row.value,
        "label": row.label,
        "count": row.count,
        "start_time": row.start,
        "end_time": row.end,
    }
