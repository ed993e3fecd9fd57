"""`/logs/out`: log lines that match a filter, each within moments of being recorded."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict

from ...runtime.foundation.errors import DatabaseUnavailable
from ...runtime.store.filters import LogFilter
from .. import wire
from ..streams.event_desk import desk_of
from ..streams.log_broadcast import Lines
from .handshake import PROTOCOL_ERROR, TRY_AGAIN_LATER, Gone, Line, while_it_stays

router = APIRouter()


class LogRequest(BaseModel):
    """The first message of a reader of logs."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["filter"]
    filter: LogFilter


@router.websocket("/logs/out")
async def logs_out(socket: WebSocket) -> None:
    """Send lines until the client leaves."""
    line = Line(socket)
    try:
        if not await line.admitted():
            return
        try:
            asked = LogRequest.model_validate(await line.receive())
        except ValueError:  # the message is no JSON object, or does not fit the model
            await line.close(PROTOCOL_ERROR, "Expected 'filter' message")
            return
        with desk_of(socket.app).logs.following(asked.filter) as lines:
            await while_it_stays(line, _tell(line, lines))
    except DatabaseUnavailable:
        await line.close(TRY_AGAIN_LATER, "the database is away")
    except Gone:
        pass


async def _tell(line: Line, lines: Lines) -> None:
    while (row := await lines.get()) is not None:
        await line.send({"type": "log", "log": wire.log(row)})
    await line.close(TRY_AGAIN_LATER, "too far behind")
