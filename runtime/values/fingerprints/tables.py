"""Frames, series and indexes of pandas, which is never imported here."""

from __future__ import annotations

import sys
from typing import Any, cast

from .digests import Walk, digest_of
from .objects import attributes

# Attributes that hold the content, or are derived from it on demand.
_CONTENT = frozenset(
    "_mgr _item_cache _is_copy _cacher _attrs _flags _name _names _index _data _cache _references _id _engine"
    " _range _levels _codes _reset_identity _sortorder sortorder _typ _subtyp _metadata".split()
)


def of_table(walk: Walk, value: Any, kind: type[Any]) -> bytes | None:
    """The digest of a frame, series, index or extension array; None for other values."""
    pandas = cast("Any", sys.modules.get("pandas"))
    if pandas is None or not hasattr(pandas, "api"):
        return None
    if isinstance(value, pandas.DataFrame):
        columns = [value.iloc[:, place].array for place in range(value.shape[1])]
        content = walk.members([value.columns, value.index, *columns])
    elif isinstance(value, pandas.Series):
        content = walk.members([value.name, value.index, value.array])
    elif isinstance(value, pandas.Index):
        return _index(walk, pandas, value, kind)
    elif isinstance(value, pandas.api.extensions.ExtensionArray):
        return digest_of("column", walk.of(kind), _dtype(walk, value.dtype), _items(walk, pandas, value))
    elif isinstance(value, pandas.api.extensions.ExtensionDtype):
        return digest_of("dtype", walk.of(kind), _dtype(walk, value))
    else:
        return None
    marks = walk.members([dict(value.attrs), value.flags.allows_duplicate_labels])
    return digest_of("table", walk.of(kind), content, marks, attributes(walk, value, object, _CONTENT))


def _index(walk: Walk, pandas: Any, value: Any, kind: type[Any]) -> bytes:
    if isinstance(value, pandas.MultiIndex):
        content = [list(value.levels), [codes.tolist() for codes in value.codes]]
    elif isinstance(value, pandas.RangeIndex):
        content = [value.start, value.stop, value.step]
    else:
        content = [value.array]
    frequency = getattr(value, "freq", None)
    content += [list(value.names), None if frequency is None else str(frequency)]
    return digest_of("index", walk.of(kind), walk.members(content))


def _dtype(walk: Walk, dtype: Any) -> bytes:
    told = [getattr(dtype, name) for name in getattr(dtype, "_metadata", ())]
    return walk.members([type(dtype), str(dtype), *told])


def _items(walk: Walk, pandas: Any, array: Any) -> bytes:
    if isinstance(array, pandas.Categorical):
        return walk.of(array.codes)
    if isinstance(array, pandas.arrays.NumpyExtensionArray):
        return walk.of(array.to_numpy())
    if isinstance(array, (pandas.arrays.DatetimeArray, pandas.arrays.TimedeltaArray)):
        return walk.of(array.asi8)
    numpy = cast("Any", sys.modules["numpy"])
    missing = numpy.asarray(array.isna(), dtype=bool)
    known = array[~missing]
    if isinstance(
        array, (pandas.arrays.IntegerArray, pandas.arrays.FloatingArray, pandas.arrays.BooleanArray)
    ):
        return walk.members([missing, known.to_numpy(dtype=array.dtype.numpy_dtype)])
    return walk.members([missing, *numpy.asarray(known, dtype=object)])
