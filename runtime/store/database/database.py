"""The open database: connections, transactions and the database's own clock."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, event, func, literal, select, type_coerce
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from ...foundation import clock
from ...foundation.private_files import make_file, shut_database
from ...foundation.settings import home_folder
from . import schema, sqlite_connections
from .failures import plain_url, refused, translate
from .sqlite_writer import SqliteWriter
from .types import Timestamp, to_micros
from .urls import Target, target_of

T = TypeVar("T")


class Database:
    """An opened and migrated database; belongs to the event loop on which it was opened.

    Verbs take it as their first argument. `read()` and `write()` open one transaction each, and turn driver
    errors into Heliostat's errors.
    """

    def __init__(self, target: Target, engine: AsyncEngine) -> None:
        self.dialect = target.dialect
        self.engine = engine
        # Each Postgres statement sees what is committed by then, in a transaction or not: beginning and
        # ending # a transaction would cost two more round trips.
        self._reading = engine if self.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._target = target
        self._write_turn = (
            asyncio.Lock()
        )  # SQLite: writers of one process queue here instead of polling the lock
        self._sqlite_writer: SqliteWriter | None = None
        self._closed_first: list[Callable[[], Awaitable[None]]] = []

    @classmethod
    async def open(cls, database_url: str, *, migrate: bool = True) -> Database:
        """Open the database, creating and migrating it on first use.

        Raises BadSetting (no such kind of database), DatabaseUnavailable, SchemaTooNew.
        """
        target = await asyncio.to_thread(target_of, database_url)
        engine = engine_for(target)
        database = cls(target, engine)
        try:
            async with database.failures_told():
                await schema.ensure(engine, migrate=migrate)
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def url(self) -> str:
        """Where the database is, without its password."""
        return plain_url(self._target.url)

    @property
    def target(self) -> Target:
        """Where the database is, with its password, and the arguments of its driver."""
        return self._target

    @property
    def is_sqlite(self) -> bool:
        return self.dialect == "sqlite"

    async def close(self) -> None:
        """Give back every connection."""
        for close in self._closed_first:
            await close()
        if self._sqlite_writer is not None:
            await self._sqlite_writer.close()
            self._sqlite_writer = None
        await self.engine.dispose()
        if self.is_sqlite:
            await sqlite_connections.fold(self._target.path)

    def close_first(self, close: Callable[[], Awaitable[None]]) -> None:
        """Register a callback to close an owner of a separate connection before the database is closed."""
        self._closed_first.append(close)

    async def ping(self) -> None:
        """Ask the database for a sign of life. Raises DatabaseUnavailable."""
        async with self.read() as connection:
            await connection.scalar(select(literal(1)))

    async def time(self) -> datetime:
        """What the database's clock shows. Raises DatabaseUnavailable."""
        async with self.read() as connection:
            return await self.time_within(connection)

    async def time_within(self, connection: AsyncConnection) -> datetime:
        """The time of the database's clock, inside an open transaction. Times that several hosts compare must
        come from this clock, because their own may differ.
        """
        return (await connection.execute(select(type_coerce(self.now(), Timestamp())))).scalar_one()

    @asynccontextmanager
    async def failures_told(self) -> AsyncGenerator[None]:
        """Turn driver errors raised inside into DatabaseUnavailable or UnstorableValue where they mean
        that.
        """
        try:
            yield
        except Exception as error:
            told = translate(error, self._target.url) or refused(error)
            if told is None:
                raise
            raise told from error

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection that only reads. On SQLite all statements see one snapshot; on Postgres each statement
        sees what is committed by then.
        """
        async with self._connected(self._reading) as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that writes: committed at the end, rolled back when an error leaves it."""
        async with self._write_turn if self.is_sqlite else nullcontext(), self._connected() as connection:
            await connection.execution_options(heliostat_writes=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def asyncpg_write(self) -> AsyncGenerator[Any]:
        """A write transaction on the bare asyncpg connection, for the hot path."""
        async with self._connected() as connection:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            async with driver.transaction():
                yield driver

    @asynccontextmanager
    async def asyncpg_statements(self) -> AsyncGenerator[Any]:
        """The bare asyncpg connection where each statement is its own transaction, which saves round
        trips.
        """
        async with self._connected() as connection:
            yield (await connection.get_raw_connection()).driver_connection

    async def sqlite_write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run `act` in one write transaction on a separate thread: one thread switch for any number of
        statements.
        """
        async with self.failures_told(), self._write_turn:
            if self._sqlite_writer is None:
                self._sqlite_writer = SqliteWriter(self._target.path)
            return await self._sqlite_writer.write(act)

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection from the pool; a broken one is not returned to it."""
        async with self.failures_told(), (engine or self.engine).connect() as connection:
            try:
                yield connection
            except Exception as error:
                if not connection.closed and translate(error, self._target.url) is not None:
                    await connection.invalidate()
                raise

    def now(self) -> ColumnElement[Any]:
        """The database's time when the statement is executed: its own clock's on Postgres, this host's on
        SQLite.
        """
        if self.is_sqlite:
            return bindparam("now", type_=Timestamp(), callable_=clock.epoch_s, unique=True)
        return func.clock_timestamp(type_=Timestamp())

    def moment(self, epoch_s: float) -> ColumnElement[Any]:
        """A given moment as an SQL expression."""
        return literal(epoch_s, Timestamp())

    def from_now(self, seconds: float) -> ColumnElement[Any]:
        """The moment `seconds` after the database's now."""
        if self.is_sqlite:
            return bindparam(
                "from_now", type_=Timestamp(), callable_=lambda: clock.epoch_s() + seconds, unique=True
            )
        return self.seconds_from_now(literal(seconds))

    def seconds_from_now(self, seconds: ColumnElement[float]) -> ColumnElement[Any]:
        """`from_now` for seconds that are an SQL expression."""
        if self.is_sqlite:
            now = bindparam(
                "now", type_=BigInteger(), callable_=lambda: to_micros(clock.epoch_s()), unique=True
            )
            return type_coerce(now + cast(seconds * 1_000_000, BigInteger), Timestamp())
        # make_interval(years, months, weeks, days, hours, mins, secs)
        return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def engine_for(target: Target, poolclass: type[NullPool] | None = None) -> AsyncEngine:
    """A SQLAlchemy engine with the settings that Heliostat's guarantees need.

    `poolclass=NullPool` is for a separate connection (Postgres only).
    """
    if target.dialect == "sqlite":
        with suppress(OSError):  # opening it reports why it cannot be created
            make_file(target.path)
        shut_database(target.path, home_folder())
        engine = create_async_engine(
            target.url, pool_size=6, max_overflow=2, async_creator=sqlite_connections.connector(target.path)
        )
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    pool: dict[str, Any] = {"poolclass": poolclass} if poolclass else _pool(target)
    engine = create_async_engine(
        target.url,
        **pool,
        connect_args=target.connect_args,
        json_serializer=_json_text,
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _pool(target: Target) -> dict[str, Any]:
    return {
        "pool_size": target.pool_size,
        "max_overflow": 2,
        "pool_timeout": 30,
    }


def _refuse_closed(connection: AdaptedConnection, _record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Refuse a connection that is known to be closed, so that a restart of the server fails no verb."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("heliostat_writes")
    driver: sqlite_connections.SqliteConnection = connection.connection.driver_connection
    driver.begin(sqlite_connections.BEGIN_WRITE if writes else sqlite_connections.BEGIN_READ)
