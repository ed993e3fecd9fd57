"""The author's state hooks: called beside the run, never able to fail it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..context import TaskRunInfo
from ..states import State, StateType

_log = logging.getLogger("heliostat.task_runs")

Hook = Callable[..., Any]


def run_task_hooks(
    hooks: Iterable[Hook], task: Any, info: TaskRunInfo, state_type: str, message: str | None
) -> None:
    """Call each `hook(task, task_run, state)`; what one raises is logged and goes no further."""
    state = State(StateType(state_type), message=message)
    run_hooks(hooks, task, info, state)


def run_hooks(hooks: Iterable[Hook], subject: Any, run: Any, state: State) -> None:
    """Call each `hook(subject, run, state)`; what one raises is logged and goes no further."""
    for hook in hooks:
        try:
            hook(subject, run, state)
        except Exception:
            _log.exception("hook %s failed", getattr(hook, "__name__", hook))
