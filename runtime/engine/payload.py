"""Values on their way between processes: small ones as bytes, large ones by reference.

Plain `pickle` names classes of the author's script by module, which another process cannot import;
cloudpickle carries them by value but costs ten times as much. So plain pickle goes first and its bytes are
searched for such a name.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..foundation.errors import CannotPickle, HiddenFuture
from ..values import by_value

BY_VALUE_PREFIX = "heliostat_flows_"  # modules loaded from a file's path are named with it
_SCRIPT, _FLOW_FILE = b"__main__", BY_VALUE_PREFIX.encode()  # modules that other processes cannot import
_MAX_PARAMETERS_BYTES = 16 * 1024 * 1024
PLAIN = frozenset((int, float, bool, str, bytes, type(None)))


def dump(value: Any, rides_along: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    """`value` as bytes that any process with the same packages can load; raises CannotPickle.

    `rides_along` may keep some of its buffers (arrays) out of the bytes.
    """
    try:
        blob = pickle.dumps(value, 5, buffer_callback=rides_along)
        if _SCRIPT not in blob and _FLOW_FILE not in blob:
            return blob
    except Exception:  # cloudpickle may still manage, and explains better
        pass
    try:
        _send_flow_files_by_value()
        return by_value.dumps(value, rides_along)
    except Exception as error:
        raise _cannot_pickle(value, error) from error


def _send_flow_files_by_value() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith(BY_VALUE_PREFIX):
            by_value.register(module)


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


def dump_parameters(values: dict[str, Any]) -> bytes | None:
    """A run's parameters for its next execution; None when they cannot be kept or are too large for that."""
    try:
        blob = dump(values)
    except HiddenFuture:
        for name, value in values.items():
            try:
                dump(value)
            except HiddenFuture as error:
                raise HiddenFuture(f"parameter {name!r}: {error}", hint=error.hint) from None
        raise
    except CannotPickle:
        return None
    return blob if len(blob) <= _MAX_PARAMETERS_BYTES else None


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


ValueOf = Callable[[RefSlot | StoredSlot], Any]
_filling = threading.local()


def load_filled(blob: bytes, value_of: ValueOf | None, buffers: Sequence[Any] = ()) -> Any:
    """The value behind the bytes of `dump`, with `value_of(slot)` in place of each slot."""
    around = getattr(_filling, "value_of", None)
    _filling.value_of = value_of
    try:
        return pickle.loads(blob, buffers=buffers)
    finally:
        _filling.value_of = around


class Own:
    """Pickled arguments of one call, or a large result; `buffers` are parts that the pickle leaves out.

    `digest` stands for the value in the hash of a call's inputs, where it is known. `is_shared`: many calls
    get it, so that arrays in it are read-only views on the buffers; else they are copies that may be changed.
    """

    __slots__ = ("blob", "buffers", "digest", "is_shared")

    def __init__(
        self,
        blob: bytes,
        buffers: tuple[Any, ...] = (),
        digest: bytes | None = None,
        is_shared: bool = False,
    ) -> None:
        self.blob = blob
        self.buffers = buffers
        self.digest = digest
        self.is_shared = is_shared

    def load(self, value_of: ValueOf | None = None) -> Any:
        """The value, a new one each time; `value_of` gives what slots inside stand for."""
        buffers = self.buffers if self.is_shared else [bytearray(each) for each in self.buffers]
        return load_filled(self.blob, value_of, buffers)

    def __len__(self) -> int:
        return len(self.blob) + sum(memoryview(each).nbytes for each in self.buffers)

    def __reduce__(self) -> Any:
        return Own, (self.blob, self.buffers, self.digest, self.is_shared)


class Lent:
    """Arguments that lie in the object store, as an `Own` behind `ref`."""

    __slots__ = ("_fetch", "digest", "ref")

    def __init__(self, ref: Any, fetch: Callable[[Any], Any], digest: bytes | None = None) -> None:
        self.ref = ref
        self._fetch = fetch
        self.digest = digest

    def load(self) -> Any:
        """The value, a new one each time."""
        return self._fetch(self.ref).load()


def _fill_ref(slot: int, position: int) -> Any:
    return _filling.value_of(RefSlot(slot, position))


def _fill_stored(url: str, key: str, serializer: str) -> Any:
    return _filling.value_of(StoredSlot(url, key, serializer))
