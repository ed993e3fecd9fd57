"""What is wrong with the values of a form, by the fields of the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import HTTPException

from ..pools.job_variables import check_schema, schema_errors
from ..runtime.foundation.errors import BadJobTemplate


def problems(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
    """Errors as the standard nests them: a text, or `{property | index, errors}` around the inner errors.

    Raises HTTPException (422) when the schema is not valid.
    """
    try:
        check_schema(schema, "schema")
    except BadJobTemplate as error:
        raise HTTPException(422, str(error)) from error
    top: list[Any] = []
    for path, message in schema_errors(schema, values):
        place = top
        for step in path:
            place = _inside(place, step)
        place.append(message)
    return top


def _inside(place: list[Any], step: str | int) -> list[Any]:
    """The errors under one property or index, which is added when it is missing."""
    key = "index" if isinstance(step, int) else "property"
    for each in place:
        if isinstance(each, dict) and cast("dict[str, Any]", each).get(key) == step:
            return cast("dict[str, Any]", each)["errors"]
    inner: list[Any] = []
    place.append({key: step, "errors": inner})
    return inner
