"""Values of Python's own types, and what their subclasses inherit from them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

from .digests import Walk, digest_of

Maker = Callable[[Walk, Any], bytes]
_LIST, _TUPLE, _DICT, _ORDERED = cast("tuple[Any, ...]", (list, tuple, dict, OrderedDict))  # without types
_ENUM_ITSELF = ("_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_")


def of_enum(walk: Walk, value: Any, kind: type[Any]) -> bytes | None:
    """A member of an enumeration: its class, name and value, and attributes beyond these."""
    if not issubclass(kind, Enum):
        return None
    member = cast("Enum", value)
    more = [(name, part) for name, part in vars(member).items() if name not in _ENUM_ITSELF]
    return digest_of("enum", walk.of(kind), walk.members([member.name, member.value]), walk.entries(more))


def _nothing(_walk: Walk, _value: Any) -> bytes:
    return b""


def _text(_walk: Walk, value: Any) -> bytes:
    return str.encode(value, "utf-8", "surrogatepass")


def _bytes(_walk: Walk, value: Any) -> bytes:
    return bytes(memoryview(value))


def _int(_walk: Walk, value: Any) -> bytes:
    return int.to_bytes(value, int.bit_length(value) // 8 + 1, "big", signed=True)


def _float(walk: Walk, value: Any) -> bytes:
    return walk.of(float.__pos__(value))


def _complex(walk: Walk, value: Any) -> bytes:
    return walk.of(complex.__pos__(value))


def _decimal(_walk: Walk, value: Any) -> bytes:
    return repr(Decimal.as_tuple(value)).encode()


def _list(walk: Walk, value: Any) -> bytes:
    return walk.members(_LIST.__iter__(value))


def _tuple(walk: Walk, value: Any) -> bytes:
    return walk.members(_TUPLE.__iter__(value))


def _set(walk: Walk, value: Any) -> bytes:
    kind: Any = set if isinstance(value, set) else frozenset
    return walk.unordered(kind.__iter__(value))


def _dict(walk: Walk, value: Any) -> bytes:
    return walk.entries(_DICT.items(value))


def _ordered(walk: Walk, value: Any) -> bytes:
    return walk.entries(_ORDERED.items(value))


def _with_default(walk: Walk, value: Any) -> bytes:
    return walk.of(value.default_factory) + _dict(walk, value)


def _slice(walk: Walk, value: Any) -> bytes:
    return walk.members([value.start, value.stop, value.step])


def _date(_walk: Walk, value: Any) -> bytes:
    return repr((value.year, value.month, value.day)).encode()


def _time(walk: Walk, value: Any) -> bytes:
    clock = (value.hour, value.minute, value.second, value.microsecond, value.fold)
    return repr(clock).encode() + walk.of(value.tzinfo)


def _moment(walk: Walk, value: Any) -> bytes:
    return _date(walk, value) + _time(walk, value)


def _span(_walk: Walk, value: Any) -> bytes:
    return repr((value.days, value.seconds, value.microseconds)).encode()


def _path(_walk: Walk, value: Any) -> bytes:
    return PurePath.__str__(value).encode("utf-8", "surrogatepass")


# Looked up by exact type; the tag of the digest is the type's name.
EXACT: dict[type[Any], Maker] = {
    bytearray: _bytes,
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _dict,
    Decimal: _decimal,
    range: _slice,
    slice: _slice,
    date: _date,
    time: _time,
    timedelta: _span,
    datetime: _moment,
}

# What an instance of a subclass holds besides its attributes.
BASES: dict[type[Any], Maker] = {
    object: _nothing,
    tzinfo: _nothing,
    str: _text,
    bytes: _bytes,
    int: _int,
    float: _float,
    complex: _complex,
    OrderedDict: _ordered,
    defaultdict: _with_default,
    PurePath: _path,
    **{kind: maker for kind, maker in EXACT.items() if kind not in (range, slice)},
}

CONSTANT = frozenset(
    (type(None), bool, int, float, complex, str, bytes, tuple, frozenset, Decimal, range, slice)
    + (date, time, timedelta, datetime)
)
