"""Removes results from the cache that have expired, so that it does not grow for ever."""

from __future__ import annotations

from typing import ClassVar

from ...runtime.store.commits import cache
from .loop import Loop


class CacheExpiry(Loop):
    """Works in small batches, so that writers of new results hardly notice."""

    name: ClassVar[str] = "cache-expiry"
    interval_s: ClassVar[float] = 600.0

    _between_batches_s: ClassVar[float] = 0.05

    async def step(self) -> float | None:
        return self._between_batches_s if await cache.delete_expired(self.db) else None
