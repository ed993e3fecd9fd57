"""Answers that many pages ask for at once: computed once, kept for a moment, given to all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from ..runtime.foundation import clock

_T = TypeVar("_T")

_MOST_KEPT = 256


class SharedAnswers:
    """Answers by what was asked. Whoever asks while an answer is being made waits for that one."""

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, asked: Hashable, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The kept answer while it is fresh, or a new one. A failure is told to all who wait, not kept."""
        kept = self._kept.get(asked)
        if kept is not None and (not kept[1].done() or kept[0] > clock.monotonic_s()):
            return await asyncio.shield(kept[1])
        answer = asyncio.create_task(make())
        while len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[asked] = (float("inf"), answer)
        try:
            made = await asyncio.shield(answer)
        except Exception:
            self._kept.pop(asked, None)
            raise
        self._kept[asked] = (clock.monotonic_s() + self._fresh_s, answer)
        return made
