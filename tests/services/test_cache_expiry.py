"""Cached results that have expired leave the database.

Seen: nothing removed them, so that the cache of a flow whose keys change each day grew for ever.
"""

from __future__ import annotations

from heliostat.actors.loops.cache_expiry import CacheExpiry
from heliostat.runtime.foundation import clock
from heliostat.runtime.store.commits import cache
from heliostat.runtime.store.database.database import Database


async def test_expired_results_are_removed_batch_by_batch_and_others_stay(db: Database) -> None:
    now = clock.epoch_s()
    async with db.write() as connection:
        for number in range(600):
            await cache.put_within(db, connection, f"gone-{number}", "none", None, now - 100, now - 50)
        await cache.put_within(db, connection, "again", "none", None, now - 100, now - 50)
        await cache.put_within(db, connection, "again", "none", None, now, now + 3600)
        await cache.put_within(db, connection, "for ever", "none", None, now - 100)
    service, steps = CacheExpiry(db), 0
    while await service.step() is not None:
        steps += 1
    assert steps == 2
    keys = ["again", "for ever", *(f"gone-{number}" for number in range(600))]
    assert set(await cache.get_many(db, keys, now=0.0)) == {"again", "for ever"}
