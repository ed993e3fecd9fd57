"""`--param NAME=VALUE` and `--params JSON`: parameters and variables on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import click

from ...runtime.foundation.errors import ParameterMismatch
from ...runtime.foundation.near_names import nearest


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--param`, `--params`."""
    for option in (
        click.option(
            "--params", "document", metavar="JSON", help="Parameters as one JSON object; - reads stdin."
        ),
        click.option(
            "--param",
            "-p",
            "assignments",
            metavar="NAME=VALUE",
            multiple=True,
            help="A parameter; repeatable.",
        ),
    ):
        command = option(command)
    return command


def from_document(document: str | None) -> dict[str, Any]:
    """The object of `--params`. Raises ParameterMismatch."""
    if document is None:
        return {}
    text = sys.stdin.read() if document == "-" else document
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ParameterMismatch(
            f"--params is not valid JSON: {error}", hint="""write --params '{"name": "value"}'"""
        ) from error
    if not isinstance(value, dict):
        raise ParameterMismatch(
            "--params is not a JSON object.", hint="""write --params '{"name": "value"}'"""
        )
    return cast("dict[str, Any]", value)


def from_assignments(
    assignments: Sequence[str], schema: dict[str, Any] | None = None, option: str = "--param"
) -> dict[str, Any]:
    """Values by name. A value is parsed as JSON if it is valid JSON and the schema does not ask for text.

    Raises ParameterMismatch for an assignment that is not NAME=VALUE, and for a name that is given twice.
    """
    properties: dict[str, Any] = (schema or {}).get("properties") or {}
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise ParameterMismatch(
                f"{option} {assignment} is not of the form NAME=VALUE.", hint=f"{option} n=3"
            )
        if name in values:
            raise ParameterMismatch(f"{option} {name} is given twice.", hint="give it once")
        values[name] = text if _wants_text(properties.get(name)) else _from_text(text)
    return values


def check_names(values: Mapping[str, Any], schema: Mapping[str, Any] | None) -> None:
    """Check that the flow has parameters of these names. Raises ParameterMismatch with the nearest name.

    A schema without properties comes from a deployment whose flow was not inspected, so any name passes.
    """
    properties: Mapping[str, Any] = (schema or {}).get("properties") or {}
    if not properties or (schema or {}).get("additionalProperties") not in (None, False):
        return
    for name in values:
        if name not in properties:
            close = nearest(name, properties)
            raise ParameterMismatch(
                f"the flow has no parameter {name!r}.",
                hint=f"did you mean {close!r}?" if close else f"it has: {', '.join(properties)}",
            )


def _wants_text(schema: Any) -> bool:
    return isinstance(schema, dict) and cast("dict[str, Any]", schema).get("type") == "string"


def _from_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
