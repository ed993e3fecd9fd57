"""The handshake of the standard's sockets: the subprotocol `prefect` and a message that authenticates."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import orjson
from fastapi import WebSocket

from ...runtime.foundation.ids import in_json
from ...runtime.foundation.settings import current_settings
from ..access import is_admitted, who_asks
from .pings import EXTENSION, PING, Pings

SUBPROTOCOL = "prefect"
POLICY_VIOLATION = 1008
PROTOCOL_ERROR = 1002
TRY_AGAIN_LATER = 1013

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class Gone(Exception):
    """The client has left."""


class Line:
    """One socket after its handshake: JSON objects in and out, and pings in their order among them."""

    def __init__(self, socket: WebSocket, hold_pings: bool = False) -> None:
        self.socket = socket
        extensions = cast("dict[str, Any]", socket.scope.get("extensions") or {})
        self._pings: Pings | None = extensions.get(EXTENSION)
        if hold_pings and self._pings is not None:
            self._pings.hold()

    async def admitted(self) -> bool:
        """Accept the connection and authenticate its client; False when it was refused and closed."""
        expected = current_settings().server_auth_string
        if SUBPROTOCOL not in self.socket.scope.get("subprotocols", ()):
            await self.socket.accept()
            if expected is not None:  # without the subprotocol a client cannot authenticate
                await self.close(POLICY_VIOLATION, "Use the subprotocol 'prefect' to authenticate")
                return False
            return True
        await self.socket.accept(subprotocol=SUBPROTOCOL)
        try:
            said = await self.receive()
        except ValueError:
            said = None
        if said is None or said.get("type") != "auth":
            await self.close(POLICY_VIOLATION, "Expected 'auth' message")
            return False
        if expected is not None and not (
            is_admitted(str(said.get("token") or ""), expected) or who_asks(self.socket.scope, expected)
        ):
            await self.close(POLICY_VIOLATION, "Unauthorized")
            return False
        await self.send({"type": "auth_success"})
        return True

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises Gone, and ValueError for a message that is no JSON object."""
        while True:
            message = await self.next()
            if isinstance(message, bytes):
                self.answer(message)
                continue
            value: Any = orjson.loads(message)
            if not isinstance(value, dict):
                raise ValueError("a message is a JSON object")
            return cast("dict[str, Any]", value)

    async def next(self) -> str | bytes:
        """The next message as its text, or a held ping as its payload. Raises Gone."""
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        if PING in message:
            return message[PING]
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"].decode("utf-8", "replace")

    def answer(self, ping: bytes) -> None:
        """Send the pong of a held ping."""
        if self._pings is not None:
            self._pings.answer(ping)

    async def send(self, value: Any) -> None:
        """Raises Gone when the client has left."""
        try:
            await self.socket.send_text(orjson.dumps(value, option=_OPTIONS, default=in_json).decode())
        except (OSError, RuntimeError) as error:
            raise Gone from error
        except Exception as error:
            if type(error).__name__ in ("WebSocketDisconnect", "ClientDisconnected"):
                raise Gone from error
            raise

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, if it is open."""
        try:
            await self.socket.close(code, reason)
        except RuntimeError:
            pass  # the connection is closed already


async def while_it_stays(line: Line, act: Coroutine[Any, Any, None]) -> None:
    """Run `act` until it ends or the client leaves. Raises Gone, and what `act` raises."""

    async def until_gone() -> None:
        while True:
            message = await line.next()
            if isinstance(message, bytes):
                line.answer(message)

    await first_to_end(act, until_gone())


async def first_to_end(*acts: Coroutine[Any, Any, None]) -> None:
    """Run all `acts` until the first ends, then cancel the others. Raises what the first raised."""
    tasks = [asyncio.create_task(act) for act in acts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
