"""Results stored under cache keys. Commits write them together with the task runs that made them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.database import Database
from ..database.rows import CacheHit
from ..database.tables import cache

_IN_ONE_QUERY = 500


async def get(db: Database, key: str, now: float | None = None) -> CacheHit | None:
    """The result under `key` that has not expired at `now` (epoch seconds; default: the database's time)."""
    return (await get_many(db, [key], now)).get(key)


async def get_many(db: Database, keys: Iterable[str], now: float | None = None) -> dict[str, CacheHit]:
    """`get` for many keys; those without a result are left out."""
    async with db.read() as connection:
        return await get_many_within(db, connection, keys, now)


async def get_many_within(
    db: Database, connection: AsyncConnection, keys: Iterable[str], now: float | None = None
) -> dict[str, CacheHit]:
    """`get_many` inside a transaction that is open."""
    hits: dict[str, CacheHit] = {}
    wanted = list(dict.fromkeys(keys))
    for start in range(0, len(wanted), _IN_ONE_QUERY):
        some = wanted[start : start + _IN_ONE_QUERY]
        rows = await connection.execute(select(cache).where(cache.c.key.in_(some), _alive(db, now)))
        hits.update((row["key"], CacheHit(**row)) for row in rows.mappings())
    return hits


async def put(
    db: Database,
    key: str,
    result_kind: str,
    result: bytes | None,
    created: float,
    expires: float | None = None,
) -> None:
    """Store a result under `key`, replacing an older one. `result_kind` is "none", "inline" or "stored"."""
    async with db.write() as connection:
        await put_within(db, connection, key, result_kind, result, created, expires)


async def put_within(
    db: Database,
    connection: AsyncConnection,
    key: str,
    result_kind: str,
    result: bytes | None,
    created: float,
    expires: float | None = None,
) -> None:
    """`put` inside a transaction that is open."""
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    kept = {"result_kind": result_kind, "result": result, "created": created, "expires": expires}
    await connection.execute(
        insert(cache).values(key=key, **kept).on_conflict_do_update(index_elements=["key"], set_=kept)
    )


async def delete_expired(db: Database) -> int:
    """Delete one batch of the results that have expired by the database's clock; returns their number."""
    async with db.write() as connection:
        # A moment that is known before: no index is searched by one that may change while it is.
        over = cache.c.expires <= db.moment((await db.time_within(connection)).timestamp())
        oldest = select(cache.c.key).where(over).order_by(cache.c.expires).limit(_IN_ONE_QUERY)
        # Checked again for each key: a new result may have been stored meanwhile.
        return (await connection.execute(delete(cache).where(cache.c.key.in_(oldest), over))).rowcount


def _alive(db: Database, now: float | None) -> ColumnElement[bool]:
    moment = db.now() if now is None else db.moment(now)
    return or_(cache.c.expires.is_(None), cache.c.expires > moment)
