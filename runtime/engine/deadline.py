"""Time limits for synchronous code.

On the main thread (where Ray runs tasks) an interval timer interrupts even a sleeping call. Elsewhere the
exception is set on the thread from outside, which takes effect at its next bytecode: a call blocked in C ends
late.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class DeadlinePassed(BaseException):
    """Raised inside the limited code; not an Exception, so that the author's handlers do not swallow it."""


@contextmanager
def time_limit(seconds: float | None) -> Generator[None]:
    """Run the block for at most `seconds` (None: without limit); raises DeadlinePassed inside it."""
    if seconds is None:
        yield
    elif threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _injected(seconds):
            yield


@contextmanager
def _alarm(seconds: float) -> Generator[None]:
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlinePassed

    before = signal.signal(signal.SIGALRM, expire)
    # An outer limit that is still ticking must go on afterwards.
    left_outside, _ = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        yield
    finally:
        left_inside, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left_outside:
            signal.setitimer(signal.ITIMER_REAL, max(left_outside - (seconds - left_inside), 1e-6))


@contextmanager
def _injected(seconds: float) -> Generator[None]:
    thread_id = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    over = False

    def expire() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(DeadlinePassed))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()
