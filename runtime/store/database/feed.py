"""The change feed: a process learns within milliseconds of relevant writes by another process.

On Postgres it uses LISTEN and NOTIFY over a separate connection; where that is impossible (PgBouncer), and
while the connection is away, everything counts as changed several times a second. On SQLite it watches the
file's `data_version`. A wake-up only says that a topic changed: a consumer that misses one is late by one
poll interval.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy.pool import NullPool

from .announcements import (
    ACTIONS,
    CHANGES,
    CHANNEL,
    COMMANDS,
    EVENTS,
    POOLS,
    RUNS,
    SCHEDULES,
    SLOTS,
    TASKS,
    TOPICS,
    WORKERS,
    announce,
    announce_by_asyncpg,
    announce_by_sqlite,
)
from .database import Database, engine_for

__all__ = [
    "ACTIONS",
    "CHANGES",
    "COMMANDS",
    "EVENTS",
    "POOLS",
    "RUNS",
    "SCHEDULES",
    "SLOTS",
    "TASKS",
    "TOPICS",
    "WORKERS",
    "Feed",
    "Subscription",
    "announce",
    "announce_by_asyncpg",
    "announce_by_sqlite",
]

_log = logging.getLogger("heliostat.feed")

_SQLITE_POLL_S = 0.005
_SQLITE_QUIET_POLL_S = 0.010  # after a while without changes: halves the cost of polling
_QUIET_AFTER_POLLS = 400
_BLIND_POLL_S = 0.25  # how often everything counts as changed without notifications
_PROBE_WITHIN_S = 5.0
_ALIVE_EVERY_S = 10.0
_ALIVE_WITHIN_S = 5.0


class Subscription:
    """The topics that one consumer follows. Changes while it is busy are returned by its next wait."""

    def __init__(self, topics: Iterable[str], pending: Iterable[str] = ()) -> None:
        self.topics = frozenset(topics)
        self._pending = set(pending) & self.topics
        self._changed = asyncio.Event()
        if self._pending:
            self._changed.set()

    async def wait(self, timeout_s: float) -> set[str]:
        """The topics that changed since the last wait; empty when none did within `timeout_s`."""
        if not self._changed.is_set():
            try:
                await asyncio.wait_for(self._changed.wait(), max(timeout_s, 0.0))
            except TimeoutError:
                return set()
        changed, self._pending = self._pending, set[str]()
        self._changed.clear()
        return changed

    def tell(self, topics: Iterable[str]) -> None:
        """Note that topics changed, and wake the waiting consumer."""
        self._pending |= self.topics.intersection(topics)
        if self._pending:
            self._changed.set()


class Feed:
    """The changes of a database, for the event loop on which the feed was opened."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._subscriptions: list[Subscription] = []
        self._by_topics: dict[frozenset[str], Subscription] = {}
        self._told: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        self._is_blind = False

    @classmethod
    async def open(cls, db: Database) -> Feed:
        """Follow the changes of an open database from now on. Does not fail while the database is away. Uses
        one more connection on Postgres.
        """
        feed = cls(db)
        ready = asyncio.Event()
        feed._watching = asyncio.create_task(feed._watch(ready), name="change feed")
        await ready.wait()
        return feed

    @property
    def is_blind(self) -> bool:
        """Whether everything counts as changed all the time, because the database tells nothing."""
        return self._is_blind

    def subscribe(self, *topics: str) -> Subscription:
        """Follow some topics from now on, independently of other consumers."""
        subscription = Subscription(topics)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Follow them no longer."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def wait(self, topics: Iterable[str], timeout_s: float) -> set[str]:
        """Which of `topics` changed since the last wait for this set, or since the feed was opened. Empty
        when none did within `timeout_s`. A set serves one consumer; several consumers must subscribe.
        """
        wanted = frozenset(topics)
        if wanted not in self._by_topics:
            self._by_topics[wanted] = subscription = Subscription(wanted, self._told)
            self._subscriptions.append(subscription)
        return await self._by_topics[wanted].wait(timeout_s)

    async def close(self) -> None:
        """Stop following; harmless a second time."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    def _tell(self, topics: Iterable[str]) -> None:
        topics = set(topics)
        self._told |= topics
        for subscription in self._subscriptions:
            subscription.tell(topics)

    async def _watch(self, ready: asyncio.Event) -> None:
        try:
            if self._db.is_sqlite:
                await self._watch_file(ready)
            elif self._db.target.pgbouncer:
                await self._watch_blindly(ready)
            else:
                await self._listen(ready)
        except asyncio.CancelledError:
            raise
        except Exception:  # whatever it was: polling finds changes, too
            _log.exception("the change feed failed; changes are polled every %g s", _BLIND_POLL_S)
            await self._watch_blindly(ready)

    async def _watch_blindly(self, ready: asyncio.Event) -> None:
        self._is_blind = True
        ready.set()
        while True:
            self._tell(TOPICS)
            await asyncio.sleep(_BLIND_POLL_S)

    async def _watch_file(self, ready: asyncio.Event) -> None:
        """Watch the file's version on the event loop: reading it takes microseconds and never waits for a
        writer.
        """
        connection = sqlite3.connect(self._db.target.path, isolation_level=None, timeout=0)
        try:
            version, numbers, quiet = -1, _numbers(connection), 0
            ready.set()
            while True:
                try:
                    [now] = connection.execute("PRAGMA data_version").fetchone()
                    quiet = quiet + 1 if now == version else 0
                    if now != version:
                        found = _numbers(connection)
                        self._tell(topic for topic in found if found[topic] != numbers.get(topic))
                        version, numbers = now, found
                except sqlite3.OperationalError:  # locked for a moment by a checkpoint or a migration
                    pass
                is_quiet = quiet > _QUIET_AFTER_POLLS
                await asyncio.sleep(_SQLITE_QUIET_POLL_S if is_quiet else _SQLITE_POLL_S)
        finally:
            connection.close()

    async def _listen(self, ready: asyncio.Event) -> None:
        is_told = False
        while True:
            try:
                async with self._listening() as lost:
                    is_told = False
                    ready.set()
                    self._tell(TOPICS)  # anything may have changed before listening
                    await lost
            except _NoNotifications:
                _log.warning(
                    "the database delivers no notifications (a pooler in transaction mode?): changes are "
                    "polled every %g s; put pgbouncer=true into HELIOSTAT_DATABASE_URL",
                    _BLIND_POLL_S,
                )
                await self._watch_blindly(ready)
            except Exception as error:
                if not is_told:
                    _log.warning("the change feed lost its connection (%s); trying again", error)
                    is_told = True
            ready.set()
            self._tell(TOPICS)
            await asyncio.sleep(_BLIND_POLL_S)

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[asyncio.Future[None]]:
        """Listen over a separate connection; the future gets an error when the connection is lost."""
        engine = engine_for(self._db.target, poolclass=NullPool)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                probe, heard = uuid4().hex, asyncio.Event()

                def notified(_driver: Any, _pid: int, _channel: str, payload: str) -> None:
                    if payload == probe:
                        heard.set()
                    else:
                        self._tell([payload])

                def ended(_driver: Any) -> None:
                    _fail(lost, ConnectionError("the connection was closed"))

                driver.add_termination_listener(ended)
                await driver.add_listener(CHANNEL, notified)
                await driver.execute("SELECT pg_notify($1, $2)", CHANNEL, probe)
                try:
                    await asyncio.wait_for(heard.wait(), _PROBE_WITHIN_S)
                except TimeoutError:
                    raise _NoNotifications from None
                alive = asyncio.create_task(_check(driver, lost), name="change feed: is it alive?")
                try:
                    yield lost
                finally:
                    alive.cancel()
                    driver.remove_termination_listener(ended)
                    driver.terminate()  # it has no work left, and may not answer
        finally:
            await engine.dispose()


class _NoNotifications(Exception):
    """LISTEN succeeds, but no notification arrives."""


async def _check(driver: Any, lost: asyncio.Future[None]) -> None:
    """Detect a connection that died without an error."""
    while True:
        await asyncio.sleep(_ALIVE_EVERY_S)
        try:
            await asyncio.wait_for(driver.execute("SELECT 1"), _ALIVE_WITHIN_S)
        except Exception as error:
            _fail(lost, error)
            return


def _fail(lost: asyncio.Future[None], error: Exception) -> None:
    if not lost.done():
        lost.set_exception(ConnectionError(str(error) or type(error).__name__))


def _numbers(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT topic, number FROM announcement").fetchall())
