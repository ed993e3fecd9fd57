"""Events on their way into the database: all sockets and routes share one group commit.

While one commit is under way, the next group gathers, so groups grow with the load.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from ...runtime.events.records import Event
from ...runtime.foundation.errors import DatabaseUnavailable
from ...runtime.foundation.long_lived import Tasks
from ...runtime.store import events
from ...runtime.store.database.database import Database

_log = logging.getLogger("heliostat.api.events")

_GROUP = 1_000
_MOST_WAITING = 5_000
_RETRY_S = 0.5


class EventIntake:
    """Takes events and says when they are durable."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._waiting: deque[Event] = deque()
        self._taken = 0  # events ever put
        self._durable = 0  # how many of these are durable
        self._marks: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks = Tasks(_log)
        self._is_started = False

    def start(self) -> None:
        self._is_started = True
        self._tasks.keep("writing events", self._write)

    async def stop(self) -> None:
        """Write what is waiting, if the database takes it, and end."""
        if not self._is_started:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self.durable()), 2.0)
        except (TimeoutError, asyncio.CancelledError):
            _log.warning("%d events were not confirmed: clients send them again", len(self._waiting))
        await self._tasks.close()

    async def put(self, event: Event) -> None:
        """Take an event; waits while too many events wait to be written."""
        await self._room.wait()
        self._waiting.append(event)
        self._taken += 1
        if len(self._waiting) >= _MOST_WAITING:
            self._room.clear()
        self._news.set()

    async def durable(self) -> None:
        """Wait until everything that was put before is durable."""
        if self._durable >= self._taken:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marks.append((self._taken, done))
        await done

    async def _write(self) -> None:
        await self._news.wait()
        self._news.clear()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
            if len(self._waiting) < _MOST_WAITING:
                self._room.set()
            try:
                await self._record(group)
            finally:  # also after an error: nobody is to wait for these events for ever
                self._durable += len(group)
                while self._marks and self._marks[0][0] <= self._durable:
                    _, done = self._marks.popleft()
                    if not done.done():
                        done.set_result(None)

    async def _record(self, group: list[Event]) -> None:
        """Record a group, however long the database is away. Events that it refuses are logged only."""
        told = False
        while True:
            try:
                recorded = await events.record(self._database(), group)
            except DatabaseUnavailable as error:
                if not told:
                    _log.warning("events wait for the database: %s", error)
                    told = True
                await asyncio.sleep(_RETRY_S)
            except Exception:
                if len(group) == 1:
                    _log.exception("event %s (%s) cannot be recorded", group[0].id, group[0].event)
                    return
                middle = len(group) // 2
                await self._record(group[:middle])
                await self._record(group[middle:])
                return
            else:
                for news in recorded.orphans:
                    _log.warning(
                        "task run %s is left out: there is no flow run %s", news.task_run_id, news.flow_run_id
                    )
                return
