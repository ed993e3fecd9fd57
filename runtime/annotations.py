"""What annotations mean: names resolved to types, and types turned into checks and JSON schemas by pydantic.

pydantic costs a tenth of a second to import, so it is imported where a value or a form first needs it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, cast

_NONE = cast("type[Any]", type(None))
_PLAIN = (int, str, float, bool, bytes, list, dict, tuple, set)
_SHOWN_LENGTH = 80


class Unfit(Exception):
    """A value does not fit its annotation; the text is the reason."""


def resolved_annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types. Those that cannot be resolved (imported for type checkers only) are left out."""
    while isinstance(fn, functools.partial):
        fn = cast("Callable[..., Any]", fn.func)
    owner: Any = inspect.unwrap(fn)
    if not hasattr(owner, "__annotations__") or inspect.isclass(owner):
        owner = getattr(owner, "__init__" if inspect.isclass(owner) else "__call__", owner)
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception:  # one name that cannot be resolved fails them all: take them one by one
        return _resolved_singly(owner)


def _resolved_singly(owner: Any) -> dict[str, Any]:
    function = getattr(owner, "__func__", owner)
    names = {**getattr(function, "__globals__", {}), **_closure_of(function)}
    hints: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints.update(typing.get_type_hints(holder, names, names, include_extras=True))
        except Exception:
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
    """Whether a value is of its plain type already, so that pydantic would hand it back as it is."""
    if hint in _PLAIN:
        return type(value) is hint
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_fits_member(value, part) for part in typing.get_args(hint))
    return False


def _fits_member(value: Any, hint: Any) -> bool:
    return hint in (*_PLAIN, _NONE) and type(value) is hint


def adapter_for(hint: Any) -> Any:
    """A pydantic TypeAdapter; None where there is nothing that could be checked."""
    import pydantic  # late: it costs a tenth of a second
    from pydantic.errors import PydanticUserError

    hint = _typed_dicts_replaced(hint)
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
        except (PydanticUserError, TypeError, NameError):
            continue
    return None


def _typed_dicts_replaced(hint: Any, depth: int = 0) -> Any:
    """Before Python 3.12 pydantic takes no TypedDicts but those of typing_extensions: make such of them."""
    if sys.version_info >= (3, 12) or depth > 5:
        return hint
    if typing.is_typeddict(hint) and type(hint).__module__ == "typing":
        import typing_extensions as extended

        fields = {
            name: (extended.Required if name in hint.__required_keys__ else extended.NotRequired)[
                _typed_dicts_replaced(part, depth + 1)
            ]
            for name, part in typing.get_type_hints(hint).items()
        }
        return cast("Any", extended.TypedDict)(hint.__name__, fields)
    if typing.get_origin(hint) is typing.Annotated:
        return hint.copy_with((_typed_dicts_replaced(typing.get_args(hint)[0], depth + 1),))
    parts = typing.get_args(hint)
    replaced = tuple(_typed_dicts_replaced(part, depth + 1) for part in parts)
    if all(new is old for new, old in zip(replaced, parts, strict=True)):
        return hint
    if isinstance(hint, types.UnionType):
        return typing.Union[replaced]  # noqa: UP007
    return hint.copy_with(replaced) if hasattr(hint, "copy_with") else typing.get_origin(hint)[replaced]


def validated(adapter: Any, value: Any) -> Any:
    from pydantic import ValidationError

    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise Unfit(_reasons(error, value)) from None
    except Exception as error:  # a validator of the author's
        raise Unfit(f"{type(error).__name__}: {error} (got {_shown(value)})") from error


def _reasons(error: Any, value: Any) -> str:
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
        """What JSON cannot describe (a callable, any class) accepts everything; it is checked in Python."""

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
            return {}

    inputs = [(name, "validation", adapter) for name, adapter in adapters.items()]
    found, shared = pydantic.TypeAdapter.json_schemas(
        cast("Any", inputs), ref_template="#/definitions/{model}", schema_generator=AcceptingTheRest
    )
    return {name: schema for (name, _), schema in found.items()}, shared.get("$defs", {})


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
