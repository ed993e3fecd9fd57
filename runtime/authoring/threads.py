"""Makes threads that a run's code starts, and work that it gives to thread pools, belong to the run.

Python gives a new thread an empty context, so a task called there would not know its run. After the first run
of a process, `Thread.start` passes on the caller's run, and the standard library's pools do so with each
piece of work, since their threads live longer than a run. Outside of runs nothing changes. Only Heliostat's
context variables are passed on, not those of other libraries.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Any

from .context import Numbering, current_tags, flow_run_info, task_run_info
from .logging import log_capture

_OURS = "heliostat-"  # prefix of the names of the engine's threads, which serve many runs
_variables: list[ContextVar[Any]] = [flow_run_info, task_run_info, current_tags, log_capture]
_installing = threading.Lock()
_is_installed = False
_plain_start = threading.Thread.start
_plain_submit = ThreadPoolExecutor.submit


class Belonging:
    """The run of some code: what another thread needs to execute more of it."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[ContextVar[Any], Any]) -> None:
        self._values = values

    @classmethod
    def here(cls) -> Belonging | None:
        """The run of the calling code; None outside of runs."""
        if flow_run_info.get() is None:
            return None
        values = {variable: variable.get() for variable in _variables}
        info = values[task_run_info]
        if info is not None:
            # The engine reuses one object for many calls, so this thread needs a copy.
            with _installing:
                if info.numbering is None:
                    info.numbering = Numbering()  # shared with the starting thread
            values[task_run_info] = replace(info)
        return cls(values)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in this thread as part of the run."""
        tokens: list[tuple[ContextVar[Any], Token[Any]]] = [
            (variable, variable.set(value)) for variable, value in self._values.items()
        ]
        try:
            return function(*args, **kwargs)
        finally:
            for variable, token in tokens:
                variable.reset(token)


class _There:
    """A function that is called as part of the run that submitted it."""

    __slots__ = ("_belonging", "_function")

    def __init__(self, belonging: Belonging, function: Callable[..., Any]) -> None:
        self._belonging = belonging
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._belonging.call(self._function, *args, **kwargs)


def install(session: ContextVar[Any]) -> None:
    """Let threads and pools pass on the run that uses them, and its session. Harmless a second time."""
    global _is_installed
    if _is_installed:
        return
    with _installing:
        if not _is_installed:
            _is_installed = True
            _variables.append(session)
            threading.Thread.start = _start
            ThreadPoolExecutor.submit = _submit  # pyright: ignore[reportAttributeAccessIssue]
            _install_in_pools()


def _start(self: threading.Thread) -> None:
    _install_in_pools()
    belonging = None if _stays_apart(self) else Belonging.here()
    if belonging is None:
        _plain_start(self)
        return
    run = self.run

    def run_there() -> None:
        self.run = run  # a thread that refers to itself would live until the next garbage collection
        belonging.call(run)

    self.run = run_there
    try:
        _plain_start(self)
    except BaseException:
        self.run = run
        raise


def _stays_apart(thread: threading.Thread) -> bool:
    """Whether a thread serves many runs, or was given a context by its author."""
    if thread.name.startswith(_OURS) or getattr(thread, "_context", None) is not None:
        return True
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) in ("concurrent.futures.thread", "multiprocessing.pool") and (
        getattr(target, "__name__", None) in ("_worker", "worker")
    )


def _submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    belonging = Belonging.here()
    if belonging is None or _has_interpreters(self):
        return _plain_submit(self, fn, *args, **kwargs)
    return _plain_submit(self, _There(belonging, fn), *args, **kwargs)


def _has_interpreters(executor: Executor) -> bool:
    # Python 3.14 has a subclass whose functions are pickled.
    module = sys.modules.get("concurrent.futures.interpreter")
    return module is not None and isinstance(executor, module.InterpreterPoolExecutor)


def _install_in_pools() -> None:
    """Let work given to a `multiprocessing.pool.ThreadPool` belong to its run, once that module is
    imported.
    """
    pools: Any = sys.modules.get("multiprocessing.pool")
    thread_pool = getattr(pools, "ThreadPool", None)
    if thread_pool is None or "apply_async" in vars(thread_pool):
        return
    for name in ("apply_async", "imap", "imap_unordered", "_map_async"):
        setattr(thread_pool, name, _taking_along(getattr(thread_pool, name)))


def _taking_along(method: Callable[..., Any]) -> Callable[..., Any]:
    def hand_over(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        belonging = Belonging.here()
        if belonging is not None:
            func = _There(belonging, func)
        return method(self, func, *args, **kwargs)

    hand_over.__name__ = method.__name__
    hand_over.__doc__ = method.__doc__
    return hand_over
