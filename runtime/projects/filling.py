"""`{{ ... }}` in deployment files and in steps: what the environment, the server and earlier steps know.

The forms are the standard's: `{{ $NAME }}`, `{{ prefect.variables.name }}`, `{{ prefect.blocks.type.name }}`
with or without a path into it, and `{{ id.stdout }}` for what a step gave. One that stands alone keeps the
type of its value.
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
"""What a look-up gives for a placeholder that is filled later, by somebody else."""


@dataclass(frozen=True, slots=True)
class Known:
    """The server's variables and blocks. Both raise NotFound."""

    variable: Callable[[str], Any]
    block: Callable[[str, str], Mapping[str, Any]]  # by the slug of its type and its name: its data


def _nothing(*names: str) -> Any:
    raise NotFound(f"nothing is known of {'.'.join(names)!r} here")


NOTHING = Known(_nothing, _nothing)


def fill(value: Any, look_up: Callable[[str], Any]) -> Any:
    """The value with what `look_up` gives in place of each placeholder."""

    def filled(text: str) -> Any:
        whole = _PLACEHOLDER.fullmatch(text.strip())
        if whole is None:
            return _PLACEHOLDER.sub(lambda each: _text(each, look_up(each[1])), text)
        found = look_up(whole[1])
        return text if found is STAYS else found

    return texts_replaced(value, filled)


class LookUp:
    """What placeholders stand for where something is carried out. Calls raise BadDeployment, NotFound."""

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
            raise BadDeployment(f"Nothing is known of {{{{ {name} }}}}.", hint=_hint(self._outputs))
        return found

    def _variable(self, name: str, variable: str) -> Any:
        try:
            return self._known.variable(variable)
        except NotFound:
            raise NotFound(
                f"{{{{ {name} }}}}: the variable {variable!r} is not found.",
                hint="see the variables of the server under /variables, or make it",
            ) from None

    def _block(self, name: str, path: str) -> Any:
        kind, _, rest = path.partition(".")
        block, _, inner = rest.partition(".")
        if not block:
            raise BadDeployment(
                f"{{{{ {name} }}}} names no block.", hint="write {{ prefect.blocks.TYPE.NAME }}"
            )
        try:
            data: Any = self._known.block(kind, block)
        except NotFound:
            raise NotFound(
                f"{{{{ {name} }}}}: the block {block!r} of type {kind!r} is not found.", hint="make the block"
            ) from None
        if set(data) == {"value"} and re.split(r"[.\[]", inner)[0] != "value":
            data = data["value"]  # as the standard has it for blocks of one value
        found = _within(data, inner) if inner else data
        if found is STAYS:
            raise BadDeployment(f"{{{{ {name} }}}}: the block has no {inner!r}.", hint="see what it holds")
        return found


def deployers(name: str) -> Any:
    """For pull steps when they are deployed: the deployer's environment; all else waits for the run."""
    return os.environ.get(name[1:], STAYS) if name.startswith("$") else STAYS


def _environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise BadDeployment(
            f"{{{{ ${name} }}}}: the environment has no variable {name!r} here.", hint=f"set {name}"
        ) from None


def _within(values: Any, path: str) -> Any:
    """The value at a path such as `id.stdout` or `list[0].key`; STAYS where there is none."""
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
            f"{placeholder[0]} stands within a text but is no text.", hint="name a value inside of it"
        )
    return str(found)


def _hint(outputs: Mapping[str, Any] | None) -> str:
    known = "known are {{ $NAME }}, {{ prefect.variables.name }} and {{ prefect.blocks.type.name }}"
    if outputs is None:
        return f"{known}; outputs of build steps are not, as these are not carried out"
    given = [
        f"{step}.{name}"
        for step, facts in outputs.items()
        if isinstance(facts, Mapping)
        for name in cast("Mapping[str, Any]", facts)
    ]
    return f"{known}; earlier steps gave {', '.join(given) or 'nothing'}"
