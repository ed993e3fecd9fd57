"""The walk through a value: the digest of a container is made of the digests of its parts.

Every digest is made of a tag and parts, each framed by its length, so that different shapes cannot give equal
bytes. An object that is met again inside itself counts by the number of levels up to it. Where aliases count,
a mutable object that is met again counts as "met as number n": `[row] * 2` and two equal rows behave
differently once a task changes one of them.
"""

from __future__ import annotations

import enum
import marshal
import sys
from collections.abc import Callable, Iterable
from typing import Any, cast

from ...foundation.errors import NoFingerprint
from . import arrays, code, objects, plain, tables
from .digests import Mode, digest_of
from .places_in_keys import name_in_keys

_SCALARS = frozenset((type(None), bool, int, float, complex, str, bytes))
_ALIASED = (list, dict, set, bytearray)


Memo = dict[int, tuple[object, bytes]]  # digests of functions and classes that do not change meanwhile


class Walk:
    """Makes the digests of one value, or of several that are used together."""

    def __init__(self, mode: Mode = Mode.DATA, *, aliases: bool = False, memo: Memo | None = None) -> None:
        self.mode = mode
        self.in_code = mode is not Mode.DATA
        self._aliases = aliases
        self._memo: Memo = {} if memo is None else memo
        self._open: dict[int, int] = {}  # the objects that the walk is inside of, and at which level
        self._lowest = sys.maxsize  # the lowest level that an object inside referred back to
        self._met: dict[int, tuple[object, int]] = {}

    def whole(self, value: Any) -> bytes:
        """The digest of a whole value; raises NoFingerprint, also when the value's own code fails."""
        try:
            return self.of(value)
        except NoFingerprint:
            raise
        except Exception as error:  # from an author's method, or a dict that changes meanwhile
            raise NoFingerprint(f"looking at it raised {type(error).__name__}: {error}") from error

    def of(self, value: Any) -> bytes:
        """The digest of a value; raises NoFingerprint."""
        kind = cast("type[Any]", type(value))
        if kind in _SCALARS:
            return digest_of("plain", marshal.dumps(value, 2))
        identity = id(value)
        level = self._open.get(identity)
        if level is not None:
            self._lowest = min(self._lowest, level)
            return digest_of("up", str(len(self._open) - level).encode())
        known = self._memo.get(identity)
        if known is not None and known[0] is value:
            return known[1]
        if self._aliases and not self.in_code:
            again = self._alias(value, kind)
            if again is not None:
                return again
        self._open[identity] = len(self._open)
        try:
            return self._digest(value, kind)
        except RecursionError as error:
            raise NoFingerprint("it is nested too deeply") from error
        finally:
            del self._open[identity]

    def remembered(self, value: Any, make: Callable[[], bytes]) -> bytes:
        """The digest that `make` returns for a function or class; kept unless it depends on the path to
        it.
        """
        level, outside = self._open[id(value)], self._lowest
        self._lowest = sys.maxsize
        try:
            made = make()
            if self._lowest >= level:
                self._memo[id(value)] = (value, made)
            return made
        finally:
            self._lowest = min(outside, self._lowest if self._lowest < level else sys.maxsize)

    def members(self, values: Iterable[Any]) -> bytes:
        """The digest parts of values in order."""
        listed = list(values)
        if _SCALARS.issuperset(map(type, listed)):
            return b"plain" + marshal.dumps(listed, 2)
        return b"parts" + b"".join(map(self.of, listed))

    def unordered(self, values: Iterable[Any]) -> bytes:
        """The digest parts of values whose order does not matter."""
        return b"".join(sorted(map(self.of, values)))

    def entries(self, pairs: Iterable[tuple[Any, Any]]) -> bytes:
        """The digest parts of keys and values in order, which code that iterates can see."""
        return self.members(part for pair in pairs for part in pair)

    def _alias(self, value: Any, kind: type[Any]) -> bytes | None:
        if not (issubclass(kind, _ALIASED) or _may_change(value, kind)):
            return None
        met = self._met.get(id(value))
        if met is not None:
            return digest_of("met", str(met[1]).encode())
        self._met[id(value)] = (value, len(self._met))  # kept alive, so that its id is not used again
        return None

    def _digest(self, value: Any, kind: type[Any]) -> bytes:
        maker = plain.EXACT.get(kind)
        if self.mode is Mode.ORIGIN and not _is_constant(kind):
            return code.of_code(self, value, kind) or digest_of("kind", name_in_keys(kind))
        if maker is not None:
            return digest_of(kind.__name__, maker(self, value))
        return (
            code.of_code(self, value, kind)
            or plain.of_enum(self, value, kind)
            or arrays.of_array(self, value, kind)
            or tables.of_table(self, value, kind)
            or objects.of_object(self, value, kind)
        )


def _may_change(value: Any, kind: type[Any]) -> bool:
    """Whether a change of the value through one reference can be seen through another."""
    return arrays.is_array(value) or bool(
        kind.__dictoffset__
        and not code.is_installed(kind.__module__)
        and not issubclass(kind, (type, enum.Enum))
    )


def _is_constant(kind: type[Any]) -> bool:
    return kind in plain.CONSTANT or issubclass(kind, enum.Enum)
