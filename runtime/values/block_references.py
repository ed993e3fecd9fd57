"""Parameters that refer to saved blocks, `{"$ref": {"block_document_id": ...}}`, and how blocks fill them.

A run's record keeps the reference; the block's data, with secrets in clear text, exists only during the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast
from uuid import UUID

from ..foundation.errors import ParameterMismatch


def references_in(value: Any) -> Iterator[str]:
    """The block documents that a value refers to, at any depth: ids, or "type/name"."""
    found = _reference(value)
    if found is not None:
        yield found
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            yield from references_in(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from references_in(inner)


def with_blocks(parameters: Mapping[str, Any], blocks: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the data of blocks in place of references to them.

    Raises ParameterMismatch, which names the parameter whose block does not exist.
    """
    filled: dict[str, Any] = {}
    for name, value in parameters.items():
        missing = [each for each in references_in(value) if each not in blocks]
        if missing:
            raise ParameterMismatch(
                f"{name}: there is no block document {missing[0]!r}",
                hint="Save the block again and change the parameter, or give the value itself.",
            )
        filled[name] = _filled(value, blocks)
    return filled


def accepting_references(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter schema that also accepts a reference wherever the given schema defines an object."""
    accepting = dict(schema)
    for place in ("definitions", "$defs"):
        definitions = cast("Any", schema.get(place))
        if isinstance(definitions, Mapping):
            named = cast("Mapping[str, Any]", definitions).items()
            accepting[place] = {name: _or_reference(definition) for name, definition in named}
    return accepting


def _or_reference(definition: Any) -> Any:
    if not isinstance(definition, Mapping):
        return definition
    facts = cast("Mapping[str, Any]", definition)
    if facts.get("type") != "object" and "block_type_slug" not in facts:
        return facts
    return {"anyOf": [facts, {"type": "object", "required": ["$ref"]}]}


def _reference(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    fields = cast("Mapping[str, Any]", value)
    if set(fields) != {"$ref"}:
        return None
    inner = fields["$ref"]
    if isinstance(inner, str):
        return inner if _is_id(inner) else None  # other texts are pointers in a JSON schema
    if isinstance(inner, Mapping):
        named = cast("Mapping[str, Any]", inner)
        found = named.get("block_document_id") or named.get("block_document_slug")
        return found if isinstance(found, str) else None
    return None


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _filled(value: Any, blocks: Mapping[str, Any]) -> Any:
    reference = _reference(value)
    if reference is not None:
        return blocks[reference]
    if isinstance(value, Mapping):
        return {name: _filled(inner, blocks) for name, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_filled(inner, blocks) for inner in cast("list[Any]", value)]
    return value
