"""Values on their way between processes: small ones as bytes, large ones by reference.

Plain `pickle` names classes of the author's script by module, which another process cannot import;
cloudpickle carries them by value but costs ten times as much. So plain pickle goes first and its bytes are
searched for such a name.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .. import by_value
from ..errors import CannotPickle

BY_VALUE_PREFIX = "heliostat_flows_"  # modules loaded from a file's path are named with it
_UNTRAVELLED = (b"__main__", BY_VALUE_PREFIX.encode())
_PLAIN = frozenset((int, float, bool, str, bytes, type(None)))


def dump(value: Any) -> bytes:
    """`value` as bytes that any process with the same packages can load; raises CannotPickle."""
    try:
        blob = pickle.dumps(value, 5)
        if not any(name in blob for name in _UNTRAVELLED):
            return blob
    except Exception:  # cloudpickle may still manage, and explains better
        pass
    try:
        return by_value.dumps(value)
    except Exception as error:
        raise _cannot_pickle(value, error) from error


def _cannot_pickle(value: Any, error: Exception) -> CannotPickle:
    return CannotPickle(
        f"a value of type {type(value).__qualname__} cannot be sent to another process: {error}",
        hint="Pass plain data, or what is needed to make the object again (a path, an address), "
        "or run the flow with task_runner='threads'.",
    )


def check_that_it_travels(value: Any) -> None:
    """Raise CannotPickle as `dump` does, without copying what is large in arrays and frames."""
    if isinstance(value, (bytes, bytearray, str)):
        return
    try:
        pickle.dumps(value, 5, buffer_callback=_without_copy)
    except Exception:
        try:
            by_value.dumps(value, _without_copy)
        except Exception as error:
            raise _cannot_pickle(value, error) from error


def _without_copy(_buffer: pickle.PickleBuffer) -> bool:
    return False


def load(blob: bytes) -> Any:
    """The value that `dump` was given."""
    return pickle.loads(blob)


def is_plain(value: Any) -> bool:
    """Whether `value` is a scalar that needs no search for futures inside."""
    return type(value) in _PLAIN


def surely_larger_than(value: Any, limit_bytes: int) -> bool:
    """Whether a cheap look already tells that the pickled value exceeds the limit (arrays, frames, long
    text).
    """
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes > limit_bytes
    if isinstance(value, (str, bytes, bytearray)):
        return len(value) > limit_bytes
    return (
        isinstance(value, (list, tuple, dict, set)) and sys.getsizeof(cast(object, value)) > 8 * limit_bytes
    )


@dataclass(frozen=True, slots=True)
class RefSlot:
    """Stands for item `position` of the large values behind the `slot`-th reference of a Ray call."""

    slot: int
    position: int


@dataclass(frozen=True, slots=True)
class StoredSlot:
    """Stands for a value in result storage."""

    url: str
    key: str
    serializer: str


def substitute(value: Any, wanted: tuple[type, ...], replace: Callable[[Any], Any]) -> Any:
    """`value` with everything of the wanted types inside lists, tuples, sets and dicts replaced.

    Containers without such an entry are returned as they are, not copied. Depth is bounded by Python's
    recursion.
    """
    kind = cast("type[Any]", type(value))
    if kind in _PLAIN:
        return value
    if isinstance(value, wanted):
        return replace(value)
    if kind is list or kind is tuple or kind is set:
        entries = list(cast("list[Any]", value))
        if all(type(entry) in _PLAIN for entry in entries):
            return value
        changed = [substitute(entry, wanted, replace) for entry in entries]
        same = all(new is old for new, old in zip(changed, entries, strict=True))
        return value if same else cast("Any", kind(changed))
    if kind is dict:
        mapping = cast("dict[Any, Any]", value)
        renewed = {key: substitute(entry, wanted, replace) for key, entry in mapping.items()}
        return mapping if all(renewed[key] is mapping[key] for key in mapping) else renewed
    return value
