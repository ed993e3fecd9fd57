"""The author's state hooks: called beside the run, never able to fail it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from ..authoring.context import TaskRunInfo
from ..authoring.logging import TASK_LOGGER, engine_logger
from ..states import State, StateType

_log = engine_logger(TASK_LOGGER)

Hook = Callable[..., Any]


def run_task_hooks(
    hooks: Iterable[Hook],
    task: Any,
    info: TaskRunInfo,
    state_type: str,
    name: str,
    message: str | None = None,
) -> None:
    """Call each `hook(task, task_run, state)`; what one raises is logged and goes no further."""
    state = State(StateType(state_type), name=name, message=message)
    run_hooks(hooks, task, info, state)


def run_hooks(hooks: Iterable[Hook], subject: Any, run: Any, state: State) -> None:
    """Call each `hook(subject, run, state)`; what one raises is logged and goes no further."""
    for hook in hooks:
        try:
            returned = hook(subject, run, state)
            if inspect.iscoroutine(returned):
                _finish(returned)
        except Exception:  # an error in an author's hook does not affect the run
            _log.exception("hook %s failed", getattr(hook, "__name__", hook))


def _finish(running: Coroutine[Any, Any, Any]) -> None:
    """Run an asynchronous hook to its end on a loop of its own, since this thread's may be running."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(running)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="heliostat-hook")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
