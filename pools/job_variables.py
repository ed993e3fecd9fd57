"""Checks job variables by the JSON schema of a base job template, with messages that people can act on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import orjson

from ..runtime.foundation.errors import BadJobTemplate
from ..runtime.foundation.near_names import nearest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_KEPT = 256  # recently checked schemas: every run brings one of a few


def check_schema(schema: Mapping[str, Any], what: str = "variables") -> None:
    """Raises BadJobTemplate unless this is a JSON schema of an object without outside references. `what`
    names it in messages.
    """
    fault = _fault_of(_key_of(schema))
    if fault is not None:
        problem, hint = fault
        raise BadJobTemplate(f"{what} {problem}.", hint=hint)


@lru_cache(_KEPT)
def _fault_of(key: bytes) -> tuple[str, str | None] | None:
    """What is wrong with a schema, and a hint; None for a valid one."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    schema: dict[str, Any] = json.loads(key)
    properties: Any = schema.get("properties") or {}
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping):
        return "must be the JSON schema of an object, with properties", None
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is not a JSON schema: {_place(error)}{error.message}".removesuffix("."), None
    for target in _targets(schema):
        if not _is_inside(schema, target):
            hint = "Put it under definitions or $defs; schemas elsewhere are not fetched."
            return f"refers to {target!r}, which is not in it", hint
    return None


def variable_problems(
    schema: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    present: Collection[str] = (),
    complete: bool,
    noun: str = "variable",
) -> list[str]:
    """What is wrong with the variables: a line "name: problem" for each mistake.

    `present` names variables that are given but cannot be checked; `complete` demands required ones; `noun`
    is what a variable is called. A null counts as missing unless the schema requires the variable.
    """
    needed = schema.get("required") or ()
    properties = cast("Mapping[str, Any]", schema.get("properties") or {})
    empty = {name for name, value in variables.items() if value is None and name in properties}
    variables = {name: value for name, value in variables.items() if name not in empty - set(needed)}
    required = [name for name in needed if name not in present] if complete else []
    validator = _validator({**schema, "required": required})
    found = cast("Iterator[ValidationError]", validator.iter_errors(dict(variables)))  # pyright: ignore[reportUnknownMemberType]
    errors = sorted(found, key=lambda error: list(map(str, error.path)))
    unknown = set(present) - set(properties) if schema.get("additionalProperties") is False else ()
    return [
        *_unknown_variables(unknown, properties, noun),
        *(line for error in errors for line in _lines(error, properties, noun)),
    ]


def schema_errors(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[list[str | int], str]]:
    """The path (properties and indexes) of each value that does not fit a schema, and why."""
    found = cast("Iterator[ValidationError]", _validator(schema).iter_errors(dict(values)))  # pyright: ignore[reportUnknownMemberType]
    errors = sorted(found, key=lambda error: list(map(str, error.absolute_path)))
    faults: list[tuple[list[str | int], str]] = []
    for error in (part for whole in errors for part in _parts_of(whole)):
        path = list(cast("Collection[str | int]", error.absolute_path))
        if error.validator == "required":
            missing = cast("list[str]", error.validator_value)
            path += [name for name in missing if error.message.startswith(repr(name))][:1]
        faults.append((path, error.message))
    return faults


def _parts_of(error: ValidationError) -> list[ValidationError]:
    """What is wrong with a value that may be one thing or nothing: what is wrong with it as that thing."""
    if error.validator not in ("anyOf", "oneOf"):
        return [error]
    options = cast("list[Any]", error.validator_value)
    nothing = [number for number, each in enumerate(options) if each == {"type": "null"}]
    if len(options) != 2 or len(nothing) != 1:
        return [error]
    inner = [each for each in error.context or () if each.schema_path[0] != nothing[0]]
    return inner or [error]


def _key_of(schema: Mapping[str, Any]) -> bytes:
    """A schema as a cache key."""
    try:
        return orjson.dumps(dict(schema))
    except TypeError:  # numbers of more than 64 bits, or very deep
        return json.dumps(dict(schema)).encode()


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return _validator_of(_key_of(schema))


@lru_cache(_KEPT)
def _validator_of(key: bytes) -> Draft202012Validator:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # An empty registry: the default one would fetch a schema from an address.
    return Draft202012Validator(json.loads(key), registry=Registry[Any]())


def _lines(error: ValidationError, properties: Mapping[str, Any], noun: str) -> Iterator[str]:
    if error.validator == "additionalProperties" and not error.path:
        given = cast("Mapping[str, Any]", error.instance)
        yield from _unknown_variables(set(given) - set(properties), properties, noun)
    elif error.validator == "required" and not error.path:
        required = cast("list[str]", error.validator_value)
        # The library gives one error for each missing name, and only its message tells which.
        yield from (f"{name}: is missing" for name in required if error.message.startswith(repr(name)))
    else:
        yield f"{_place(error)}{error.message}"


def _unknown_variables(names: Collection[str], properties: Mapping[str, Any], noun: str) -> Iterator[str]:
    for name in sorted(names):
        close = nearest(name, properties)
        yield f"{name}: there is no such {noun}" + (f"; did you mean {close}?" if close else "")


def _place(error: Any) -> str:
    path = ".".join(map(str, error.absolute_path))
    return f"{path}: " if path else ""


def _targets(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, inner in cast("Mapping[str, Any]", schema).items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _targets(inner)
    elif isinstance(schema, list):
        for inner in cast("list[Any]", schema):
            yield from _targets(inner)


def _is_inside(schema: Mapping[str, Any], target: str) -> bool:
    if target == "#":
        return True
    place: Any = schema
    if not target.startswith("#/"):
        return False
    for key in target[2:].split("/"):
        key = key.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, Mapping) or key not in place:
            return False
        place = cast("Mapping[str, Any]", place)[key]
    return True
