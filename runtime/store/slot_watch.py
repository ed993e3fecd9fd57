"""Waiting until slots may be free, after a request for slots was refused.

Each watcher is known from its first call on, so that no change between two calls to this process is missed.
If its next call reaches another process, it waits for its timeout and asks for its slots again then.
"""

from __future__ import annotations

import asyncio
from uuid import UUID
from weakref import WeakKeyDictionary

from ..foundation import clock
from .database.announcements import SLOTS
from .database.database import Database
from .database.feed import Feed, Subscription

LONGEST_S = 30.0
_FORGOTTEN_AFTER_S = 60.0


class _Watch:
    """The watchers of one database in this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._watchers: dict[UUID, tuple[Subscription, float]] = {}

    async def wait(self, watcher: UUID, timeout_s: float) -> bool:
        now = clock.monotonic_s()
        known = self._watchers.get(watcher)
        subscription = known[0] if known else self._feed.subscribe(SLOTS)
        self._watchers[watcher] = (subscription, now)
        for other, (its, heard_s) in list(self._watchers.items()):
            if now - heard_s > _FORGOTTEN_AFTER_S:
                del self._watchers[other]
                self._feed.unsubscribe(its)
        return bool(await subscription.wait(timeout_s))


_watches: WeakKeyDictionary[Database, asyncio.Task[_Watch]] = WeakKeyDictionary()


async def wait(db: Database, watcher: UUID, timeout_s: float) -> bool:
    """Wait up to `timeout_s` until slots may have become free since the watcher's last call; False if none
    have.
    """
    opening = _watches.get(db)
    if opening is None or (opening.done() and (opening.cancelled() or opening.exception())):
        opening = _watches[db] = asyncio.ensure_future(_open(db))
    return await (await asyncio.shield(opening)).wait(watcher, min(timeout_s, LONGEST_S))


async def _open(db: Database) -> _Watch:
    feed = await Feed.open(db)
    db.close_first(feed.close)
    return _Watch(feed)
