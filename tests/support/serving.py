"""The API on a real socket, from a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from heliostat.api.app import create_app


class Served:
    """An API that can be away for a while and come back under the same address."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port: int = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Answer requests; returns once it does."""
        config = uvicorn.Config(
            create_app(self._database_url), port=self.port, log_level="critical", timeout_graceful_shutdown=1
        )
        self._server, up = uvicorn.Server(config), threading.Event()
        startup = self._server.startup

        async def tell(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            up.set()

        self._server.startup = tell  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        assert up.wait(30), "the API did not start"

    def stop(self) -> None:
        """Be away. Harmless a second time."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(30)
            assert not self._thread.is_alive()
            self._server = None


@contextmanager
def serving(database_url: str) -> Iterator[Served]:
    """The API on a database, until the end of the block."""
    served = Served(database_url)
    served.start()
    try:
        yield served
    finally:
        served.stop()
