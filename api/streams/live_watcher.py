"""One page that follows changes: what it has not read yet, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from uuid import UUID

from .live_topics import FLOW_RUN, LOGS, TASK_RUNS, Topic, message, position

_MOST_CHUNKS = 256
_MOST_BYTES = 4_000_000


class Watcher:
    """The topics of one stream, and the bytes that wait to be sent on it."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        self.topics = frozenset(topics)
        self.kinds = frozenset(each.kind for each in self.topics)
        self.runs = self._runs(FLOW_RUN, TASK_RUNS)
        self.logs = self._runs(LOGS)
        self.is_followed = asyncio.Event()
        """Set once every change from now on reaches this watcher."""
        self._chunks: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._is_ended = False

    def offer(self, out: Mapping[Topic, list[bytes]], at: str) -> None:
        """Hand over the messages of its topics; `at` is how far they reach."""
        found = [each for topic in self.topics for each in out.get(topic, ())]
        if found:
            self.put(b"".join([*found, position(at)]), at)

    def put(self, chunk: bytes, at: str) -> None:
        """Hand over some bytes. A reader that is too far behind gets `reset` in place of all that waits."""
        self._bytes += len(chunk)
        self._chunks.append(chunk)
        if self._bytes > _MOST_BYTES or len(self._chunks) > _MOST_CHUNKS:
            chunk = reset(self.topics, "too far behind") + position(at)
            self._chunks = deque([chunk])
            self._bytes = len(chunk)
        self._news.set()

    def end(self) -> None:
        """Say that there is no more."""
        self._is_ended = True
        self._news.set()

    async def next(self, within_s: float) -> bytes | None:
        """All that waits; empty when nothing came in time, None after the end."""
        if not self._news.is_set():
            try:
                await asyncio.wait_for(self._news.wait(), within_s)
            except TimeoutError:
                return b""
        self._news.clear()
        if self._is_ended:
            self._news.set()
            return None
        found = b"".join(self._chunks)
        self._chunks.clear()
        self._bytes = 0
        return found

    def _runs(self, *kinds: str) -> frozenset[UUID]:
        return frozenset(each.run for each in self.topics if each.kind in kinds and each.run is not None)


def reset(topics: Iterable[Topic], why: str) -> bytes:
    """Says that changes of these topics were lost: their reader asks for everything again."""
    return message("reset", {"topics": sorted(map(str, topics)), "why": why})
