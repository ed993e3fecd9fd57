"""Values as bytes and back, by serializers whose names are recorded beside the bytes.

`pickle` (any Python value, by cloudpickle) and `json` (plain data that other programs can read) are built in;
`compressed/` before the name of any serializer, also a user's own, compresses its bytes.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

from ..foundation.errors import CannotPickle, ResultLost, UserError

_COMPRESSED = "compressed/"
_MAX_DEPTH = 8
_MAX_TRIALS = 200


@dataclass(frozen=True, slots=True)
class Serializer:
    """A named pair of functions; `loads(dumps(value))` gives an equal value, also in another process."""

    name: str
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


_registry: dict[str, Serializer] = {}


def register_serializer(serializer: Serializer) -> None:
    """Make a custom serializer usable by its name; a later one of that name replaces it."""
    if not serializer.name or serializer.name.startswith(_COMPRESSED):
        raise UserError(f"{serializer.name!r} cannot be the name of a serializer: it is empty or reserved.")
    _registry[serializer.name] = serializer


def serializer_named(name: str) -> Serializer:
    """The serializer of that name; `compressed/NAME` wraps NAME's. Raises UserError if unknown."""
    if name in _registry:
        return _registry[name]
    if name.startswith(_COMPRESSED):
        return _compressed(serializer_named(name.removeprefix(_COMPRESSED)))
    raise UserError(
        f"There is no serializer named {name!r}.",
        hint=f"Known: {', '.join(sorted(_registry))}, each also as {_COMPRESSED}NAME; add your own with"
        " register_serializer.",
    )


def dumps(value: Any, codec: str = "pickle", what: str = "value") -> bytes:
    """The bytes of a value; `what` names it in the error.

    Raises CannotPickle, with the type at fault and the path to it, when the serializer refuses the value.
    """
    serializer = serializer_named(codec)
    try:
        return serializer.dumps(value)
    except Exception as error:
        raise cannot_serialize(value, what, error, serializer) from error


def loads(data: bytes, codec: str = "pickle") -> Any:
    """The value of the bytes. Raises ResultLost when they cannot be read here (a class moved, say)."""
    serializer = serializer_named(codec)
    try:
        return serializer.loads(data)
    except Exception as error:
        raise ResultLost(
            f"A stored value ({codec}, {len(data)} bytes) cannot be read: {type(error).__name__}: {error}.",
            hint="Its class or module may have moved or changed since it was stored; run the task again.",
        ) from error


def cannot_serialize(
    value: Any, what: str, error: BaseException, serializer: Serializer | None = None
) -> CannotPickle:
    """The error for a value that cannot leave its process; it names the part at fault if that is found."""
    serializer = serializer or _registry["pickle"]
    path, part = _part_at_fault(value, serializer)
    blamed = f"{what}{path}" if path else what
    return CannotPickle(
        f"The {blamed} of type {type(part).__module__}.{type(part).__qualname__} cannot be sent or stored"
        f" ({serializer.name}): {type(error).__name__}: {error}.",
        hint="Pass what it is made from (a path, a URL, plain data) and open or build it inside the task.",
    )


def _part_at_fault(value: Any, serializer: Serializer) -> tuple[str, Any]:
    """The path of the innermost part that the serializer refuses, such as "['key'].attribute[3]", and the
    part.
    """
    path, trials = "", 0
    for _ in range(_MAX_DEPTH):
        for step, part in _parts(value):
            trials += 1
            if trials > _MAX_TRIALS:
                return path, value
            if not _accepts(serializer, part):
                path, value = path + step, part
                break
        else:
            break
    return path, value


def _accepts(serializer: Serializer, part: Any) -> bool:
    try:
        serializer.dumps(part)
    except Exception:  # a serializer that raises anything refuses the part
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in cast("Mapping[Any, Any]", value).items():
            yield f"[{key!r}]", part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(cast("list[Any]", value)):
            yield f"[{index}]", part
    elif isinstance(value, set | frozenset):
        for part in cast("set[Any]", value):
            yield "{...}", part
    elif isinstance(value, FunctionType):
        yield from _captured(value)
    else:
        for name, part in _attributes(value).items():
            yield f".{name}", part


def _captured(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What is pickled with a function: its closure and the globals that it uses."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f" -> variable {name}", cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f" -> global {name}", function.__globals__[name]


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, type):
        return {}
    attributes = dict(getattr(value, "__dict__", None) or {})
    if dataclasses.is_dataclass(value):
        attributes |= {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    return attributes


_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def _pickle(value: Any) -> bytes:
    if type(value) in _PLAIN:  # equal bytes, without the cost of cloudpickle's pickler in Python
        return pickle.dumps(value, protocol=5)
    from . import by_value  # late: reading settings or states does not need it

    return by_value.dumps(value)


def _json(value: Any) -> bytes:
    _check_keys(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _check_keys(value: Any) -> None:
    """The json module silently turns keys into text, and 1 would come back as "1"."""
    if isinstance(value, dict):
        for key, part in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str):
                raise TypeError(f"keys of JSON objects are text, not {key!r}")
            _check_keys(part)
    elif isinstance(value, list | tuple):
        for part in cast("list[Any]", value):
            _check_keys(part)


def _compressed(inner: Serializer) -> Serializer:
    return Serializer(
        _COMPRESSED + inner.name,
        lambda value: zlib.compress(inner.dumps(value)),
        lambda data: inner.loads(zlib.decompress(data)),
    )


register_serializer(Serializer("pickle", _pickle, pickle.loads))
register_serializer(Serializer("json", _json, json.loads))  # tuples come back as lists
