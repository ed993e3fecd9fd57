"""Being told to stop from outside: SIGTERM becomes an exception in the flow's body, as Ctrl-C is one
already.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
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

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
