"""A stored value as JSON for people, without running anything that is in it.

A pickle may name any class and call any function. Here it can do neither: names become stand-ins that only
remember what they were called with.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import zlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePath, PurePosixPath
from typing import Any, cast
from uuid import UUID

MOST_BYTES = 2_000_000
_MOST_ITEMS = 200
_MOST_TEXT = 4_000
_MOST_DEPTH = 8
_MOST_VALUES = 5_000
_COMPRESSED = "compressed/"

# Classes that are made from plain values and do nothing else.
_HARMLESS: dict[tuple[str, str], Callable[..., Any]] = {
    ("datetime", "datetime"): datetime,
    ("datetime", "date"): date,
    ("datetime", "time"): time,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("decimal", "Decimal"): Decimal,
    ("uuid", "UUID"): UUID,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("pathlib", "PosixPath"): PurePosixPath,
    ("pathlib", "PurePosixPath"): PurePosixPath,
}
_TOLD_AS_TEXT = (date, time, timedelta, timezone, Decimal, UUID, PurePath, complex)


class _StandIn:
    """In place of an object of a class that is not loaded."""

    named = "object"

    def __new__(cls, *given: Any, **named: Any) -> _StandIn:
        self = super().__new__(cls)
        self.__dict__["given"] = given
        return self

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> _StandIn:
        return self

    def __setstate__(self, state: Any) -> None:
        self.__dict__["state"] = state

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None:
        """Takes the items of list-like objects."""

    def extend(self, _: Any) -> None:
        """Takes the items of list-like objects."""

    def __hash__(self) -> int:
        return id(self)


# The unpickler written in Python: the one in C makes room for as many objects as the bytes claim to have.
_PythonUnpickler: type[pickle.Unpickler] = pickle._Unpickler  # type: ignore[attr-defined]  # pyright: ignore


class _Careful(_PythonUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A harmless class, or a stand-in for anything else."""
        known = _HARMLESS.get((module, name))
        if known is not None:
            return known
        return type(
            name.rsplit(".", 1)[-1][:80] or "object", (_StandIn,), {"named": f"{module}.{name}"[:200]}
        )

    def persistent_load(self, pid: Any) -> Any:
        """What the pickle leaves to its reader stays unknown."""
        return None


def preview(data: bytes, serializer: str) -> dict[str, Any]:
    """`value` as JSON with what is too long cut (`cut` says so), its `type`, and `problem` where the bytes
    cannot be shown.
    """
    try:
        if serializer.startswith(_COMPRESSED):
            serializer = serializer.removeprefix(_COMPRESSED)
            data = zlib.decompressobj().decompress(data, MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            return _problem(f"it is larger than {MOST_BYTES // 1_000_000} MB")
        if serializer == "json":
            value: Any = json.loads(data)
        elif serializer == "pickle":
            value = _Careful(io.BytesIO(data)).load()
        else:
            return _problem(f"this server does not know its serializer {serializer[:80]!r}")
        shown = _Shown()
        return {
            "value": shown.of(value),
            "type": _type_of(value),
            "cut": shown.is_cut,
            "problem": None,
        }
    except Exception as error:  # any bytes may stand there
        return _problem(f"its bytes cannot be read ({type(error).__name__})")


def _problem(text: str) -> dict[str, Any]:
    return {"value": None, "type": None, "cut": False, "problem": text}


def _type_of(value: Any) -> str:
    if isinstance(value, _StandIn):
        return value.named
    return "None" if value is None else type(value).__name__


class _Shown:
    """Values as JSON, not too deep and not too many."""

    def __init__(self) -> None:
        self.is_cut = False
        self._left = _MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        """The JSON of one value."""
        self._left -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if abs(value) < 2**53 else str(value)[:_MOST_TEXT]
        if isinstance(value, float):
            return value if value - value == 0 else str(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray):
            start = base64.b64encode(bytes(value[:60])).decode()
            return f"<{len(value)} bytes: {start}{'…' if len(value) > 60 else ''}>"
        if depth >= _MOST_DEPTH or self._left <= 0:
            self.is_cut = True
            return f"<{_type_of(value)}>"
        return self._composed(value, depth)

    def _composed(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            entries = cast("Mapping[Any, Any]", value)
            self.is_cut = self.is_cut or len(entries) > _MOST_ITEMS
            some = list(entries.items())[:_MOST_ITEMS]
            return {self._key(key): self.of(each, depth + 1) for key, each in some}
        if isinstance(value, list | tuple | set | frozenset):
            items = list(cast("list[Any]", value))
            self.is_cut = self.is_cut or len(items) > _MOST_ITEMS
            return [self.of(each, depth + 1) for each in items[:_MOST_ITEMS]]
        if isinstance(value, _StandIn):
            parts = value.__dict__.get("state") or list(value.__dict__.get("given", ()))
            return {f"<{value.named}>": self.of(parts, depth + 1)} if parts else f"<{value.named}>"
        if isinstance(value, type) and issubclass(value, _StandIn):
            return f"<{value.named}>"
        if isinstance(
            value, datetime | date | time | timedelta | timezone | Decimal | UUID | PurePath | complex
        ):
            return str(value)[:_MOST_TEXT]
        return f"<{_type_of(value)}>"

    def _key(self, key: Any) -> str:
        return self._text(key) if isinstance(key, str) else str(self.of(key, _MOST_DEPTH))

    def _text(self, text: str) -> str:
        if len(text) <= _MOST_TEXT:
            return text
        self.is_cut = True
        return text[:_MOST_TEXT] + "…"
