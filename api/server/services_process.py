"""A server's services in one process: `python -m heliostat.api.server.services_process --alive-fd N`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from uuid import uuid4

from ...actors.loops.loop import Loop
from ...actors.loops.services import chosen
from ...actors.loops.triggers import Triggers
from ...runtime.foundation import clock
from ...runtime.foundation.errors import DatabaseUnavailable, HeliostatError
from ...runtime.foundation.long_lived import Tasks, for_ever
from ...runtime.foundation.settings import current_settings
from ...runtime.foundation.standard_streams import say
from ...runtime.foundation.supervised import BEYOND_HELP, end_with_supervisor
from ...runtime.records import Owner
from ...runtime.store import services
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import Feed
from ..actions.loop import ActionPerformer

_log = logging.getLogger("heliostat.services")

_RETRY_S = 1.0
_END_WITHIN_S = 5.0
_FIRST_STEPS_WITHIN_S = 60.0


def main() -> int:
    """Run the services until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--services")
    words = parser.parse_args()
    end_with_supervisor(words.alive_fd)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    names = None if words.services is None else words.services.split(",")
    try:
        asyncio.run(_serve(_kinds(names)))
    except HeliostatError as error:
        say("\n".join([str(error), *([f"hint: {error.hint}"] if error.hint else [])]))
        return BEYOND_HELP
    return 0


def serve_services() -> None:
    """Run all services in this process until SIGTERM or SIGINT, without a server."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    asyncio.run(_serve(_kinds(None)))


def _kinds(names: list[str] | None) -> list[type[Loop]]:
    """The services with these names, or all for None. Raises BadSetting."""
    kinds = chosen(names)
    # Actions of automations need the API's checks, so their service is not in `actors/loops`.
    return [*kinds, ActionPerformer] if Triggers in kinds else kinds


async def _serve(kinds: list[type[Loop]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    db = await _open(current_settings().database_url, stop)
    if db is None:
        return
    feed = await Feed.open(db)
    loops = [kind(db, feed) for kind in kinds]
    process = Owner(uuid4(), socket.gethostname(), os.getpid(), clock.epoch_s())
    hosting = Tasks(_log)
    hosting.start("services", _host(db, process, loops))
    await stop.wait()
    try:
        async with asyncio.timeout(_END_WITHIN_S):
            await asyncio.gather(hosting.close(), *(loop.stop() for loop in loops), return_exceptions=True)
            await services.end(db, process)
            await feed.close()
            await db.close()
    except (TimeoutError, DatabaseUnavailable) as error:
        _log.warning("the services ended without telling the database: %s", error)


async def _host(db: Database, process: Owner, loops: list[Loop]) -> None:
    """Start the services and record their heartbeats. Each takes its first step before the first heartbeat,
    because the scheduler sees by the heartbeats for how long no scheduler ran.
    """
    names = [loop.name for loop in loops]
    for loop in loops:
        loop.start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_STEPS_WITHIN_S):
            await asyncio.gather(*(loop.first_step.wait() for loop in loops))

    async def beat() -> None:
        await services.beat(db, process, names)
        await asyncio.sleep(services.BEAT_S)

    await for_ever("heartbeats of the services", beat, _log)


async def _open(database_url: str, stop: asyncio.Event) -> Database | None:
    """The database, once it can be reached; None when the process is told to stop before that."""
    is_told = False
    while not stop.is_set():
        try:
            return await Database.open(database_url)
        except DatabaseUnavailable as error:
            if not is_told:
                _log.warning("%s; still trying", error)
            is_told = True
        try:
            await asyncio.wait_for(stop.wait(), _RETRY_S)
        except TimeoutError:
            pass
    return None


if __name__ == "__main__":
    sys.exit(main())
