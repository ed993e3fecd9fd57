"""Placeholders `{{ name }}` in JSON: finds them, tells what they refer to, and fills in values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, cast

from ..runtime.values.json_texts import texts_replaced

_PLACEHOLDER = re.compile(r"\{\{\s*(\$?[A-Za-z_][\w.-]*)\s*\}\}")
_HOUSES = ("prefect", "heliostat")


class _Mark(Enum):
    UNSET = "UNSET"
    UNRESOLVED = "UNRESOLVED"


UNSET: Final = _Mark.UNSET
"""No value: the key or item of the placeholder is left out."""

UNRESOLVED: Final = _Mark.UNRESOLVED
"""Not known here: the placeholder's text stays."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{{ ... }}` in a text."""

    text: str  # "{{ env.HOME }}"
    name: str  # "env.HOME"

    @property
    def variable(self) -> str:
        """The job variable at its beginning."""
        return self.name.partition(".")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """The keys inside that variable's value."""
        return tuple(self.name.split(".")[1:])


@dataclass(frozen=True, slots=True)
class Reference:
    """What a placeholder refers to outside the template.

    `name` is the name of an environment variable or variable, or "type.name" of a block with keys after it.
    """

    kind: Literal["env", "variable", "block"]
    name: str


def reference_of(placeholder: Placeholder) -> Reference | None:
    """What the placeholder refers to outside the template; None for a job variable."""
    name = placeholder.name
    if name.startswith("$"):
        return Reference("env", name[1:])
    house, _, rest = name.partition(".")
    kind, _, rest = rest.partition(".")
    if house in _HOUSES and rest:
        if kind == "variables":
            return Reference("variable", rest)
        if kind == "blocks" and "." in rest:
            return Reference("block", rest)
    return None


def placeholders_in(value: Any, path: str) -> Iterator[tuple[str, Placeholder]]:
    """Every placeholder in the texts of a JSON value, with the path of the text: "a.b[0]"."""
    if isinstance(value, str):
        for match in _PLACEHOLDER.finditer(value):
            yield path, Placeholder(match[0], match[1])
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            yield from placeholders_in(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from placeholders_in(inner, f"{path}[{index}]")


def fill(value: Any, value_of: Callable[[Placeholder], Any]) -> Any:
    """The JSON value with its placeholders replaced by what `value_of` returns; returned values are not
    filled again.
    """
    return texts_replaced(value, lambda text: _filled_text(text, value_of), left_out=UNSET)


def _filled_text(text: str, value_of: Callable[[Placeholder], Any]) -> Any:
    whole = _PLACEHOLDER.fullmatch(text.strip())
    if whole:
        return value_of(Placeholder(whole[0], whole[1]))
    return _PLACEHOLDER.sub(lambda match: _as_text(value_of(Placeholder(match[0], match[1]))), text)


def _as_text(value: Any) -> str:
    if value is UNSET or value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
