"""A client of the stream of changes: what it hears, message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

PATIENCE_S = 20


class Stream:
    """An open stream. `id` is the last position that it heard."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.id = ""
        self.hello: Any = None
        self._lines = _lines_of(answer)

    async def message(self) -> tuple[str, Any]:
        """The next message: its event and its data. Raises StopAsyncIteration at the end of the stream."""
        return await asyncio.wait_for(self._message(), PATIENCE_S)

    async def until(self, event: str, wanted: Any = lambda _data: True) -> Any:
        """The data of the next message of that event that is wanted; others are passed over."""
        while True:
            name, data = await self.message()
            if name == event and wanted(data):
                return data

    async def marked(self) -> str:
        """Read until a position comes, and return it."""
        self.id = ""
        while not self.id:
            await asyncio.wait_for(self._line(), PATIENCE_S)
        return self.id

    async def _line(self) -> tuple[str, str]:
        line = await anext(self._lines)
        name, _, value = line.partition(": ")
        if name == "id":
            self.id = value
        return name, value

    async def _message(self) -> tuple[str, Any]:
        event = ""
        while True:
            name, value = await self._line()
            if name == "event":
                event = value
            elif name == "data":
                return event, json.loads(value)


async def _lines_of(answer: httpx.Response) -> AsyncIterator[str]:
    rest = b""
    async for some in answer.aiter_bytes():
        *whole, rest = (rest + some).split(b"\n")
        for line in whole:
            yield line.decode()


@asynccontextmanager
async def following(url: str, *topics: str, after: str | None = None, **more: Any) -> AsyncIterator[Stream]:
    """A stream of these topics that has been greeted; `url` is that of the API."""
    headers = {"Last-Event-ID": after} if after is not None else {}
    async with httpx.AsyncClient(timeout=PATIENCE_S, **more) as client:
        asked = client.stream("GET", f"{url}/heliostat/live", params={"topic": topics}, headers=headers)
        async with asked as answer:
            assert answer.status_code == 200, await answer.aread()
            stream = Stream(answer)
            name, stream.hello = await stream.message()
            assert name == "hello"
            yield stream
