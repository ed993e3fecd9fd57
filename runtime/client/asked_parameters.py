"""Parameters for a run of a deployment whose flow is not loaded, written by the schema that the server has.

Plain JSON is sent unchanged. Another object is sent where the schema has a place for its kind and the flow
will get an equal object from it; otherwise it is refused with the parameter's name.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PurePath
from re import Pattern
from typing import Any, cast
from uuid import UUID

from ..foundation.errors import ParameterMismatch
from ..values.annotations import KEYS_MARK, ROWS_MARK, adapter_for
from ..values.buildable_hints import BASE64_MARK, BASE64_PREFIX, text_of_bytes
from ..values.parameter_values import written
from ..values.sayable import Unsayable, plain_form

Schema = Mapping[str, Any]

# Types that are texts in JSON, and the `format` that a schema has for them.
_TEXTS: tuple[tuple[type, str], ...] = (
    (datetime, "date-time"),
    (date, "date"),
    (time, "time"),
    (timedelta, "duration"),
    (UUID, "uuid"),
    (PurePath, "path"),
    (Pattern, "regex"),
    (complex, "complex"),
    (Decimal, "decimal"),
    (IPv4Address, "ipv4"),
    (IPv4Network, "ipv4network"),
    (IPv4Interface, "ipv4interface"),
    (IPv6Address, "ipv6"),
    (IPv6Network, "ipv6network"),
    (IPv6Interface, "ipv6interface"),
)


def asked(parameters: Mapping[str, Any], schema: Schema | None) -> dict[str, Any]:
    """The parameters as JSON. Raises ParameterMismatch, which names each one that cannot be sent exactly."""
    root: Schema = schema or {}
    properties: Mapping[str, Any] = root.get("properties") or {}
    forms: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in parameters.items():
        try:
            forms[name] = _Places(root).written(value, properties.get(name) or {})
        except Unsayable as unsayable:
            problems[name] = str(unsayable)
        except RecursionError:
            problems[name] = "it contains itself, or is nested too deeply"
    if problems:
        lines = "; ".join(f"{name} cannot be sent: {reason}" for name, reason in problems.items())
        mismatch = ParameterMismatch(
            f"parameters cannot be sent unchanged: {lines}",
            hint="Give plain data, or annotate the flow's parameter with the type and deploy it again.",
        )
        mismatch.parameters = tuple(problems)
        raise mismatch
    return forms


def is_plain(parameters: Mapping[str, Any]) -> bool:
    """Whether no schema is needed to write the parameters."""
    try:
        plain_form(dict(parameters))
        return True
    except Unsayable:
        return False


class _Places:
    """Writes values by the places in a schema where they are allowed."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def written(self, value: Any, schema: Any) -> Any:
        """The JSON of a value for a part of the schema. Raises Unsayable."""
        if _is_scalar(value):
            return plain_form(value)
        reason = ""
        places = list(self._branches(schema))
        for place in places:
            try:
                form = self._in(value, place)
            except Unsayable as unsayable:
                reason = reason or str(unsayable)
                continue
            if not isinstance(value, list | dict) and any(
                other is not place and _takes(other, form) for other in places
            ):
                raise Unsayable(f"a {type(value).__name__} may be read as another type there")
            return form
        raise Unsayable(reason)

    def _branches(self, schema: Any, depth: int = 0) -> Iterator[Schema]:
        """The alternatives that a schema allows, with references resolved."""
        if not isinstance(schema, Mapping) or depth > 20:
            yield {}
            return
        place = cast("Schema", schema)
        choices: list[Any] = [each for name in ("anyOf", "oneOf", "allOf") for each in place.get(name) or ()]
        if "$ref" in place:
            choices.append(self._definition(str(place["$ref"])))
        if not choices:
            yield place
        for choice in choices:
            yield from self._branches(choice, depth + 1)

    def _definition(self, reference: str) -> Any:
        found: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return found  # pyright: ignore[reportUnknownVariableType]

    def _in(self, value: Any, place: Schema) -> Any:
        if isinstance(value, Enum):
            return _member(value, place)
        if isinstance(value, bytes):
            return _bytes(value, place)
        if hasattr(value, "get_secret_value"):
            if place.get("format") != "password":
                raise _misplaced(value)
            return _by_itself(value)
        if _is_record(value):
            if place.get("title") != type(value).__name__:
                raise _misplaced(value)
            return _by_itself(value)
        if isinstance(value, set | frozenset):
            if not place.get("uniqueItems"):
                raise _misplaced(value)
            return self._array(list(cast("set[Any]", value)), place)
        if isinstance(value, tuple) and place.get(ROWS_MARK):
            raise _misplaced(value)
        if isinstance(value, list) or isinstance(value, tuple | deque) and place.get("type") == "array":
            return self._array(list(cast("list[Any]", value)), place)
        if isinstance(value, dict):
            return self._object(cast("dict[Any, Any]", value), place)
        for kind, form in _TEXTS:
            if isinstance(value, kind):
                if place.get("format") != form:
                    raise _misplaced(value)
                return _by_itself(value)
        return plain_form(value)

    def _array(self, value: list[Any], place: Schema) -> list[Any]:
        first: list[Any] = place.get("prefixItems") or []
        rest: Any = place.get("items")
        return [
            self.written(part, first[index] if index < len(first) else rest)
            for index, part in enumerate(value)
        ]

    def _object(self, value: dict[Any, Any], place: Schema) -> dict[str, Any]:
        properties: Mapping[str, Any] = place.get("properties") or {}
        keys, others = place.get(KEYS_MARK), place.get("additionalProperties")
        form: dict[str, Any] = {}
        for key, part in value.items():
            name = self._key(key, keys)
            if name in form:
                raise Unsayable(f"two of its keys would be {name!r}")
            form[name] = self.written(part, properties.get(name, others))
        return form

    def _key(self, key: Any, keys: Any) -> str:
        form = plain_form(key) if isinstance(key, str) or keys is None else self.written(key, keys)
        if isinstance(form, str):
            return form
        known = isinstance(form, int) and not isinstance(form, bool) and keys is not None
        if not known or any(_takes(each, str(form)) for each in self._branches(keys)):
            raise Unsayable(f"the key {key!r} is not text, and would come back as text")
        return str(form)


