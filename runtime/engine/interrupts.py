"""Signals that end the process: SIGTERM and SIGHUP become an exception in the flow's body, as Ctrl-C does in
Python.
"""

from __future__ import annotations

import asyncio
import builtins
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from ..foundation.ending import watchdog

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a process to end: from other programs, or because its terminal is gone."""


class Terminated(BaseException):
    """The process was asked to end."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = number

    @property
    def signal_name(self) -> str:
        return signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """The exit code that shells report for a process that this signal has ended."""
        return 128 + self.number


@contextmanager
def termination_raises() -> Generator[None]:
    """Within the block SIGTERM and SIGHUP raise Terminated. A signal that the program handles itself, or
    ignores (as under `nohup`), is left to it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _heeded, _told
    watchdog().ready()
    before = {number: signal.getsignal(number) for number in _ENDING}
    taken = {number: handler for number, handler in before.items() if _is_nobodys(handler)}
    for number in taken:
        signal.signal(number, _terminate)
    ctrl_c: Any = signal.getsignal(signal.SIGINT)
    if _is_of_a_loop(ctrl_c):
        taken[signal.SIGINT] = ctrl_c
        signal.signal(signal.SIGINT, partial(_cancel, ctrl_c))
    _heeded += 1
    try:
        yield
    finally:
        _heeded -= 1
        for number, handler in taken.items():
            signal.signal(number, handler)
        if not _heeded and _told:
            _told = False
            if not _asked:
                watchdog().over()  # a Ctrl-C ends the flow, but perhaps not the program


_heeded = 0  # number of nested blocks that signals reach
_settling = 0  # number of nested blocks that signals must not interrupt
_told = False  # whether the watchdog knows of a Ctrl-C
_asked: list[int] = []  # signals that have asked this process to end
_unheard: list[int] = []  # those of `_asked` that have interrupted nothing


@contextmanager
def undisturbed() -> Generator[None]:
    """Within the block, which records how a run ended, no signal raises: `raise_unheard` raises it later.
    The watchdog ensures that the process does not wait here for ever.
    """
    if not _heeded or threading.current_thread() is not threading.main_thread():
        yield
        return
    global _settling
    before = signal.getsignal(signal.SIGINT)
    is_plain = before is signal.default_int_handler
    if is_plain:
        signal.signal(signal.SIGINT, _terminate)
    _settling += 1
    try:
        yield
    finally:
        _settling -= 1
        if is_plain:
            signal.signal(signal.SIGINT, before)


def heeds_signals() -> bool:
    """Whether a flow runs on the main thread, so that this module handles its signals."""
    return _heeded > 0


def interrupted() -> None:
    """Note that Ctrl-C has ended a flow: unless the process is interactive, it is to end too."""
    global _told
    if _heeded and not _told and not is_interactive():
        _told = True
        watchdog().asked(signal.SIGINT)


def is_interactive() -> bool:
    """Whether the process is interactive: then Ctrl-C ends what runs, but not the process."""
    return hasattr(sys, "ps1") or hasattr(builtins, "get_ipython") or bool(sys.flags.interactive)


def raise_unheard() -> None:
    """Raise the exception of a signal that came while nothing could be interrupted."""
    if _unheard and threading.current_thread() is threading.main_thread():
        number = _unheard[-1]
        _unheard.clear()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def is_unheard() -> bool:
    """Whether a signal has come that interrupted nothing."""
    return bool(_unheard)


def forget_signals() -> None:
    """Forget the signals so far, for tests that go on after them."""
    _asked.clear()
    _unheard.clear()
    watchdog().over()


def raises_here(interrupt: Callable[[], None]) -> bool:
    """Let the next SIGTERM call `interrupt` on the main thread instead of raising Terminated.

    False, and no change, when this module does not handle the signal.
    """
    if signal.getsignal(signal.SIGTERM) is not _terminate:
        return False
    _interrupts.append(interrupt)
    return True


_interrupts: deque[Callable[[], None]] = deque()


def _is_of_a_loop(handler: object) -> bool:
    """Whether a handler is asyncio's, by which Ctrl-C cancels the main task."""
    return isinstance(handler, partial) and getattr(handler.func, "__name__", "") == "_on_sigint"


def _cancel(before: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None) -> None:
    global _told
    if not is_interactive():
        _told = True
        watchdog().asked(number)
    before(number, frame)


def _terminate(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGTERM and _interrupts:
        _interrupts.popleft()()
        return
    global _told
    if number != signal.SIGINT:
        _asked.append(number)
        watchdog().asked(number)
    elif not is_interactive():
        _told = True
        watchdog().asked(number)
    if _settling or _bodies_in_tasks():
        _unheard.append(number)
        return
    raise Terminated(number)


def _bodies_in_tasks() -> bool:
    """Cancel asynchronous bodies instead of raising, which would break the loop; whether that was possible.
    Code of a body that blocks the loop is interrupted directly.
    """
    loop = asyncio._get_running_loop()  # pyright: ignore[reportPrivateUsage]
    if loop is None or not _tasks:
        return False
    if asyncio.current_task(loop) in _tasks:
        return False
    for task in list(_tasks):
        loop.call_soon_threadsafe(task.cancel)
    return True


_tasks: set[asyncio.Task[object]] = set()


@contextmanager
def cancelled_by_signals(task: asyncio.Task[object]) -> Generator[None]:
    """Within the block a signal that ends the process cancels that task."""
    _tasks.add(task)
    try:
        yield
    finally:
        _tasks.discard(task)


@contextmanager
def sigterm_kept() -> Generator[None]:
    """Restore the handler of SIGTERM after the block, which starts Ray and may replace it, if it was the
    program's or this module's.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and not _is_nobodys(before):
            signal.signal(signal.SIGTERM, before)


def _is_nobodys(handler: Any) -> bool:
    """Whether a handler is the system's default, or Ray's, which ends the process silently."""
    return handler is signal.SIG_DFL or str(getattr(handler, "__module__", "")).startswith("ray.")
