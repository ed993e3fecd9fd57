"""What an API process does with events: it writes those that clients send, makes those of flow runs' states,
and hands new ones to listeners. Pages hear from it what has changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi import FastAPI, Request

from ...runtime.foundation.long_lived import Tasks
from ...runtime.store import flow_run_events
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import Feed
from .event_broadcast import EventBroadcast
from .event_intake import EventIntake
from .live_hub import LiveHub
from .log_broadcast import LogBroadcast

_log = logging.getLogger("heliostat.api.events")

_LOOK_EVERY_S = 0.1


class EventDesk:
    """The events and changes of one process, for the life of the application."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self.broadcast = EventBroadcast(database, self.feed)
        self.intake = EventIntake(database)
        self.logs = LogBroadcast(database)
        self.live = LiveHub(database, self.feed)
        self._tasks = Tasks(_log)
        self._feed: Feed | None = None
        self._opening = asyncio.Lock()

    async def feed(self) -> Feed:
        """The change feed of the database, shared by all who follow it in this process."""
        async with self._opening:
            if self._feed is None:
                self._feed = await Feed.open(self._database())
            return self._feed

    def start(self) -> None:
        self.intake.start()
        self._tasks.keep("making events of states", self._make_events)
        self._tasks.keep("reading new events", self.broadcast.read_on)
        self._tasks.keep("reading new log lines", self.logs.read_on)
        self._tasks.keep("following changes for pages", self.live.read_on)

    async def stop(self) -> None:
        self.live.end()
        await self.intake.stop()
        await self._tasks.close()
        if self._feed is not None:
            await self._feed.close()

    async def _make_events(self) -> None:
        while await flow_run_events.make(self._database()):
            pass
        await asyncio.sleep(_LOOK_EVERY_S)


def desk_of(app: FastAPI) -> EventDesk:
    """The desk of an application."""
    return app.state.event_desk


def intake_of(request: Request) -> EventIntake:
    """The intake into which a route puts events."""
    return desk_of(request.app).intake
