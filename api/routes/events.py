"""Events: taking them, searching and counting them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import TypeAdapter

from ...runtime.events.filters import EventFilter
from ...runtime.events.records import LARGEST_BYTES, is_too_large
from ...runtime.store import event_counts, event_search
from ...runtime.store.database.wire_text import model_text
from ...runtime.store.event_search import Place
from .. import responses_events, wire_events
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..schemas_events import LARGEST_PAGE, Countable, EventIn, EventSearch, EventTally
from ..streams.event_desk import intake_of
from ..streams.event_intake import EventIntake

router = APIRouter(prefix="/events", tags=["Events"])

_COUNTS = {
    "day": event_counts.by_time,
    "time": event_counts.by_time,
    "event": event_counts.by_name,
    "resource": event_counts.by_resource,
}
_FILTER = TypeAdapter(EventFilter)

Intake = Annotated[EventIntake, Depends(intake_of)]


@router.post("", status_code=204)
async def create_events(body: list[EventIn], intake: Intake) -> Response:
    """Record events; the answer comes when they are durable."""
    for place, each in enumerate(body):
        if is_too_large(model_text(each)):
            raise HTTPException(422, f"Event {place} has more than {LARGEST_BYTES} bytes")
    for each in body:
        await intake.put(each.as_event())
    await intake.durable()
    return no_content()


@router.post("/filter", response_model=responses_events.EventPage)
async def filter_events(request: Request, db: Db, body: EventSearch | None = None) -> JsonAnswer:
    """Events that match the filter, and the address of the next page."""
    body = body or EventSearch()
    asked = body.filter or EventFilter()
    return await _page(request, db, asked, body.limit, await event_search.count(db, asked), None)


@router.get("/filter/next", response_model=responses_events.EventPage)
async def next_events(
    request: Request, db: Db, token: Annotated[str, Query(alias="page-token")]
) -> JsonAnswer:
    """The page that follows the one whose answer named this token."""
    try:
        held = orjson.loads(base64.b64decode(token, validate=True))
        asked = _FILTER.validate_python(held["filter"])
        after = Place(datetime.fromisoformat(held["occurred"]), int(held["seq"]))
        limit, total = min(int(held["limit"]), LARGEST_PAGE), int(held["total"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise HTTPException(403, "Forbidden") from error
    return await _page(request, db, asked, limit, total, after)


@router.post("/count-by/{countable}", response_model=list[responses_events.EventCount])
async def count_events(countable: Countable, body: EventTally, db: Db) -> JsonAnswer:
    """How many events match the filter, counted by time, by name or by resource."""
    unit, interval = ("day", 1.0) if countable == "day" else (body.time_unit, body.time_interval)
    counts = await _COUNTS[countable](db, body.filter, unit, interval)
    return JsonAnswer([wire_events.count(each) for each in counts])


async def _page(
    request: Request, db: Db, asked: EventFilter, limit: int, total: int, after: Place | None
) -> JsonAnswer:
    found = await event_search.find(db, asked, limit + 1, after) if limit else []
    events = found[:limit]
    next_page = None
    if len(found) > limit:
        held = {
            "filter": _FILTER.dump_python(asked, mode="json"),
            "occurred": events[-1].occurred.isoformat(),
            "seq": events[-1].seq,
            "limit": limit,
            "total": total,
        }
        token = base64.b64encode(orjson.dumps(held)).decode()
        next_page = str(request.url_for("next_events").include_query_params(**{"page-token": token}))
    return JsonAnswer(
        {"events": [wire_events.event(each) for each in events], "total": total, "next_page": next_page}
    )
