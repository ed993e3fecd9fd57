"""Arguments that belong to one call: taken as they are when the call is made, and made anew for each attempt.

A call that runs in another process must see what its author gave at the time of the call, whatever the author
or other calls do to those objects afterwards. So what can be changed is pickled at once (`Own`) and unpickled
for each attempt; what is large is put into the object store (`Lent`). What every call of a map gets whole is
put there once, and arrays in it are read-only, as with Ray itself. What cannot be changed (numbers, text,
bytes, dates, tuples of these) is left as it is and costs nothing.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any, cast
from uuid import UUID

from ..authoring.futures import AllowFailure, TaskFuture, TaskFutureList
from ..foundation.errors import CannotPickle, HiddenFuture
from ..values.caching import input_hash
from . import payload
from .calls import Columns, Row, Rows
from .nested_futures import futures_in
from .payload import Lent, Own

LENT_FROM_BYTES = 64 * 1024  # from here on a value goes to the object store
_PART_BYTES = 4 * 1024 * 1024
_RIDES_ALONG_BYTES = 1024  # what every call of a map gets goes with each call's own arguments up to this size
_FIXED: set[type[Any]] = {
    *payload.PLAIN,
    complex,
    range,
    date,
    datetime,
    time,
    timedelta,
    timezone,
    Decimal,
    Fraction,
    UUID,
    PosixPath,
    PurePosixPath,
    PureWindowsPath,
    TaskFuture,
    TaskFutureList,
}


_UNTAKEN = (CannotPickle, RecursionError)


def is_fixed(value: Any) -> bool:
    """Whether nobody can change the value."""
    kind = cast("type[Any]", type(value))
    if kind in _FIXED:
        return True
    if kind is tuple or kind is frozenset:
        return all(map(is_fixed, value))
    if kind is AllowFailure:
        return is_fixed(value.value)
    return _is_fixed_kind(kind)


def are_fixed(values: Iterable[Any]) -> bool:
    """Whether nobody can change any of the values; quick for many plain ones."""
    if isinstance(values, (range, TaskFutureList)):
        return True
    listed = cast("list[Any]", values if isinstance(values, (list, tuple)) else list(values))
    return _FIXED.issuperset(map(type, listed)) or all(map(is_fixed, listed))


def _is_fixed_kind(kind: type[Any]) -> bool:
    numpy: Any = sys.modules.get("numpy")  # a number of its kinds cannot exist before its import
    if numpy is None or not issubclass(kind, numpy.generic) or issubclass(kind, (numpy.void, numpy.object_)):
        return False
    _FIXED.add(kind)
    return True


def own(value: Any, *, is_large: bool = False) -> Own:
    """The value as it is now; raises CannotPickle. `is_large`: it is known to be."""
    if not is_large:
        blob = payload.dump(value)
        if len(blob) < LENT_FROM_BYTES:
            return Own(blob)
    buffers: list[Any] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LENT_FROM_BYTES:
            return True
        buffers.append(buffer)
        return False

    blob = payload.dump(value, is_small)
    return Own(blob, tuple(buffers))


def _is_large(value: Any) -> bool:
    return payload.surely_larger_than(value, LENT_FROM_BYTES)


def shared(value: Any) -> Own:
    """A large result on its way into the object store; raises CannotPickle."""
    mine = own(value, is_large=True)
    mine.is_shared = True
    return mine


class Taker:
    """Takes arguments as they are now, for a lane whose workers are other processes.

    `put` lays a value where workers read it and gives a reference, `fetch` gives what lies behind one. What
    cannot be pickled stays what it is: to send it fails, which is told then. With futures inside, arguments
    stay objects, copied.
    """

    def __init__(self, put: Callable[[Own], Any], fetch: Callable[[Any], Any]) -> None:
        self._put = put
        self._fetch = fetch

    def row(self, row: Row) -> Row | Own | Lent:
        """The arguments of one call; what is one object in two of them stays one."""
        args, kwargs = row
        if are_fixed(args) and (not kwargs or are_fixed(kwargs.values())):
            return row
        return self._taken(row, any(map(_is_large, args)) or any(map(_is_large, kwargs.values())))

    def entries(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Rows of column entries that were read from iterators."""
        return [row if are_fixed(row) else tuple(map(self._entry, row)) for row in rows]

    def calls(self, columns: Columns) -> Columns | Rows:
        """The arguments of a map: what every call gets whole is taken once."""
        spread = [entry for is_spread, entry in columns.entries() if is_spread and not are_fixed(entry)]
        constants = [entry for is_spread, entry in columns.entries() if not is_spread and not is_fixed(entry)]
        if len(spread) + len(constants) > 1 and spread and self._are_small(constants):
            try:  # together, so that what is one object in two arguments of a call stays one
                return Rows([self._kept(own(columns.row(position))) for position in range(columns.size)])
            except _UNTAKEN:
                pass
        columns.replace(lambda is_spread, entry: self._column(entry) if is_spread else self._constant(entry))
        return columns

    def _are_small(self, constants: list[Any]) -> bool:
        try:
            return not constants or len(own(constants)) <= _RIDES_ALONG_BYTES
        except _UNTAKEN:
            return False

    def _column(self, column: Any) -> Any:
        return column if are_fixed(column) else [self._entry(entry) for entry in column]

    def _entry(self, entry: Any) -> Any:
        return entry if is_fixed(entry) else self._taken(entry, _is_large(entry))

    def _constant(self, value: Any) -> Any:
        is_large = _is_large(value)
        return value if is_fixed(value) and not is_large else self._taken(value, is_large, is_shared=True)

    def _taken(self, value: Any, is_large: bool, is_shared: bool = False) -> Any:
        try:
            mine = own(value, is_large=is_large)
            if is_shared and len(mine) >= LENT_FROM_BYTES:
                mine.is_shared, mine.digest = True, _digest_of(mine, value)
            return self._kept(mine)
        except HiddenFuture:
            return _copied(value) if futures_in(value) else value
        except _UNTAKEN:
            return value

    def _kept(self, mine: Own) -> Own | Lent:
        if len(mine) < LENT_FROM_BYTES:
            return mine
        return Lent(self._put(mine), self._fetch, mine.digest)


