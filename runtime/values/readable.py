"""Any value as JSON for people to read, in the API, the UI and on the command line; not to compute with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

MAX_TEXT_LENGTH = 10_000
MAX_REPR_LENGTH = 500
MAX_MEMBERS = 1_000
MAX_DEPTH = 12


def readable(value: Any, depth: int = 0) -> Any:
    """JSON data close to `value`: models and dataclasses as objects, dates as ISO text, the rest as its repr.

    Long texts, large collections and deep nesting are cut, with a mark. Never raises.
    """
    if value is None or isinstance(value, bool | int) and not isinstance(value, Enum):
        return value
    if isinstance(value, str) and not isinstance(value, Enum):
        return _cut(value, MAX_TEXT_LENGTH)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    try:
        return _structured(value, depth)
    except Exception:  # an author's repr, property or mapping may raise anything
        return f"<{type(value).__name__}>"


def _structured(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return readable(value.value, depth + 1)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID | PurePath):
        return str(value)
    if depth >= MAX_DEPTH:
        return _repr(value)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[Any, Any]", value), depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _array(cast("list[Any]", value), depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [f.name for f in dataclasses.fields(value) if f.repr]
        return _object({name: getattr(value, name, None) for name in shown}, depth)
    fields = _model_fields(type(cast("Any", value)))
    if fields is not None:
        shown = [name for name, info in fields.items() if info.repr]
        return _object({name: getattr(value, name, None) for name in shown}, depth)
    return _repr(value)


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    shown = {str(key): readable(part, depth + 1) for key, part in islice(value.items(), MAX_MEMBERS)}
    if len(value) > MAX_MEMBERS:
        shown["..."] = f"{len(value) - MAX_MEMBERS} more"
    return shown


def _array(value: list[Any], depth: int) -> list[Any]:
    shown = [readable(part, depth + 1) for part in islice(value, MAX_MEMBERS)]
    if len(value) > MAX_MEMBERS:
        shown.append(f"... {len(value) - MAX_MEMBERS} more")
    return shown


def _model_fields(kind: Any) -> dict[str, Any] | None:
    """The fields of a pydantic model, recognized by an attribute so that pydantic is not imported."""
    return kind.model_fields if hasattr(kind, "__pydantic_validator__") else None


def _repr(value: Any) -> str:
    return _cut(repr(value), MAX_REPR_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length} more)"
