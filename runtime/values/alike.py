"""Whether two values are interchangeable: equal at every level, and of equal types."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

_ROWS: tuple[type[Any], ...] = (list, tuple, deque)


def alike(one: Any, other: Any) -> bool:
    """Whether `other` can replace `one`. NaN is alike to NaN; values that cannot be compared are not alike.

    A plain value may replace an equal one of a subclass: "red" may replace a member of a text enum.
    """
    try:
        return _alike(one, other)
    except Exception:  # from an author's __eq__, one that returns an array, or a value that holds itself
        return False


def _alike(one: Any, other: Any) -> bool:
    if one is other:
        return True
    kind = cast("type[Any]", type(other))
    if not isinstance(one, kind):
        return False
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    if isinstance(one, Mapping):
        return _alike_mappings(cast("Mapping[Any, Any]", one), other)
    if isinstance(one, _ROWS):
        return _alike_rows(one, other)
    same_kind = type(one) is kind
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return same_kind and _alike_mappings(_attributes(one), _attributes(other))
    if hasattr(cast("Any", type(one)), "__pydantic_validator__"):
        return same_kind and all(
            _alike(getattr(one, part, None), getattr(other, part, None))
            for part in ("__dict__", "__pydantic_extra__", "__pydantic_private__")
        )
    return bool(one == other)


def _alike_mappings(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    return len(one) == len(other) and all(
        key in other and _alike(value, other[key]) for key, value in one.items()
    )


def _alike_rows(one: Any, other: Any) -> bool:
    kind = cast("type[Any]", type(one))
    if issubclass(kind, tuple) and kind is not type(other):
        return False  # its fields have names
    if issubclass(kind, deque) and one.maxlen != other.maxlen:
        return False
    return len(one) == len(other) and all(_alike(a, b) for a, b in zip(one, other, strict=True))


def _attributes(value: Any) -> dict[str, Any]:
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {**fields, **getattr(value, "__dict__", {})}
