"""Pings of clients that the application answers itself.

Clients of `/events/in` take a pong as the confirmation of everything that they sent before the ping, so the
pong must wait until all of that is durable. Websocket libraries answer pings as soon as they read them. On
request this class holds the answer back and hands the ping to the application in the order of arrival. The
application answers with a pong that carries the ping's payload, as the protocol demands.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

EXTENSION = "heliostat.pings"
PING = "heliostat.ping"
"""The key of a received message that is a ping; the value is the ping's payload."""


class Pings:
    """The pings of one connection, for the application."""

    def __init__(self, protocol: HeldPings) -> None:
        self._protocol = protocol
        self.held = False

    def hold(self) -> None:
        """From now on pings arrive as messages, and only `answer` answers them."""
        self.held = True

    def answer(self, payload: bytes) -> None:
        """Send the pong of a ping; nothing happens when the connection is closed."""
        self._protocol.pong(payload)


class HeldPings(WebSocketsSansIOProtocol):
    """uvicorn's websocket with pings that the application may answer itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pings = Pings(self)
        self._waiting: list[bytes] = []
        self._send_frame: Any = self.conn.send_frame
        connection: Any = self.conn
        connection.send_frame = self._send_or_keep

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # the application's task begins after this method
            extensions: Any = self.scope.setdefault("extensions", {})
            extensions[EXTENSION] = self._pings

    def handle_ping(self, *args: Any) -> None:
        super().handle_ping(*args)
        for payload in self._waiting:
            message: Any = {"type": "websocket.receive", "text": None, PING: payload}
            self.queue.put_nowait(message)
        self._waiting.clear()

    def pong(self, payload: bytes) -> None:
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self._send_frame(Frame(Opcode.PONG, payload))
        self.transport.write(b"".join(self.conn.data_to_send()))

    def _send_or_keep(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG and self._pings.held:
            self._waiting.append(bytes(frame.data))
        else:
            self._send_frame(frame)
