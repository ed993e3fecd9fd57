"""`/events/in`: clients send events; a pong confirms every event that they sent before the ping."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError

from ...runtime.events.records import LARGEST_BYTES, is_too_large
from ..schemas_events import EventIn
from ..streams.event_desk import desk_of
from .handshake import Gone, Line

router = APIRouter()

_log = logging.getLogger("heliostat.api.events")


@router.websocket("/events/in")
async def events_in(socket: WebSocket) -> None:
    """Take events until the client leaves."""
    line = Line(socket, hold_pings=True)
    intake = desk_of(socket.app).intake
    answers: set[asyncio.Task[None]] = set()

    async def confirm(ping: bytes) -> None:
        await intake.durable()
        line.answer(ping)

    try:
        if not await line.admitted():
            return
        while True:
            message = await line.next()
            if isinstance(message, bytes):
                answer = asyncio.create_task(confirm(message))
                answers.add(answer)
                answer.add_done_callback(answers.discard)
                continue
            if is_too_large(message):
                _log.warning("an event of more than %d bytes is left out", LARGEST_BYTES)
                continue
            try:
                event = EventIn.model_validate_json(message).as_event()
            except ValidationError as error:
                _log.warning(
                    "a message that is no event is left out: %s", error.errors(include_url=False)[:3]
                )
                continue
            await intake.put(event)
    except Gone:
        pass
    finally:
        for answer in answers:
            answer.cancel()
