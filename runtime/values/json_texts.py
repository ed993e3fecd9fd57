"""Replaces the texts inside a JSON value: every kind of placeholder is filled by this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

_NONE_OF_THEM = object()


def texts_replaced(value: Any, replace: Callable[[str], Any], *, left_out: object = _NONE_OF_THEM) -> Any:
    """A copy with each text replaced by what `replace` returns; keys and items that become `left_out` are
    removed.
    """
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value).items()
        pairs = ((key, texts_replaced(inner, replace, left_out=left_out)) for key, inner in fields)
        return {key: inner for key, inner in pairs if inner is not left_out}
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        made = (texts_replaced(inner, replace, left_out=left_out) for inner in items)
        return [inner for inner in made if inner is not left_out]
    return value
