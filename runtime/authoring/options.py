"""Checks of options that `@flow` and `@task` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..foundation.errors import UserError

Hook = Callable[..., Any]
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def refuse_unknown(subject: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise UserError for the first option that `subject` ("a flow", "a task") does not have."""
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UserError(f"{subject} has no option {unknown[0]!r}", hint="Options: " + ", ".join(known))


def refuse_reserved(subject: str, fn: Any, reserved: Sequence[str]) -> None:
    """Raise UserError when a parameter has the name of a call option, which would take its argument."""
    inner = fn.__func__ if type(fn) in (staticmethod, classmethod) else fn
    try:
        parameters = inspect.signature(inner).parameters
    except (TypeError, ValueError):  # a C function without a signature
        return
    for name in reserved:
        parameter = parameters.get(name)
        if parameter is not None and parameter.kind in _BY_NAME:
            named = getattr(inner, "__name__", repr(inner))
            raise UserError(
                f"{subject} {named!r} cannot have a parameter named {name!r}: it is"
                " an option of the call, which would never reach the function.",
                hint="Give the parameter another name.",
            )


def checked_timeout(timeout: Any, name: str) -> float | None:
    """Seconds above 0, or None for no limit. Raises UserError, which names the flow or task."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or timeout <= 0:
        raise UserError(f"timeout_seconds of {name!r} must be a number above 0, not {timeout!r}")
    return float(timeout)


def as_hooks(hooks: Iterable[Hook] | None) -> tuple[Hook, ...]:
    """The hooks as a tuple; None means no hooks."""
    return tuple(hooks or ())
