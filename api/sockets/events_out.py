"""`/events/out`: recent events that match a filter, then each new one within moments."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, WebSocket

from ...runtime.foundation import clock
from ...runtime.foundation.errors import DatabaseUnavailable
from ...runtime.store import event_search
from ...runtime.store.database.database import Database
from .. import wire_events
from ..schemas_events import BACKFILL, StreamRequest
from ..streams.event_broadcast import EventBroadcast, Listener
from ..streams.event_desk import desk_of
from .handshake import PROTOCOL_ERROR, TRY_AGAIN_LATER, Gone, Line, while_it_stays

router = APIRouter()


@router.websocket("/events/out")
async def events_out(socket: WebSocket) -> None:
    """Send events until the client leaves."""
    line = Line(socket)
    try:
        if not await line.admitted():
            return
        try:
            asked = StreamRequest.model_validate(await line.receive())
        except ValueError:  # the message is no JSON object, or does not fit the model
            await line.close(PROTOCOL_ERROR, "Expected 'filter' message")
            return
        broadcast = desk_of(socket.app).broadcast
        database: Database = socket.app.state.database_access.database()
        with broadcast.listening(asked.filter) as listener:
            await while_it_stays(line, _tell(line, asked, listener, broadcast, database))
    except DatabaseUnavailable:
        await line.close(TRY_AGAIN_LATER, "the database is away")
    except Gone:
        pass


async def _tell(
    line: Line, asked: StreamRequest, listener: Listener, broadcast: EventBroadcast, database: Database
) -> None:
    await broadcast.ready()
    told: set[UUID] = set()
    if asked.backfill:
        since = max(asked.filter.occurred.since, clock.now() - BACKFILL)
        until = clock.now() + BACKFILL  # clocks of clients may be ahead
        recent = replace(
            asked.filter, occurred=replace(asked.filter.occurred, since=since, until=until), order="ASC"
        )
        async for event in event_search.every(database, recent):
            told.add(event.id)
            await line.send({"type": "event", "event": wire_events.event(event)})
    while (event := await listener.unread.get()) is not None:
        if event.id in told:
            told.discard(event.id)
            continue
        await line.send({"type": "event", "event": wire_events.event(event)})
    await line.close(TRY_AGAIN_LATER, "too far behind")
