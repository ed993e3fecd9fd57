"""Fills `{{ ... }}` in deployment files and steps from the environment, the server and earlier steps.

The forms are the standard's: `{{ $NAME }}`, `{{ prefect.variables.name }}`, `{{ prefect.blocks.type.name }}`
with or without a path into it, and `{{ id.stdout }}` for the output of a step. A placeholder that is the
whole text keeps the type of its value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..foundation.errors import BadDeployment, NotFound
from ..values.json_texts import texts_replaced

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_VARIABLES = ("prefect.variables.", "heliostat.variables.")
_BLOCKS = ("prefect.blocks.", "heliostat.blocks.")
STAYS: Any = object()
"""What a look-up returns for a placeholder that is to be filled later."""


@dataclass(frozen=True, slots=True)
class Known:
    """The server's variables and blocks. Both calls raise NotFound."""

    variable: Callable[[str], Any]
    block: Callable[
        [str, str], Mapping[str, Any]
    ]  # the data of a block, by the slug of its type and its name


def _nothing(*names: str) -> Any:
    raise NotFound(f"{'.'.join(names)!r} is not known here")


NOTHING = Known(_nothing, _nothing)


def fill(value: Any, look_up: Callable[[str], Any]) -> Any:
    """The value with each placeholder replaced by what `look_up` returns."""

    def filled(text: str) -> Any:
        whole = _PLACEHOLDER.fullmatch(text.strip())
        if whole is None:
            return _PLACEHOLDER.sub(lambda each: _text(each, look_up(each[1])), text)
        found = look_up(whole[1])
        return text if found is STAYS else found

    return texts_replaced(value, filled)


class LookUp:
    """The values of placeholders where steps are executed. Calls raise BadDeployment or NotFound."""

    def __init__(self, known: Known, outputs: Mapping[str, Any] | None = None) -> None:
        self._known = known
        self._outputs = outputs

    def __call__(self, name: str) -> Any:
        if name.startswith("$"):
            return _environment(name[1:])
        for prefix in _VARIABLES:
            if name.startswith(prefix):
                return self._variable(name, name.removeprefix(prefix))
        for prefix in _BLOCKS:
            if name.startswith(prefix):
                return self._block(name, name.removeprefix(prefix))
        found = STAYS if self._outputs is None else _within(self._outputs, name)
        if found is STAYS:
            raise BadDeployment(f"{{{{ {name} }}}} is not known.", hint=_hint(self._outputs))
        return found

    def _variable(self, name: str, variable: str) -> Any:
        try:
            return self._known.variable(variable)
        except NotFound:
            raise NotFound(
                f"{{{{ {name} }}}}: the variable {variable!r} is not found.",
                hint="see the variables of the server under /variables, or make this one",
            ) from None

    def _block(self, name: str, path: str) -> Any:
        kind, _, rest = path.partition(".")
        block, _, inner = rest.partition(".")
        if not block:
            raise BadDeployment(
                f"{{{{ {name} }}}} does not name a block.", hint="write {{ prefect.blocks.TYPE.NAME }}"
            )
        try:
            data: Any = self._known.block(kind, block)
        except NotFound:
            raise NotFound(
                f"{{{{ {name} }}}}: the block {block!r} of type {kind!r} is not found.", hint="make the block"
            ) from None
        if set(data) == {"value"} and re.split(r"[.\[]", inner)[0] != "value":
            data = data["value"]  # as the standard does for blocks of one value
        found = _within(data, inner) if inner else data
        if found is STAYS:
            raise BadDeployment(f"{{{{ {name} }}}}: the block has no {inner!r}.", hint="see what it holds")
        return found


def deployers(name: str) -> Any:
    """The look-up for pull steps at deployment: only environment variables; the run fills the rest."""
    return os.environ.get(name[1:], STAYS) if name.startswith("$") else STAYS


def _environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise BadDeployment(
            f"{{{{ ${name} }}}}: the environment has no variable {name!r} here.", hint=f"set {name}"
        ) from None


def _within(values: Any, path: str) -> Any:
    """The value at a path such as `id.stdout` or `list[0].key`; STAYS when it does not exist."""
    found = values
    for key, index in _STEP.findall(path):
        if key and isinstance(found, Mapping) and key in found:
            found = cast("Mapping[str, Any]", found)[key]
        elif index and isinstance(found, list) and int(index) < len(cast("list[Any]", found)):
            found = cast("list[Any]", found)[int(index)]
        else:
            return STAYS
    return found


def _text(placeholder: re.Match[str], found: Any) -> str:
    if found is STAYS:
        return placeholder[0]
    if isinstance(found, Mapping | list):
        raise BadDeployment(
            f"{placeholder[0]} is inside a text, but its value is not text.", hint="name a value inside of it"
        )
    return str(found)


def _hint(outputs: Mapping[str, Any] | None) -> str:
    known = "known are {{ $NAME }}, {{ prefect.variables.name }} and {{ prefect.blocks.type.name }}"
    if outputs is None:
        return f"{known}; outputs of build steps are not, because build steps are not executed"
    given = [
        f"{step}.{name}"
        for step, facts in outputs.items()
        if isinstance(facts, Mapping)
        for name in cast("Mapping[str, Any]", facts)
    ]
    return f"{known}; outputs of earlier steps: {', '.join(given) or 'none'}"
