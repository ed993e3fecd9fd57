"""Block schemas: the checksum that names a schema, and where secrets are in a block's data. Pure functions.

The checksum is computed by clients too and must agree bit by bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

MASK = "********"
_DEFINITIONS = "#/definitions/"


def checksum(fields: Mapping[str, Any]) -> str:
    """The name of a schema: a hash of its fields, without `secret_fields` and definitions of other blocks."""
    counted: dict[str, Any] = _without_secrets(fields)
    definitions: dict[str, Any] = counted.get("definitions") or {}
    if definitions:
        kept = _plain_definitions(counted, definitions)
        counted.pop("definitions")
        if kept:
            counted["definitions"] = kept
    text = json.dumps([[counted], {}], sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def masked(data: Any, fields: Mapping[str, Any]) -> Any:
    """A block's data with a mask in place of every secret that its schema names."""
    for path in secret_paths(fields):
        data = _changed(data, path, _mask)
    return data


def unmasked(data: Any, before: Any, fields: Mapping[str, Any]) -> Any:
    """Data that was read with masks and is written back: parts that are still masked keep their old
    values.
    """
    for path in secret_paths(fields):
        data = _restored(data, before, path)
    return data


def secret_paths(fields: Mapping[str, Any]) -> list[list[str]]:
    """The paths of secrets, each a list of keys; `*` stands for every key."""
    found = cast("Any", fields.get("secret_fields"))
    if not isinstance(found, list):
        return []
    return [path.split(".") for path in cast("list[Any]", found) if isinstance(path, str)]


def references(data: Any) -> Iterator[str]:
    """The ids of block documents that data refers to, at any depth."""
    if isinstance(data, Mapping):
        items = cast("Mapping[str, Any]", data)
        if (found := reference_of(items)) is not None:
            yield found
        else:
            for value in items.values():
                yield from references(value)
    elif isinstance(data, list):
        for value in cast("list[Any]", data):
            yield from references(value)


def reference_of(value: Any) -> str | None:
    """The id in `{"$ref": {"block_document_id": ...}}`, or None for anything else."""
    if not isinstance(value, Mapping):
        return None
    inner = cast("Mapping[str, Any]", value).get("$ref")
    if isinstance(inner, Mapping):
        inner = cast("Mapping[str, Any]", inner).get("block_document_id")
    else:
        return None
    return inner if isinstance(inner, str) else None


def _mask(value: Any) -> Any:
    return None if value is None else MASK


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: _without_secrets(inner) for name, inner in items if name != "secret_fields"}
    return value


def _plain_definitions(fields: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Definitions that are referred to and are not blocks."""
    kept: dict[str, Any] = {}
    for reference in _refs(fields):
        if reference.startswith(_DEFINITIONS):
            name = reference.removeprefix(_DEFINITIONS)
            definition = definitions.get(name)
            if definition and definition.get("block_type_slug") is None:
                kept[name] = definition
    return kept


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[str, Any]", value).items():
            if name == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _refs(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _refs(inner)


def _changed(value: Any, path: list[str], change: Any) -> Any:
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {
            name: _changed(inner, rest, change) if step in ("*", name) else inner for name, inner in items
        }
    if isinstance(value, list):
        return [
            _changed(inner, rest, change) if step in ("*", str(place)) else inner
            for place, inner in enumerate(cast("list[Any]", value))
        ]
    # A value with secret parts may be given as one text, which is then secret as a whole.
    return change(value) if step == "*" and value is not None else value


def _restored(value: Any, before: Any, path: list[str]) -> Any:
    if value == MASK:
        return before
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping) and isinstance(before, Mapping):
        old = cast("Mapping[str, Any]", before)
        items = cast("Mapping[str, Any]", value).items()
        return {
            name: _restored(inner, old[name], rest) if step in ("*", name) and name in old else inner
            for name, inner in items
        }
    if isinstance(value, list) and isinstance(before, list):
        new_items, old_items = cast("list[Any]", value), cast("list[Any]", before)
        return [
            _restored(inner, old_items[place], rest)
            if step in ("*", str(place)) and place < len(old_items)
            else inner
            for place, inner in enumerate(new_items)
        ]
    return cast("Any", value)
