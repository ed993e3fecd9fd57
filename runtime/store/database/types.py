"""Column types with one meaning on both databases: they hide the differences between SQLite and Postgres."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Identity, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ...foundation import clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(epoch_s: float) -> int:
    """Microseconds since 1970: the form in which SQLite stores a moment. Halves are rounded up, as in our
    SQL.
    """
    return math.floor(epoch_s * 1e6 + 0.5)


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of a result of `to_micros`, exact to the microsecond."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


class Timestamp(TypeDecorator[datetime]):
    """A moment: TIMESTAMPTZ on Postgres, INTEGER microseconds since 1970 on SQLite.

    Accepts aware datetimes or epoch seconds; always returns aware UTC.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | float | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if isinstance(value, datetime):
            value = clock.calendar_utc(value)
            return value if dialect.name == "postgresql" else (value - _EPOCH) // _MICROSECOND
        micros = to_micros(value)
        return from_micros(micros) if dialect.name == "postgresql" else micros

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return from_micros(int(value))


class Json(TypeDecorator[Any]):
    """A JSON document: JSONB on Postgres, TEXT on SQLite. None is SQL NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.dumps(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.loads(value)


class JsonKey(TypeDecorator[str]):
    """A key of a JSON object for the operator `->>`: on SQLite a key with dots would be a path."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name == "postgresql":
            return value
        return '$."' + value.replace('"', "") + '"'


# Text that is compared byte by byte: the database's locale would only make its indexes slower.
Key = Text().with_variant(Text(collation="C"), "postgresql")

# A number that the database increments by itself.
Counter = BigInteger().with_variant(Integer(), "sqlite")


def counted() -> Identity:
    return Identity(always=False)
