"""Being told to stop from outside: SIGTERM and SIGHUP become an exception in the flow's body, as Ctrl-C is
one already.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What asks a process to end: by a word from others, or because its terminal is gone."""


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
        """That of a process that this signal has ended, as shells tell it."""
        return 128 + self.number


@contextmanager
def termination_raises() -> Generator[None]:
    """Within the block SIGTERM and SIGHUP raise Terminated. One that the program handles in its own way, or
    ignores (as under `nohup`), stays with that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    taken = {number: handler for number, handler in before.items() if _is_nobodys(handler)}
    for number in taken:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)


def raises_here(interrupt: Callable[[], None]) -> bool:
    """Let the next SIGTERM call `interrupt` on the main thread instead of raising Terminated.

    False when a signal would not come to our handler: then nothing is changed.
    """
    if signal.getsignal(signal.SIGTERM) is not _terminate:
        return False
    _interrupts.append(interrupt)
    return True


_interrupts: deque[Callable[[], None]] = deque()


def _terminate(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGTERM or not _interrupts:
        raise Terminated(number)
    _interrupts.popleft()()


@contextmanager
def sigterm_kept() -> Generator[None]:
    """Within the block (which starts Ray) somebody may replace the handler of SIGTERM; afterwards
    a handler that was the program's or ours is back.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and not _is_nobodys(before):
            signal.signal(signal.SIGTERM, before)


def _is_nobodys(handler: Any) -> bool:
    """Whether it is the system's, or the one that Ray sets, which ends the process without a word."""
    return handler is signal.SIG_DFL or str(getattr(handler, "__module__", "")).startswith("ray.")
