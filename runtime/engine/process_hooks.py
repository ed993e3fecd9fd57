"""Where Python starts child processes and hands work to pools of them: what runs there belongs to the run."""

from __future__ import annotations

import functools
import multiprocessing.process
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from ..authoring.context import task_run_info
from ..authoring.logging import log_capture
from . import open_calls
from .session import flow_session


class Ticket(Protocol):
    """Tells another process to which run a piece of work belongs."""

    def taken_along(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, to be called there."""
        ...

    def run_of_process(self) -> Callable[[], None]:
        """What a process object has to run there."""
        ...


class LineToChildren(Protocol):
    """The line over which child processes send their records."""

    def settle(self) -> object: ...


_installing = threading.Lock()
_is_installed = False
_ticket_here: Callable[[], Ticket | None]
_plain_start: Any = multiprocessing.process.BaseProcess.start
lines: list[LineToChildren] = []  # to the children of this process


def install(ticket_here: Callable[[], Ticket | None]) -> None:
    """From now on processes and pools take the current run along. Harmless when called twice.

    `ticket_here` gives the ticket for work that the calling code hands over.
    """
    global _is_installed, _ticket_here
    if _is_installed:
        return
    with _installing:
        if _is_installed:
            return
        _is_installed, _ticket_here = True, ticket_here
        multiprocessing.process.BaseProcess.start = _start  # pyright: ignore[reportAttributeAccessIssue]
        futures = sys.modules.get("concurrent.futures.process")
        if futures is not None:
            _install_in_executor(futures.ProcessPoolExecutor)
        # Importing that module takes too long for what most runs never use: its class is met when it is made.
        Executor.__init_subclass__ = classmethod(_met_executor)  # pyright: ignore[reportAttributeAccessIssue]
        os.register_at_fork(after_in_child=_forget_after_fork)


def settle() -> None:
    """Wait until what child processes have told so far is taken in."""
    for line in lines:
        line.settle()


def _ticket() -> Ticket | None:
    return None if flow_session.get() is None else _ticket_here()


def _start(self: Any) -> None:
    _install_in_pools()
    # Processes of pools serve many: their work has tickets of its own.
    module = getattr(getattr(self, "_target", None), "__module__", None)
    serves_many = module in ("multiprocessing.pool", "concurrent.futures.process")
    ticket = None if serves_many or "run" in vars(self) else _ticket()
    if ticket is None:
        _plain_start(self)
        return
    self.run = ticket.run_of_process()
    try:
        _plain_start(self)
    finally:
        del self.run


def _met_executor(cls: type, **_options: Any) -> None:
    if cls.__name__ == "ProcessPoolExecutor" and "submit" in vars(cls):
        _install_in_executor(cls)


def _install_in_executor(executor: Any) -> None:
    if not hasattr(executor.submit, "__wrapped__"):
        executor.submit = _taking_along(executor.submit)


def _install_in_pools() -> None:
    pools: Any = sys.modules.get("multiprocessing.pool")
    if pools is None or hasattr(pools.Pool.apply_async, "__wrapped__"):
        return
    for name in ("apply_async", "imap", "imap_unordered", "_map_async"):
        setattr(pools.Pool, name, _taking_along(getattr(pools.Pool, name)))


def _taking_along(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def hand_over(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        ticket = None if type(self).__name__ == "ThreadPool" else _ticket()
        if ticket is not None:
            fn = ticket.taken_along(fn)
        return method(self, fn, *args, **kwargs)

    return hand_over


def _forget_after_fork() -> None:
    """A fork has none of its parent's threads: it cannot record as its parent does."""
    lines.clear()
    open_calls.forget_runs()
    if flow_session.get() is not None:
        flow_session.set(None)
        task_run_info.set(None)
        log_capture.set(None)
