"""Text that both databases take. Postgres refuses NUL, and neither takes half of a surrogate pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson


def plain_text(text: str) -> str:
    """The text with what cannot be stored replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def plain_json(document: str) -> str:
    """The same for JSON text, where NUL and surrogates hide in escapes."""
    if "\\u" in document:
        return orjson.dumps(_scrubbed(json.loads(document))).decode()
    return document if document.isascii() else plain_text(document)


def json_text(value: Any) -> str:
    """A JSON document as text; what JSON has no form for is shown as its `str`."""
    try:
        return plain_json(orjson.dumps(value, default=_shown, option=orjson.OPT_NON_STR_KEYS).decode())
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_scrubbed(value)).decode()


def json_value(value: Any) -> Any:
    """A value as JSON can hold it: what JSON has no form for is shown as its `str`."""
    return orjson.loads(json_text(value))


def _shown(value: Any) -> Any:
    return list(cast("Iterable[Any]", value)) if isinstance(value, set | frozenset) else str(value)


def _scrubbed(value: Any, depth: int = 0) -> Any:
    """The value with everything changed that JSON, UTF-8 or Postgres would refuse."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if depth < 100:
        if isinstance(value, Mapping):
            items = cast("Mapping[Any, Any]", value).items()
            return {plain_text(str(key)): _scrubbed(item, depth + 1) for key, item in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [_scrubbed(item, depth + 1) for item in cast("Iterable[Any]", value)]
    try:
        return plain_text(str(value))
    except RecursionError:
        return "..."
