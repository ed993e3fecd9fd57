"""What the client's calls about all kinds of objects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ..foundation.errors import ServerFailed
from .http import Connection

T = TypeVar("T")

PAGE_ROWS = 200  # the most that the API returns at once


class Calls:
    """Holds the connection. Each subclass has the calls about one kind of object."""

    http: Connection


def read_as(kind: type[T], answer: Any) -> T:
    """An answer's JSON as a record, or a list of records. Raises ServerFailed when it has another shape."""
    from pydantic import ValidationError

    try:
        return TypeAdapter(kind).validate_python(answer)
    except ValidationError as error:
        raise ServerFailed(
            f"the server's answer is not what this version of Heliostat expects: {error.errors()[0]['msg']}",
            hint="is HELIOSTAT_API_URL the address of the API (it ends in /api)?",
        ) from error


def page(limit: int | None, offset: int, sort: str | None = None, **filters: Any) -> dict[str, Any]:
    """The body for a filter route, without unset fields."""
    body: dict[str, Any] = {"limit": limit, "offset": offset, "sort": sort, **filters}
    return {name: value for name, value in body.items() if value is not None}


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the caller set."""
    return {name: value for name, value in fields.items() if value is not None}


def any_of(values: Sequence[Any] | None) -> dict[str, Any] | None:
    """The standard's "is one of" filter; None when nothing is asked for."""
    return {"any_": list(values)} if values else None
