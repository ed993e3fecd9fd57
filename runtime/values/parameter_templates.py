"""Parameters as forms send them: values that are written as JSON text, a template or a variable's name.

Such a value is an object with `__prefect_kind`, as stock clients send it. Callers pass the variables in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from ..foundation import bounded_calls
from ..foundation.errors import CallFailed, UnresolvedParameter

KIND = "__prefect_kind"


def resolved(parameters: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every written value resolved.

    Raises UnresolvedParameter, which names the parameter: its JSON is malformed, its variable or kind is
    unknown, or its template cannot be rendered.
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        try:
            found[name] = _resolved(value, variables)
        except UnresolvedParameter as error:
            raise UnresolvedParameter(f"{name}: {error}", hint=error.hint) from error.__cause__
    return found


async def written(parameters: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """`resolved`, called in a separate process when there is a template. Raises UnresolvedParameter."""
    if "jinja" not in _kinds(parameters):
        return resolved(parameters, variables)
    try:
        return await bounded_calls.call(resolved, parameters, variables)
    except CallFailed as error:
        raise UnresolvedParameter(str(error), hint=error.hint) from error


def variable_names(value: Any) -> Iterator[str]:
    """The names of the variables that `resolved` needs."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        if fields.get(KIND) == "workspace_variable" and isinstance(fields.get("variable_name"), str):
            yield fields["variable_name"]
        for inner in fields.values():
            yield from variable_names(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from variable_names(inner)


def _kinds(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        if KIND in fields:
            yield str(fields[KIND])
        for inner in fields.values():
            yield from _kinds(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _kinds(inner)


def _resolved(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolved(each, variables) for each in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        return value
    fields = cast("Mapping[str, Any]", value)
    if KIND not in fields:
        return {name: _resolved(inner, variables) for name, inner in fields.items()}
    kind = fields[KIND]
    reader = _READERS.get(str(kind))
    if reader is None:
        raise UnresolvedParameter(
            f"there is no kind of value {kind!r}", hint=f"There are {', '.join(sorted(_READERS))}."
        )
    return reader(fields, variables)


def _plain(fields: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    return _resolved(fields.get("value"), variables)


def _from_json(fields: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    text = _plain(fields, variables)
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnresolvedParameter(f"{text[:200]!r} is no JSON: {error}") from error


def _variable(fields: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    name = fields.get("variable_name")
    if not isinstance(name, str) or name not in variables:
        raise UnresolvedParameter(
            f"there is no variable {name!r}", hint="Make the variable, or give the value itself."
        )
    return variables[name]


def _template(fields: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    text = fields.get("template")
    if not isinstance(text, str):
        raise UnresolvedParameter("a template must be a text")
    try:
        return ImmutableSandboxedEnvironment().from_string(text).render()
    except TemplateError as error:
        raise UnresolvedParameter(f"{text[:200]!r} cannot be rendered: {error}") from error
    except Exception as error:  # what an expression of the template raised
        raise UnresolvedParameter(f"{text[:200]!r} cannot be rendered: {error!r}") from error


_READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "none": _plain,
    "json": _from_json,
    "workspace_variable": _variable,
    "jinja": _template,
}
