"""What the records of searches have in common, whatever they search."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, cast


class Filter:
    """A record of a search. Read from a request, a field that it does not know is an error."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def parts(self) -> list[tuple[str, Any]]:
        """Name and value of every field but the operator that joins them."""
        return [
            (each.name, getattr(self, each.name))
            for each in fields(cast(Any, self))
            if each.name != "operator"
        ]
