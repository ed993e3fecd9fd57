"""The inputs in a call's record: the task runs from which its arguments came."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from .fanout import Fanout
from .nested_futures import futures_in


def task_inputs_of(fanout: Fanout, positions: Sequence[int]) -> list[str | None] | None:
    """The standard's `task_inputs` of some calls as JSON text; None when no call of the fan-out has upstream
    calls.
    """
    if not fanout.has_futures and not fanout.wait_for:
        return None
    before = _entries(fanout.wait_for)
    names = parameter_names(fanout.kind.code.fn)
    return [_inputs_text(fanout, position, names, before) for position in positions]


@lru_cache(maxsize=512)
def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters in order."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _inputs_text(
    fanout: Fanout, position: int, names: tuple[str, ...], before: list[dict[str, str]]
) -> str | None:
    if fanout.is_settled(position):
        return None
    inputs: dict[str, list[dict[str, str]]] = {}
    args, kwargs = fanout.calls.searchable(position)
    for place, value in enumerate(args):
        _note(inputs, names[place] if place < len(names) else str(place), value)
    for name, value in kwargs.items():
        _note(inputs, name, value)
    if before:
        inputs["wait_for"] = before
    return json.dumps(inputs) if inputs else None


def _note(inputs: dict[str, list[dict[str, str]]], name: str, value: Any) -> None:
    found = _entries(value)
    if found:
        inputs[name] = found


def _entries(value: Any) -> list[dict[str, str]]:
    return [{"input_type": "task_run", "id": str(future.task_run_id)} for future, _ in futures_in(value)]
