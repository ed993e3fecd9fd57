"""Compares what an OpenAPI document describes with the standard's types, field by field and to the bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_len": "minLength",
    "max_len": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "pattern": "pattern",
}
_PLAIN: dict[str, tuple[str, str | None]] = {
    "string": ("string", None),
    "secret-string": ("string", None),
    "integer": ("integer", None),
    "number": ("number", None),
    "seconds": ("number", None),
    "boolean": ("boolean", None),
    "object": ("object", None),
    "uuid": ("string", "uuid"),
    "datetime": ("string", "date-time"),
    "duration": ("string", "duration"),
}


class Described:
    """The schemas of an OpenAPI document beside those of the standard."""

    def __init__(
        self,
        openapi: dict[str, Any],
        standard: dict[str, Any],
        split: Callable[[str], list[str]],
        more: dict[str, set[str]],
    ) -> None:
        """`more`: fields that we take beside those of the standard, by where they are in a body."""
        self._more = more
        self._components = openapi["components"]["schemas"]
        self._standard = standard
        self._split = split

    def misfits_of_body(self, schema: dict[str, Any], fields: dict[str, Any], where: str) -> Iterator[str]:
        """What of an object's fields is described other than the standard has it."""
        yield from self._fields(self._alternatives(schema)[0], fields, where, (), null_counts=False)

    def misfits(self, schema: dict[str, Any], type_name: str, where: str) -> Iterator[str]:
        """What of a type is described other than the standard has it."""
        yield from self._type(schema, type_name, where, ())

    def _fields(
        self,
        schema: dict[str, Any],
        fields: dict[str, Any],
        where: str,
        within: tuple[str, ...],
        null_counts: bool = True,
    ) -> Iterator[str]:
        described = schema.get("properties", {})
        if set(described) != set(fields) | self._more.get(where.partition(".")[2], set()):
            yield f"{where}: fields {sorted(set(described) ^ set(fields))}"
        required = {name for name, facts in fields.items() if facts.get("required")}
        if set(schema.get("required", ())) != required:
            yield f"{where}: required {sorted(set(schema.get('required', ())) ^ required)}"
        for name, facts in fields.items():
            if name not in described:
                continue
            at = f"{where}.{name}"
            kind = facts["type"] if null_counts else facts["type"].removesuffix(" | null")
            yield from self._type(described[name], kind, at, within, null_counts)
            yield from self._limits(described[name], facts, at)
            if not _is_default(facts.get("default"), described[name].get("default")):
                yield f"{at}: default {described[name].get('default')!r}, not {facts['default']!r}"

    def _limits(self, schema: dict[str, Any], facts: dict[str, Any], where: str) -> Iterator[str]:
        """Ours may be narrower: what the database cannot hold is refused."""
        found: dict[str, Any] = {}
        for each in (schema, *self._alternatives(schema)):
            found |= {ours: each[ours] for ours in _LIMITS.values() if ours in each}
        for theirs, ours in _LIMITS.items():
            if theirs in facts and found.get(ours) != facts[theirs]:
                yield f"{where}: {ours} {found.get(ours)}, not {facts[theirs]}"

    def _type(
        self,
        schema: dict[str, Any],
        type_name: str,
        where: str,
        within: tuple[str, ...],
        null_counts: bool = True,
    ) -> Iterator[str]:
        if "any" in self._split(type_name):
            return
        ours = self._alternatives(schema)
        theirs = self._split(type_name)
        is_null = any(each.get("type") == "null" for each in ours)
        if null_counts and "null" in theirs and not is_null:
            yield f"{where}: null is not taken"
        ours = [each for each in ours if each.get("type") != "null"]
        theirs = [each for each in theirs if each != "null"]
        if len(ours) == 1 and len(theirs) > 1 and all(each in self._standard["schemas"] for each in theirs):
            if ours[0].get("additionalProperties") is True:
                return  # any object, which is then read by what it holds
            # Several kinds of one thing that are one object here.
            kinds = [self._standard["schemas"][each]["fields"] for each in theirs]
            together = {name: facts | {"required": False} for kind in kinds for name, facts in kind.items()}
            yield from self._fields(ours[0], together, where, within)
            return
        for kind in theirs:
            tries = [list(self._one(each, kind, where, within)) for each in ours]
            if not any(not faults for faults in tries):
                yield from min(tries, key=len, default=[f"{where}: {kind} is not taken"])

    def _one(self, schema: dict[str, Any], kind: str, where: str, within: tuple[str, ...]) -> Iterator[str]:
        inner = kind.partition("<")[2].removesuffix(">")
        if kind.startswith("tuple<"):
            if schema.get("type") != "array":
                yield f"{where}: {schema.get('type')} instead of {kind}"
        elif kind.startswith(("array<", "set<")):
            if schema.get("type") != "array":
                yield f"{where}: {schema.get('type')} instead of {kind}"
            else:
                yield from self._type(schema.get("items", {}), inner, f"{where}[]", within)
        elif kind.startswith("map<"):
            if schema.get("type") != "object":
                yield f"{where}: {schema.get('type')} instead of {kind}"
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from self._type(schema["additionalProperties"], inner, f"{where}{{}}", within)
        elif kind in self._standard["schemas"]:
            if kind in within:
                return  # a type that holds itself
            fields = self._standard["schemas"][kind]["fields"]
            if schema.get("type") not in ("object", None):
                yield f"{where}: {schema.get('type')} instead of {kind}"
            elif fields:
                yield from self._fields(schema, fields, where, (*within, kind))
        elif kind in self._standard["enums"]:
            wanted = self._standard["enums"][kind]
            values = schema.get("enum", [schema["const"]] if "const" in schema else None)
            if values is None or sorted(values) != sorted(wanted):
                yield f"{where}: values {values}, not {wanted}"
        elif kind.startswith('"'):
            if kind.strip('"') not in schema.get("enum", [schema.get("const")]):
                yield f"{where}: {kind} is not taken"
        elif kind in _PLAIN:
            type_, form = _PLAIN[kind]
            forms = {(type_, form)} if kind != "seconds" else {(type_, form), ("string", "duration")}
            if (schema.get("type"), schema.get("format")) not in forms:
                yield f"{where}: {schema.get('type')} ({schema.get('format')}) instead of {kind}"
        else:
            yield f"{where}: the type {kind} is not known here"

    def _alternatives(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """The schemas of which one must fit, without references."""
        if "$ref" in schema:
            return self._alternatives(self._components[schema["$ref"].rpartition("/")[2]])
        inner = schema.get("anyOf") or schema.get("oneOf")
        if inner:
            return [each for one in inner for each in self._alternatives(one)]
        return [schema]


def _is_default(wanted: Any, found: Any) -> bool:
    """Defaults of objects are those of their fields, and some are made for each request: `<now>`."""
    if wanted is None or isinstance(wanted, dict) or str(wanted).startswith("<"):
        return True
    return found == wanted or (wanted == 0 and found == "PT0S")
