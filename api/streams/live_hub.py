"""Changes for the pages, read from the database once per process and told to every stream that follows them.

A position is `<event>-<log line>`: up to these numbers everything was told. They are those of the tables, so
a stream that breaks is resumed by any process. Messages may come twice; none is lost within a window.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from ...runtime.foundation import clock
from ...runtime.store import live_rows
from ...runtime.store.database import feed as topics_of
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import Feed, Subscription
from ...runtime.store.event_tail import EventTail
from ...runtime.store.log_tail import LogTail
from .live_news import News
from .live_topics import (
    FLOW_RUN,
    LOGS,
    TASK_RUNS,
    Topic,
    lines_message,
    message,
)
from .live_watcher import Watcher, reset

ROUND_S = 0.2
_LOOK_EVERY_S = 1.0  # without news from the change feed
_BLIND_EVERY_S = 5.0  # how often coarse topics count as changed when the feed cannot tell
_MOST_MISSED = 5_000  # events, or lines of a log, that a stream may have missed
_HEARD_TWICE_S = 3.0  # another process may have told it later than this one
_COUNT_SHARE = 20  # counting task runs takes at most this part of the time

_HEARD = (
    topics_of.EVENTS,
    topics_of.CHANGES,
    topics_of.SCHEDULES,
    topics_of.POOLS,
    topics_of.WORKERS,
    topics_of.SLOTS,
)
_KINDS_OF = {
    topics_of.SCHEDULES: ("deployments", "schedules"),
    topics_of.POOLS: ("work_pools", "work_queues"),
    topics_of.WORKERS: ("workers",),
    topics_of.SLOTS: ("concurrency_limits",),
}
T = TypeVar("T")

_POSITION = re.compile(r"(\d{1,18})-(\d{0,18})", re.ASCII)


class LiveHub:
    """Reads changes while anybody watches."""

    def __init__(self, database: Callable[[], Database], feed: Callable[[], Awaitable[Feed]]) -> None:
        self._database = database
        self._feed = feed
        self._watchers: set[Watcher] = set()
        self._somebody = asyncio.Event()
        self._is_ended = False
        self._heard: Subscription | None = None
        self._events: EventTail | None = None
        self._logs: LogTail | None = None
        self._marks: dict[UUID, live_rows.Mark] = {}
        self._uncounted: set[UUID] = set()
        self._count_after: dict[UUID, float] = {}
        self._at = "0-"  # the position up to which every watcher was told
        self._begun_at = 0  # the event after which this hub has been reading without a pause
        self._coarse: dict[str, tuple[int, float]] = {}  # last event and time when a topic was heard of
        self._round_at = 0.0
        self._coarse_at = 0.0

    @property
    def position(self) -> str:
        """Up to here everybody was told."""
        return self._at

    @contextmanager
    def watching(self, topics: Iterable[Topic]) -> Generator[Watcher]:
        """A watcher of these topics. Await `begin` before telling its client that it is followed."""
        watcher = Watcher(topics)
        if self._is_ended:
            watcher.end()
            watcher.is_followed.set()
        self._watchers.add(watcher)
        self._uncounted |= watcher.runs
        self._somebody.set()
        if self._heard is not None:
            self._heard.tell([topics_of.EVENTS])
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def begin(self, watcher: Watcher, after: str | None) -> tuple[bool, str, bytes]:
        """Wait until a watcher is followed. Returns whether its client has lost nothing since the position
        `after`, the position now, and what it has missed in between.
        """
        await watcher.is_followed.wait()
        at = self._at
        if after is None or self._events is None:
            return False, at, b""
        missed = await self._missed(watcher, after, self._events.last)
        if missed is None:
            return False, at, reset(watcher.topics, "the position is too old")
        return True, at, missed

    def end(self) -> None:
        """End all streams, and those to come."""
        self._is_ended = True
        for watcher in self._watchers:
            watcher.end()
            watcher.is_followed.set()

    async def read_on(self) -> None:
        """One round: tell what is new, then wait for more."""
        if not self._watchers:
            self._events = self._logs = None
            self._marks.clear()
            self._uncounted.clear()
            self._count_after.clear()
            self._somebody.clear()
            await self._somebody.wait()
        if self._heard is None:
            self._heard = (await self._feed()).subscribe(*_HEARD)
        heard = await self._next_round(self._heard)
        watchers = set(self._watchers)
        if not watchers:
            return
        try:
            out = await self._take_round(watchers, heard)
        except Exception:
            # Some changes were read and not told.
            for each in watchers:
                each.put(reset(each.topics, "the database did not answer"), self._at)
            raise
        self._at = self._position()
        for each in self._watchers:
            each.offer(out, self._at)
        for each in watchers:
            each.is_followed.set()

    async def _next_round(self, heard: Subscription) -> set[str]:
        """Wait until something may have changed; rounds are never closer than `ROUND_S`."""
        looks_often = any(each.runs or each.logs for each in self._watchers)
        changed = set[str]()
        if all(each.is_followed.is_set() for each in self._watchers):
            changed = await heard.wait(ROUND_S if looks_often else _LOOK_EVERY_S)
            rest = self._round_at + ROUND_S - clock.monotonic_s()
            if rest > 0:
                await asyncio.sleep(rest)
        changed |= await heard.wait(0)
        self._round_at = clock.monotonic_s()
        if (await self._feed()).is_blind:
            if self._round_at < self._coarse_at + _BLIND_EVERY_S:
                return changed & {topics_of.EVENTS}
            self._coarse_at = self._round_at
        return changed

    async def _take_round(self, watchers: set[Watcher], heard: set[str]) -> dict[Topic, list[bytes]]:
        db = self._database()
        if self._events is None:
            tail = EventTail(db)
            await tail.begin()
            self._events, self._begun_at = tail, tail.last
        if self._logs is None and any(each.logs for each in watchers):
            lines = LogTail(db)
            await lines.begin()
            self._logs = lines
        out: dict[Topic, list[bytes]] = defaultdict(list)
        news = News(_union(each.kinds for each in watchers), _union(each.runs for each in watchers))
        news.take(await self._events.read(news.wants))
        if topics_of.CHANGES in heard or topics_of.SCHEDULES in heard:
            news.is_stale = True
        for topic in heard:
            news.kinds.update(_KINDS_OF.get(topic, ()))
            self._coarse[topic] = (self._events.last, clock.monotonic_s())
        await news.tell(db, out)
        await self._tell_tasks(db, news, out)
        await self._tell_lines(db, _union(each.logs for each in watchers), out)
        return out

    async def _tell_tasks(self, db: Database, news: News, out: dict[Topic, list[bytes]]) -> None:
        """Tell whose task runs changed, with their counts for those who watch the run."""
        runs = news.runs
        if not runs:
            self._marks.clear()
            return
        marks = await live_rows.marks(db, runs)
        changed = {run for run in runs if marks.get(run) != self._marks.get(run)} | news.touched
        if news.is_stale:
            changed |= runs
        self._marks = marks
        for run in changed:
            out[Topic(TASK_RUNS, run)].append(message(Topic(TASK_RUNS, run), {"changed": True}))
        self._uncounted = (self._uncounted | changed) & runs
        self._count_after = {run: at for run, at in self._count_after.items() if run in runs}
        now = clock.monotonic_s()
        due = {run for run in self._uncounted if self._count_after.get(run, 0.0) <= now}
        if not due:
            return
        rows = {row["id"]: row for row in await live_rows.flow_runs(db, due)}
        for run in due:
            begun = clock.monotonic_s()
            counts = await live_rows.task_counts(db, run)
            took = clock.monotonic_s() - begun
            self._count_after[run] = begun + took * _COUNT_SHARE
            topic = Topic(FLOW_RUN, run)
            out[topic].append(message(topic, {"run": rows.get(run), "task_runs": counts}))
            if run not in changed:  # somebody who has just come
                out[Topic(TASK_RUNS, run)].append(message(Topic(TASK_RUNS, run), {"changed": True}))
        self._uncounted -= due

    async def _tell_lines(self, db: Database, runs: set[UUID], out: dict[Topic, list[bytes]]) -> None:
        if not runs or self._logs is None:
            self._logs = None
            return
        of_run: dict[UUID, list[live_rows.LogRow]] = defaultdict(list)
        for row in await self._logs.read():
            if row.flow_run_id in runs:
                of_run[row.flow_run_id].append(row)
        for run, rows in of_run.items():
            out[Topic(LOGS, run)].append(lines_message(Topic(LOGS, run), rows))

    def _position(self) -> str:
        events = 0 if self._events is None else self._events.floor
        return f"{events}-{'' if self._logs is None else self._logs.floor}"

    async def _missed(self, watcher: Watcher, after: str, last: int) -> bytes | None:
        """What a client has missed since a position; None when that cannot be told."""
        known = _POSITION.fullmatch(after)
        if known is None:
            return None
        since = int(known[1])
        db = self._database()
        first = await live_rows.first_event(db)
        if since > last or last - since > _MOST_MISSED or (first is not None and first > since + 1):
            return None
        news = News(set(watcher.kinds), set(watcher.runs))
        tail = EventTail(db, since)
        while tail.last < last and (found := await tail.read(news.wants)):
            news.take(found)
        # What is announced without an event is not kept: here is only known when it was heard of last.
        heard = {topic for topic in _HEARD if self._may_have_missed(topic, since)}
        news.is_stale = bool(heard & {topics_of.CHANGES, topics_of.SCHEDULES})
        for topic in heard:
            news.kinds.update(_KINDS_OF.get(topic, ()))
        out: dict[Topic, list[bytes]] = defaultdict(list)
        await news.tell(db, out)
        missed = [each for topic in watcher.topics for each in out[topic]]
        for run in watcher.logs:
            topic = Topic(LOGS, run)
            if not known[2]:
                missed.append(reset([topic], "it was not followed before"))
                continue
            lines = await live_rows.lines_after(db, run, int(known[2]), _MOST_MISSED)
            if len(lines) == _MOST_MISSED:
                missed.append(reset([topic], "too many lines were missed"))
            elif lines:
                missed.append(lines_message(topic, lines))
        return b"".join(missed)

    def _may_have_missed(self, topic: str, since: int) -> bool:
        if since < self._begun_at:
            return True
        at, when = self._coarse.get(topic, (-1, -1e9))
        return at >= since or when > clock.monotonic_s() - _HEARD_TWICE_S


def _union(sets: Iterable[Iterable[T]]) -> set[T]:
    return {each for some in sets for each in some}
