"""What the filter records of all searches share."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, cast


class Filter:
    """A filter record. When a request is parsed, an unknown field is an error."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def parts(self) -> list[tuple[str, Any]]:
        """Name and value of every field except the operator that joins them."""
        return [
            (each.name, getattr(self, each.name))
            for each in fields(cast(Any, self))
            if each.name != "operator"
        ]