def _takes(place: Schema, form: Any) -> bool:
    """Whether a form may be read as a value of that place; True when that is unclear."""
    if "const" in place or "enum" in place:
        return form == place.get("const") or form in (place.get("enum") or ())
    kind = place.get("type")
    if isinstance(form, str):
        return kind in ("string", None)
    if isinstance(form, list):
        return kind in ("array", None)
    if not isinstance(form, dict) or kind not in ("object", None):
        return kind is None
    fields, properties = cast("dict[str, Any]", form), cast("dict[str, Any]", place.get("properties") or {})
    if not properties or place.get("additionalProperties") is True:
        return True
    return set(place.get("required") or ()) <= fields.keys() <= properties.keys() and all(
        "const" not in each or each["const"] == fields.get(name, each["const"])
        for name, each in properties.items()
    )


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str) and not isinstance(value, Enum)


def _is_record(value: Any) -> bool:
    """Whether the value is a model, a dataclass or a named tuple, which only its own class can make."""
    kind = cast("type[Any]", type(value))
    named = isinstance(value, tuple) and hasattr(kind, "_fields")
    return hasattr(kind, "__pydantic_validator__") or dataclasses.is_dataclass(kind) or named


def _by_itself(value: Any) -> Any:
    """The value's JSON by its own type, which must read an equal value from it."""
    adapter = adapter_for(PurePath if isinstance(value, PurePath) else type(value))
    if adapter is None:
        raise Unsayable(f"a {type(value).__name__} has no form in JSON")
    return written(adapter, value, value)


def _member(value: Enum, place: Schema) -> Any:
    form = plain_form(value.value)
    if "const" in place and place["const"] == form or form in (place.get("enum") or ()):
        return form
    if isinstance(value, str | int | float) and "enum" not in place and "const" not in place:
        return form  # equal to the value of a plain call
    raise _misplaced(value)


def _bytes(value: bytes, place: Schema) -> str:
    if place.get("format") != "binary":
        raise _misplaced(value)
    text = text_of_bytes(value)
    if text.startswith(BASE64_PREFIX) and BASE64_MARK not in place:
        raise Unsayable("bytes that are not UTF-8 text have no form in that place")
    return text


def _misplaced(value: Any) -> Unsayable:
    return Unsayable(
        f"a {type(value).__name__} does not fit there: by its schema it would become something else"
    )
