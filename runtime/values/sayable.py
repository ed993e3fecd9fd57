"""Which values JSON, both databases and every client can hold without changing them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

MAX_DEPTH = 100  # the JSON parsers of the API go only a little deeper
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1  # what all JSON parsers on the way hold exactly


class Unsayable(Exception):
    """A value has no exact form in JSON; the text is the reason."""


def plain_form(value: Any, depth: int = 0) -> Any:
    """The value as plain JSON data that is equal to it. Raises Unsayable.

    Tuples would come back as lists and other keys as text, so both are refused. So are numbers and characters
    that some database or client cannot hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum) and not isinstance(value, str | int | float):
        raise Unsayable(f"{type(value).__name__} has no form in JSON")
    if isinstance(value, str):
        return _text(str(value.value) if isinstance(value, Enum) else str(value))
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unsayable(f"{float(value)} has no form in JSON")
        return float(value)
    if depth > MAX_DEPTH:
        raise Unsayable(f"it is nested more than {MAX_DEPTH} deep, or holds itself")
    if isinstance(value, list):
        return [plain_form(part, depth + 1) for part in cast("list[Any]", value)]
    if isinstance(value, dict):
        return _object(cast("dict[Any, Any]", value), depth)
    raise Unsayable(f"{_named(value)} has no form in JSON")


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for key, part in value.items():
        if not isinstance(key, str):
            raise Unsayable(f"the key {key!r} is not text, and would come back as text")
        form[plain_form(key)] = plain_form(part, depth + 1)
    return form


def _text(text: str) -> str:
    if "\0" in text:
        raise Unsayable("a text with the character NUL cannot be stored")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Unsayable("a text with half of a surrogate pair cannot be stored") from None
    return text


def _integer(number: int) -> int:
    if not _MIN_INT <= number <= _MAX_INT:
        raise Unsayable("a whole number of more than 64 bits cannot be stored")
    return number


def _named(value: Any) -> str:
    kind = cast("type[Any]", type(value))
    return "a " + (kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}")


def where_unsayable(value: Any, path: str = "") -> tuple[str, str] | None:
    """The path of the first part that `plain_form` refuses, such as "env.A[2]", and why; None when all
    fits.
    """
    try:
        plain_form(value)
        return None
    except Unsayable as unsayable:
        reason = str(unsayable)
    if path.count(".") + path.count("[") > 20:
        return path, reason
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        parts = [(f"{path}.{key}" if path else str(key), part) for key, part in items]
    elif isinstance(value, list):
        parts = [(f"{path}[{index}]", part) for index, part in enumerate(cast("list[Any]", value))]
    for inner, part in parts:
        if found := where_unsayable(part, inner):
            return found
    return path, reason
