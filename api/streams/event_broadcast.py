"""New events, read from the database once per process and handed to every listener.

Events are read back from the database instead of being passed on as they arrive. So listeners also see the
events that other processes took, and only events that are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from ...runtime.events.filters import EventFilter
from ...runtime.events.matching import fits, name_fits
from ...runtime.events.records import Event
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import EVENTS, Feed
from ...runtime.store.event_tail import EventTail

_LOOK_EVERY_S = 0.5  # without news from the change feed
_MOST_UNREAD = 10_000


class Listener:
    """One reader's events, in the order in which they were recorded."""

    def __init__(self, asked: EventFilter) -> None:
        self.asked = asked
        self.unread: asyncio.Queue[Event | None] = asyncio.Queue()

    def wants(self, name: str) -> bool:
        return self.asked.event is None or name_fits(name, self.asked.event)

    def offer(self, event: Event) -> None:
        """Hand over an event if it matches; a reader that is too far behind is ended (None)."""
        if not fits(event, self.asked):
            return
        self.unread.put_nowait(event if self.unread.qsize() < _MOST_UNREAD else None)


class EventBroadcast:
    """Reads new events while anybody listens."""

    def __init__(self, database: Callable[[], Database], feed: Callable[[], Awaitable[Feed]]) -> None:
        self._database = database
        self._feed = feed
        self._listeners: set[Listener] = set()
        self._somebody = asyncio.Event()
        self._tail: EventTail | None = None
        self._begun = asyncio.Event()

    @contextmanager
    def listening(self, asked: EventFilter) -> Generator[Listener]:
        """A listener for events from now on. Await `ready` before looking back at earlier ones."""
        listener = Listener(asked)
        self._listeners.add(listener)
        self._somebody.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def ready(self) -> None:
        """Wait until new events are being read: none that is recorded from now on is missed."""
        await self._begun.wait()

    async def read_on(self) -> None:
        """One round: hand on the new events, then wait for more."""
        if not self._listeners:
            self._tail = None
            self._begun.clear()
            self._somebody.clear()
            await self._somebody.wait()
        feed = await self._feed()
        if self._tail is None:
            tail = EventTail(self._database())
            await tail.begin()
            self._tail = tail
            self._begun.set()
        while events := await self._tail.read(self._is_wanted):
            for event in events:
                for listener in self._listeners:
                    listener.offer(event)
        await feed.wait({EVENTS}, _LOOK_EVERY_S)

    def _is_wanted(self, name: str) -> bool:
        return any(listener.wants(name) for listener in self._listeners)
