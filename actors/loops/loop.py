"""One service of a server: a step that is repeated when something changed or time has passed."""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

from ...runtime.foundation.long_lived import Failures, is_away, is_cancelled
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import Feed, Subscription

_log = logging.getLogger("heliostat.services")

_AFTER_FAILURE_S = 1.0


class Loop:
    """Belongs to one event loop. `start` and `stop` may come in any order and more than once.

    Subclasses define `step`. It is taken at the start, when one of `topics` is announced, and after the
    seconds that the last step returned, or `interval_s`. A step that fails is logged and taken again.
    """

    name: ClassVar[str]
    interval_s: ClassVar[float]
    topics: ClassVar[tuple[str, ...]] = ()

    def __init__(self, db: Database, feed: Feed | None = None) -> None:
        self.db = db
        self._feed = feed
        self._stopped = False
        self._running: asyncio.Task[None] | None = None
        self._failures = Failures(self.name, _log)
        self.first_step = asyncio.Event()  # set when a step has been taken without an error

    async def step(self) -> float | None:
        """Do what is due; returns the seconds until the next step, None for `interval_s`."""
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Called after a step that failed."""

    def start(self) -> None:
        """Begin, if it has not begun; nothing happens after `stop`."""
        if self._running is None and not self._stopped:
            self._running = asyncio.create_task(self.run(), name=f"service {self.name}")

    async def stop(self) -> None:
        """End the loop once a step that is under way has ended."""
        self._stopped = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def run(self) -> None:
        """Take steps until cancelled; a step that has begun is taken to its end first."""
        subscription = self._feed.subscribe(*self.topics) if self._feed and self.topics else None
        try:
            while True:
                taking = asyncio.ensure_future(self._take())
                try:
                    wait_s = await asyncio.shield(taking)
                except asyncio.CancelledError:
                    await asyncio.wait([taking])
                    raise
                await _rest(subscription, wait_s)
        finally:
            if self._feed and subscription:
                self._feed.unsubscribe(subscription)

    async def _take(self) -> float:
        try:
            wait_s = await self.step()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                if is_cancelled():
                    raise
                error = RuntimeError("a task that the step waited for was cancelled")
            self.failed(error)
            self._failures.note(error)
            return _AFTER_FAILURE_S if is_away(error) else max(self.interval_s, _AFTER_FAILURE_S)
        self.first_step.set()
        self._failures.over()
        return self.interval_s if wait_s is None else wait_s


async def _rest(subscription: Subscription | None, wait_s: float) -> None:
    if subscription is None:
        await asyncio.sleep(wait_s)
    else:
        await subscription.wait(wait_s)
