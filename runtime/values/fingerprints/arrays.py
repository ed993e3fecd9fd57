"""Arrays and scalars of numpy, which is never imported here: its values cannot exist before its import."""

from __future__ import annotations

import sys
from typing import Any, cast

from .digests import Walk, digest_of
from .objects import attributes

_OF_MASKED = frozenset(("_mask", "_fill_value", "_sharedmask", "_basedict"))
_OF_MEMORY_MAPS = frozenset(("_mmap",))


def is_array(value: Any) -> bool:
    numpy = cast("Any", sys.modules.get("numpy"))
    return numpy is not None and isinstance(value, numpy.ndarray)


def of_array(walk: Walk, value: Any, kind: type[Any]) -> bytes | None:
    """The digest of an array or scalar; None for other values."""
    numpy = cast("Any", sys.modules.get("numpy"))
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    if value is numpy.ma.masked:
        return digest_of("named", b"numpy.ma.masked")
    if isinstance(value, numpy.generic):
        return digest_of(
            "scalar", walk.of(kind), _dtype(walk, value.dtype), _items(walk, numpy.asarray(value))
        )
    array = value.view(numpy.ndarray)
    parts = [walk.of(kind), _dtype(walk, array.dtype), walk.of(array.shape), _layout(array)]
    left_out = frozenset[str]()
    if isinstance(value, numpy.ma.MaskedArray):
        masked: Any = value
        left_out = _OF_MASKED
        parts += [walk.of(masked.mask), walk.of(masked.fill_value)]
    elif isinstance(value, numpy.memmap):
        left_out = _OF_MEMORY_MAPS
    return digest_of("array", *parts, _items(walk, array), attributes(walk, value, numpy.ndarray, left_out))


def _dtype(walk: Walk, dtype: Any) -> bytes:
    return walk.members([type(dtype), dtype.__reduce__()])


def _layout(array: Any) -> bytes:
    """The order of the axes in memory, which `ravel("K")` and the rounding of sums depend on."""
    axes = [axis for axis, size in enumerate(array.shape) if size > 1]
    return repr(sorted(axes, key=lambda axis: -abs(array.strides[axis]))).encode()


def _items(walk: Walk, array: Any) -> bytes | memoryview:
    dtype = array.dtype
    if dtype.names is not None:  # field by field: what lies between them is undefined
        return b"".join(digest_of("field", _items(walk, array[name])) for name in dtype.names)
    if dtype.hasobject:
        return walk.members(array.ravel().tolist() if _holds_scalars(array) else list(array.flat))
    return array.tobytes()


def _holds_scalars(array: Any) -> bool:
    return array.dtype.kind == "T"
