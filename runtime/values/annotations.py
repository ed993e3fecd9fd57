"""What annotations mean: names resolved to types, and types turned into checks and JSON schemas by pydantic.

pydantic costs a tenth of a second to import, so it is imported where a value or a form first needs it.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, cast

from .buildable_hints import buildable, loosened

_NONE = cast("type[Any]", type(None))
_PLAIN = (int, str, float, bool, bytes, list, dict, tuple, set)
_SHOWN_LENGTH = 80

ROWS_MARK = "x-any-sequence"
"""In the schema of an array: the Python value may be any sequence, and a tuple stays a tuple."""

KEYS_MARK = "x-keys"
"""In the schema of an object: the schema of its keys, where they are not text in Python."""


class Unfit(Exception):
    """A value does not fit its annotation; the text is the reason."""


def resolved_annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types, without those that cannot be resolved (imported for type checkers only)."""
    while isinstance(fn, functools.partial):
        fn = cast("Callable[..., Any]", fn.func)
    owner: Any = inspect.unwrap(fn)
    if not hasattr(owner, "__annotations__") or inspect.isclass(owner):
        owner = getattr(owner, "__init__" if inspect.isclass(owner) else "__call__", owner)
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception:  # one name that cannot be resolved fails all of them: resolve one by one
        return _resolved_singly(owner)


def _resolved_singly(owner: Any) -> dict[str, Any]:
    function = getattr(owner, "__func__", owner)
    names = {**getattr(function, "__globals__", {}), **_closure_of(function)}
    hints: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints.update(typing.get_type_hints(holder, names, names, include_extras=True))
        except Exception:  # an annotation may raise anything; skip it
            continue
    return hints


def _closure_of(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    code = getattr(function, "__code__", None)
    for name, cell in zip(code.co_freevars if code else (), function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    return found


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has its annotated plain type already, so that pydantic would return it unchanged."""
    if hint in _PLAIN:
        return type(value) is hint
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_fits_member(value, part) for part in typing.get_args(hint))
    return False


def _fits_member(value: Any, hint: Any) -> bool:
    return hint in (*_PLAIN, _NONE) and type(value) is hint


def adapter_for(hint: Any) -> Any:
    """A pydantic TypeAdapter for an annotation; None where nothing can be checked.

    A part of the annotation that pydantic cannot build takes any object.
    """
    adapter = _built(buildable(hint))
    if adapter is None:
        adapter = _built(loosened(buildable(hint), lambda part: _built(part) is not None))
    return adapter


def _built(hint: Any) -> Any:
    import pydantic  # late: it costs a tenth of a second

    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    for attempt in (
        lambda: pydantic.TypeAdapter[Any](hint, config=config),
        lambda: pydantic.TypeAdapter[Any](hint),  # models and dataclasses bring their own config
        lambda: pydantic.TypeAdapter[Any](cast("Any", pydantic.InstanceOf)[hint]),
    ):
        try:
            adapter = attempt()
            adapter.rebuild(raise_errors=True)
            return adapter
        except Exception:  # from pydantic, from Python's own checks, or from a class's own schema hook
            continue
    return None


def validated(adapter: Any, value: Any) -> Any:
    from pydantic import ValidationError

    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise Unfit(reasons(error, value)) from None
    except Exception as error:  # from an author's validator
        raise Unfit(f"{type(error).__name__}: {error} (got {_shown(value)})") from error


def reasons(error: Any, value: Any) -> str:
    """All that pydantic found wrong with one parameter, in one line."""
    found: list[str] = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(map(str, detail["loc"]))
        reason = f"{place}: {detail['msg']}" if place else detail["msg"]
        if reason not in found:
            found.append(reason)
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return f"{'; '.join(found[:3])}{more} (got {_shown(value)})"


def schemas_of(adapters: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    if not adapters:
        return {}, {}
    import pydantic
    from pydantic.json_schema import GenerateJsonSchema

    class AcceptingTheRest(GenerateJsonSchema):
        """The schema of what JSON cannot describe (a callable, any class) accepts everything; Python checks
        it.
        """

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
            return {}

        def decimal_schema(self, schema: Any) -> dict[str, Any]:
            return _marked(super().decimal_schema(schema), "decimal")

        def complex_schema(self, schema: Any) -> dict[str, Any]:
            return _marked(super().complex_schema(schema), "complex")

        def dict_schema(self, schema: Any) -> dict[str, Any]:
            keys = schema.get("keys_schema")
            if keys is None or keys["type"] in ("str", "any"):
                return super().dict_schema(schema)
            return {**super().dict_schema(schema), KEYS_MARK: self.generate_inner(keys)}

        def json_or_python_schema(self, schema: Any) -> dict[str, Any]:
            found = super().json_or_python_schema(schema)
            return {**found, ROWS_MARK: True} if schema["json_schema"]["type"] == "list" else found

    def schemas(chosen: dict[str, Any]) -> tuple[Any, Any]:
        return pydantic.TypeAdapter.json_schemas(
            cast("Any", [(name, "validation", adapter) for name, adapter in chosen.items()]),
            ref_template="#/definitions/{model}",
            schema_generator=AcceptingTheRest,
        )

    try:
        found, shared = schemas(adapters)
    except Exception:  # one class without a schema fails all of them
        found, shared = schemas(
            {name: each for name, each in adapters.items() if _describes(schemas, name, each)}
        )
    return {name: schema for (name, _), schema in found.items()}, shared.get("$defs", {})


def _describes(schemas: Callable[[dict[str, Any]], Any], name: str, adapter: Any) -> bool:
    try:
        schemas({name: adapter})
        return True
    except Exception:  # in forms this parameter accepts anything
        return False


def _marked(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The schema with `format` set on its text, which tells that the text is such a number."""
    if schema.get("type") == "string":
        return {**schema, "format": schema.get("format", name)}
    if "anyOf" in schema:
        return {**schema, "anyOf": [_marked(each, name) for each in schema["anyOf"]]}
    return schema


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # an author's repr may raise anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
