"""`worker start --with-healthcheck`: an address that says whether a worker still polls its pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

_MOST_BYTES = 8_192


@asynccontextmanager
async def health_served(
    host: str, port: int, since_poll_s: Callable[[], float | None], within_s: float
) -> AsyncGenerator[int]:
    """Answer GET /health: 200 while the last poll is no older than `within_s`, else 503. Gives the port.

    Raises OSError when the port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                asked = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
            writer.write(_answer(asked[1] if len(asked) > 1 else b"", since_poll_s(), within_s))
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a probe that left, or that is none
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port, limit=_MOST_BYTES)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _answer(path: bytes, since_s: float | None, within_s: float) -> bytes:
    if path.partition(b"?")[0] != b"/health":
        status, told = "404 Not Found", {"message": "ask /health"}
    elif since_s is None or since_s > within_s:
        since = "never" if since_s is None else f"{since_s:.0f} s ago"
        status, told = "503 Service Unavailable", {"message": f"polled {since}"}
    else:
        status, told = "200 OK", {"message": "OK"}
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
