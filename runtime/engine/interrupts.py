"""Being told to stop from outside: SIGTERM becomes an exception in the flow's body, as Ctrl-C is one
already.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """The process was asked to end."""


@contextmanager
def termination_raises() -> Generator[None]:
    """Within the block SIGTERM raises Terminated, unless the program handles it in its own way."""
    before = signal.getsignal(signal.SIGTERM)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or not _is_nobodys(before):
        yield
        return

    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def raises_here(interrupt: Callable[[], None]) -> bool:
    """Let the next SIGTERM call `interrupt` on the main thread instead of raising Terminated.

    False when a signal would not come to our handler: then nothing is changed.
    """
    if signal.getsignal(signal.SIGTERM) is not _terminate:
        return False
    _interrupts.append(interrupt)
    return True


_interrupts: deque[Callable[[], None]] = deque()


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    if not _interrupts:
        raise Terminated
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
