"""One API process: `python -m heliostat.api.server.api_process --alive-fd N --listen-fd N`."""

from __future__ import annotations

import argparse
import gc
import logging
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from ...runtime.foundation.errors import HeliostatError
from ...runtime.foundation.standard_streams import say
from ...runtime.foundation.supervised import BEYOND_HELP, end_with_supervisor
from ..app import create_app
from ..sockets.pings import HeldPings
from ..streams.event_desk import desk_of

_KEEP_ALIVE_S = 75  # longer than clients keep idle connections (httpx: 5 s), so that clients close them first
_DRAIN_S = 3  # how long requests under way may still take when the server stops


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--host")
    parser.add_argument("--public-url")
    words = parser.parse_args()
    end_with_supervisor(words.alive_fd)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    app = create_app(host=words.host, public_url=words.public_url)
    failures: list[HeliostatError] = []
    _keep_failures(app, failures)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",  # a failed start is reported below, and errors of routes by the app
        access_log=False,
        lifespan="on",
        ws=HeldPings,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = StreamEndingServer(config)
    try:
        server.run(sockets=[socket.socket(fileno=words.listen_fd)])
    except SystemExit:
        if not failures:
            raise
    if failures:
        error = failures[0]
        say("\n".join([str(error), *([f"hint: {error.hint}"] if error.hint else [])]))
        return BEYOND_HELP
    return 0


class StreamEndingServer(uvicorn.Server):
    """Ends the streams of pages when it stops: it would wait for them as for requests under way."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if isinstance(self.config.app, FastAPI):
            desk_of(self.config.app).live.end()
        await super().shutdown(sockets)


def _keep_failures(app: FastAPI, failures: list[HeliostatError]) -> None:
    """Keep the error that made the start fail: uvicorn only reports that it failed."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncGenerator[None]:
        try:
            async with inner(started):
                # What exists by now lives as long as the process. Frozen, it no longer costs each full
                # collection a tenth of a second, which requests would wait for.
                gc.collect()
                gc.freeze()
                yield
        except HeliostatError as error:
            failures.append(error)
            raise

    app.router.lifespan_context = lifespan


if __name__ == "__main__":
    sys.exit(main())
