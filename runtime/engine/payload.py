"""Values on their way between processes: small ones as bytes, large ones by reference.

Plain `pickle` names classes of the author's script by module, which another process cannot import;
cloudpickle carries them by value but costs ten times as much. So plain pickle goes first and its bytes are
searched for such a name.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .. import by_value
from ..errors import CannotPickle, HiddenFuture

BY_VALUE_PREFIX = "heliostat_flows_"  # modules loaded from a file's path are named with it
_UNTRAVELLED = (b"__main__", BY_VALUE_PREFIX.encode())
PLAIN = frozenset((int, float, bool, str, bytes, type(None)))


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
    if isinstance(error, HiddenFuture):
        return HiddenFuture(f"{error} ({type(value).__qualname__})", hint=error.hint)
    if isinstance(error.__context__, RecursionError) or isinstance(error, RecursionError):
        return CannotPickle(
            f"a value of type {type(value).__qualname__} is nested too deeply to be sent to another process",
            hint="Pass it in a flatter form, or run the flow with task_runner='threads'.",
        )
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
    return type(value) in PLAIN


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
    """Stands for item `position` of the large values behind the `slot`-th reference of a Ray call, and is
    unpickled as that value by `load_filled`.
    """

    slot: int
    position: int

    def __reduce__(self) -> Any:
        return _fill_ref, (self.slot, self.position)


@dataclass(frozen=True, slots=True)
class StoredSlot:
    """Stands for a value in result storage, and is unpickled as that value by `load_filled`."""

    url: str
    key: str
    serializer: str

    def __reduce__(self) -> Any:
        return _fill_stored, (self.url, self.key, self.serializer)


_filling = threading.local()


def load_filled(blob: bytes, value_of: Callable[[RefSlot | StoredSlot], Any]) -> Any:
    """What `dump` was given, with `value_of(slot)` in place of each slot."""
    _filling.value_of = value_of
    try:
        return pickle.loads(blob)
    finally:
        del _filling.value_of


def _fill_ref(slot: int, position: int) -> Any:
    return _filling.value_of(RefSlot(slot, position))


def _fill_stored(url: str, key: str, serializer: str) -> Any:
    return _filling.value_of(StoredSlot(url, key, serializer))