def _digest_of(mine: Own, value: Any) -> bytes | None:
    """What stands for a large value in the hash of inputs; bytes of arrays are hashed on several cores."""
    if not mine.buffers or len(mine.blob) > _RIDES_ALONG_BYTES:
        return input_hash((value,), {})
    raw = [buffer.raw() for buffer in mine.buffers]
    parts = [each[at : at + _PART_BYTES] for each in raw for at in range(0, len(each), _PART_BYTES)]
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(_digest_of_part, parts))
    sizes = repr([len(each) for each in raw]).encode()
    return blake2b(b"".join([mine.blob, sizes, *digests]), digest_size=8).digest()


def _digest_of_part(part: memoryview) -> bytes:
    return blake2b(part, digest_size=20).digest()


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever the author's objects raise when they are copied
        return value


class Arguments:
    """The arguments of a call in its worker, made anew for each attempt."""

    __slots__ = ("_row", "_value_of")

    def __init__(self, row: Row | Own, value_of: payload.ValueOf) -> None:
        self._row = row
        self._value_of = value_of

    def make(self) -> Row:
        """New ones."""
        row: Any = self._row
        if isinstance(row, Own):
            row = row.load(self._value_of)
        args, kwargs = row
        return (
            tuple(self._loaded(entry) for entry in args),
            {name: self._loaded(entry) for name, entry in kwargs.items()},
        )

    def for_hash(self, made: Row) -> Row:
        """Those that were made, with digests in place of large values that many calls get."""
        if isinstance(self._row, Own):
            return made
        args, kwargs = self._row
        return (
            tuple(_digested(entry, mine) for entry, mine in zip(args, made[0], strict=True)),
            {name: _digested(kwargs[name], mine) for name, mine in made[1].items()},
        )

    def _loaded(self, entry: Any) -> Any:
        return entry.load(self._value_of) if type(entry) is Own else entry


def needs_making(row: Row | Own) -> bool:
    """Whether a call's arguments are to be made anew for each attempt."""
    if isinstance(row, Own):
        return True
    return any(type(entry) is Own for entry in (*row[0], *row[1].values()))


def loaded_row(row: Row | Own | Lent) -> Row:
    """The arguments of a call as objects."""
    args, kwargs = row.load() if isinstance(row, (Own, Lent)) else row
    return tuple(map(_loaded, args)), {name: _loaded(entry) for name, entry in kwargs.items()}


def hashable_row(row: Row | Own | Lent) -> Row:
    """The arguments of a call as objects, with digests in place of large values that many calls get."""
    args, kwargs = row.load() if isinstance(row, (Own, Lent)) else row
    return (
        tuple(_digested(entry, None) for entry in args),
        {name: _digested(entry, None) for name, entry in kwargs.items()},
    )


def _loaded(entry: Any) -> Any:
    return entry.load() if isinstance(entry, (Own, Lent)) else entry


def _digested(entry: Any, made: Any) -> Any:
    if not isinstance(entry, (Own, Lent)):
        return entry
    if entry.digest is not None:
        return ("digest of a large argument", entry.digest)
    return entry.load() if made is None else made
