"""Text that both databases take. Postgres refuses NUL, and neither takes half of a surrogate pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from ...foundation.errors import UnstorableValue
from ...values.sayable import where_unsayable


def plain_text(text: str) -> str:
    """The text with characters that cannot be stored replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def plain_json(document: str) -> str:
    """`plain_text` for JSON text, where NUL and surrogates are in escapes."""
    if "\\u" in document:
        return orjson.dumps(_scrubbed(json.loads(document))).decode()
    return document if document.isascii() else plain_text(document)


def with_plain_texts(document: Any) -> Any:
    """Lists and dicts with `plain_text` applied to every text; other values are not changed."""
    if isinstance(document, str):
        return plain_text(document)
    if isinstance(document, Mapping):
        items = cast("Mapping[Any, Any]", document).items()
        return {with_plain_texts(key): with_plain_texts(item) for key, item in items}
    if isinstance(document, list | tuple):
        return [with_plain_texts(item) for item in cast("Iterable[Any]", document)]
    return document


def model_text(model: BaseModel, **options: Any) -> str:
    """A model as JSON; half of a surrogate pair, which pydantic refuses, is replaced.

    The options are those of `model_dump`.
    """
    try:
        return model.model_dump_json(**options)
    except PydanticSerializationError:
        document = with_plain_texts(model.model_dump(mode="json", **options))
        return json.dumps(document, ensure_ascii=False)  # accepts whole numbers of any size


def json_text(value: Any) -> str:
    """A JSON document as text for people; values without a form in JSON are shown as their `str`."""
    try:
        return plain_json(orjson.dumps(value, default=_shown, option=orjson.OPT_NON_STR_KEYS).decode())
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_scrubbed(value)).decode()


def json_value(value: Any) -> Any:
    """A value as JSON for people: values without a form in JSON become their `str`. Use `data_value` for
    data.
    """
    return orjson.loads(json_text(value))


def data_value(value: Any, what: str) -> Any:
    """A value as JSON that programs read back as an equal value; use `json_value` for people. Raises
    UnstorableValue, which names the place of a part that a database would change.
    """
    found = where_unsayable(value)
    if found is not None:
        place = f"{what}.{found[0]}" if found[0] and not found[0].startswith("[") else what + found[0]
        raise UnstorableValue(f"{place} cannot be stored unchanged: {found[1]}", hint="nothing was changed")
    return value


def data_text(text: str, what: str) -> str:
    """A text that programs read back unchanged. Raises UnstorableValue."""
    return data_value(text, what)


def _shown(value: Any) -> Any:
    return list(cast("Iterable[Any]", value)) if isinstance(value, set | frozenset) else str(value)


def _scrubbed(value: Any, depth: int = 0) -> Any:
    """The value with every part replaced that JSON, UTF-8 or Postgres would refuse."""
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
