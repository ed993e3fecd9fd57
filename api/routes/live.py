"""Beyond the standard: changes as they happen, as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..database_access import Db
from ..middleware import IS_HEAD
from ..streams.event_desk import desk_of
from ..streams.live_hub import LiveHub
from ..streams.live_topics import Topic, message, position, topic_of

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])

_BEAT_S = 10.0
_MOST_TOPICS = 200
_TOPICS = (
    "What to follow: `flow_runs`, `events`, `setup`, `flow_run:<id>`, `task_runs:<flow run id>`, "
    "`logs:<flow run id>`"
)
_AFTER = "The last id that was received: the stream goes on there. The header `Last-Event-ID` says the same"
_ANSWER = {
    "description": "A stream of events: `hello` first, then one event named after its topic for each change; "
    "`reset` when changes were lost",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


class EventStream(Response):
    """Sends what a watcher hears until its client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, hub: LiveHub, topics: list[Topic], after: str | None) -> None:
        super().__init__(headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._topics, self._after = hub, topics, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        if scope.get(IS_HEAD):
            await send({"type": "http.response.body", "body": b""})
            return
        leaving = asyncio.create_task(_left(receive), name="waiting until a stream's client leaves")
        sending = asyncio.create_task(self._send_all(send), name="sending changes")
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            _, sent = await asyncio.gather(leaving, sending, return_exceptions=True)
        if isinstance(sent, Exception) and not isinstance(sent, OSError):
            raise sent

    async def _send_all(self, send: Send) -> None:
        async def put(chunk: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        with self._hub.watching(self._topics) as watcher:
            await put(b": heliostat\n\n")  # it is seen to be open, also while the database is away
            resumed, at, missed = await self._hub.begin(watcher, self._after)
            hello = message("hello", {"resumed": resumed, "beat_s": _BEAT_S})
            await put(b"".join([hello, missed, position(at)]))
            while (chunk := await watcher.next(_BEAT_S)) is not None:
                await put(chunk or b": beat\n\n" + position(self._hub.position))
        await put(b"", more=False)


@router.get("/live", status_code=200, response_class=EventStream, responses={200: _ANSWER})
async def follow_changes(
    request: Request,
    db: Db,
    topic: Annotated[list[str], Query(description=_TOPICS, min_length=1, max_length=_MOST_TOPICS)],
    after: Annotated[str | None, Query(description=_AFTER, max_length=100)] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> EventStream:
    """Changes as they happen, as server-sent events."""
    try:
        topics = [topic_of(each) for each in topic]
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return EventStream(desk_of(request.app).live, topics, after or last_event_id)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
