"""The firing of a trigger, with its reasons: what actions and their templates get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from ..events.records import Event


@dataclass(frozen=True, slots=True)
class Firing:
    """`at` is the time of the event, or the end of the window without one; `parts` are the children's
    firings.
    """

    path: str
    at: datetime
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    event: Event | None = None
    parts: tuple[Firing, ...] = ()
    id: UUID = field(default_factory=uuid4)

    def every(self) -> list[Firing]:
        """All firings below this one, then this one."""
        return [*(inner for part in self.parts for inner in part.every()), self]

    def events(self) -> list[Event]:
        """The events of this firing and all below it, each once."""
        found = {each.event.id: each.event for each in self.every() if each.event is not None}
        return list(found.values())


def firing_as_json(firing: Firing) -> dict[str, Any]:
    """A firing as the JSON that is stored."""
    return {
        "id": str(firing.id),
        "path": firing.path,
        "at": firing.at.isoformat(),
        "labels": dict(firing.labels),
        "event": None if firing.event is None else event_as_json(firing.event),
        "parts": [firing_as_json(part) for part in firing.parts],
    }


def firing_from_json(document: Mapping[str, Any]) -> Firing:
    """A firing from the JSON that was stored."""
    return Firing(
        path=document["path"],
        at=datetime.fromisoformat(document["at"]),
        labels=document["labels"],
        event=None if document["event"] is None else event_from_json(document["event"]),
        parts=tuple(firing_from_json(part) for part in document["parts"]),
        id=UUID(document["id"]),
    )


def event_as_json(event: Event) -> dict[str, Any]:
    """An event in the standard's form, as plain JSON."""
    return {
        "id": str(event.id),
        "occurred": event.occurred.isoformat(),
        "event": event.event,
        "resource": event.resource,
        "related": event.related,
        "payload": event.payload,
        "follows": None if event.follows is None else str(event.follows),
        "received": None if event.received is None else event.received.isoformat(),
    }


def event_from_json(document: Mapping[str, Any]) -> Event:
    """An event as `event_as_json` wrote it."""
    follows, received = document["follows"], document["received"]
    return Event(
        UUID(document["id"]),
        datetime.fromisoformat(document["occurred"]),
        document["event"],
        document["resource"],
        document["related"],
        document["payload"],
        None if follows is None else UUID(follows),
        None if received is None else datetime.fromisoformat(received),
    )
