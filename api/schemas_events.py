"""Bodies of requests about events, in the standard's names."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from ..runtime.events.filters import EventFilter
from ..runtime.events.records import (
    LONGEST_NAME,
    MOST_LABELS,
    MOST_RELATED,
    RESOURCE_ID,
    RESOURCE_ROLE,
    Event,
)
from ..runtime.foundation import clock
from .schemas import Fields, Moment

LARGEST_PAGE = 50


def _resource(labels: dict[str, str]) -> dict[str, str]:
    if not labels.get(RESOURCE_ID):
        raise ValueError(f"a resource needs a label {RESOURCE_ID}")
    if len(labels) > MOST_LABELS:
        raise ValueError(f"a resource has at most {MOST_LABELS} labels")
    return labels


def _related(labels: dict[str, str]) -> dict[str, str]:
    if not labels.get(RESOURCE_ROLE):
        raise ValueError(f"a related resource needs a label {RESOURCE_ROLE}")
    return _resource(labels)


Labelled = Annotated[dict[str, str], AfterValidator(_resource)]
Related = Annotated[dict[str, str], AfterValidator(_related)]


class EventIn(BaseModel):
    """An event as clients send it."""

    occurred: Moment
    event: Annotated[str, Field(max_length=LONGEST_NAME)]
    resource: Labelled
    related: Annotated[list[Related], Field(max_length=MOST_RELATED)] = []
    payload: dict[str, Any] = {}
    id: UUID
    follows: UUID | None = None

    def as_event(self) -> Event:
        """The event as the store takes it, received now."""
        return Event(
            self.id,
            self.occurred,
            self.event,
            self.resource,
            self.related,
            self.payload,
            self.follows,
            clock.now(),
        )


class EventSearch(Fields):
    filter: EventFilter | None = None
    limit: Annotated[int, Field(ge=0, le=LARGEST_PAGE)] = LARGEST_PAGE


class EventTally(Fields):
    filter: EventFilter
    time_unit: Literal["week", "day", "hour", "minute", "second"] = "day"
    time_interval: Annotated[float, Field(ge=0.01)] = 1.0


Countable = Literal["day", "time", "event", "resource"]


class StreamRequest(BaseModel):
    """The first message of a reader of events."""

    type: Literal["filter"]
    filter: EventFilter
    backfill: bool = True


BACKFILL = timedelta(minutes=15)
