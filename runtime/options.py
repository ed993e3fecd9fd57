"""What `@flow` and `@task` check of their options alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .errors import UserError

Hook = Callable[..., Any]


def refuse_unknown(subject: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise UserError for the first option that `subject` ("a flow", "a task") does not have."""
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UserError(f"{subject} has no option {unknown[0]!r}", hint="Options: " + ", ".join(known))


def checked_timeout(timeout: Any, name: str) -> float | None:
    """Seconds above 0, or None for no limit; raises UserError that names whose timeout it is."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or timeout <= 0:
        raise UserError(f"timeout_seconds of {name!r} must be a number above 0, not {timeout!r}")
    return float(timeout)


def as_hooks(hooks: Iterable[Hook] | None) -> tuple[Hook, ...]:
    """Hooks as they are kept; None is none."""
    return tuple(hooks or ())
