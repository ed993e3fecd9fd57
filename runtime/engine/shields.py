"""Protects bookkeeping that must not be left half done from interruptions from outside."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Generator
from contextlib import contextmanager


class Shield:
    """Holds back interruptions of one thread for a moment."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal's handler may run in the thread that holds it
        self.depth = 0
        self.users = 0
        self.late: type[BaseException] | None = None  # the interruption that came meanwhile

    def holds_back(self, why: type[BaseException]) -> bool:
        """Whether the thread must not be interrupted now; then it raises the exception itself later."""
        if self.depth:
            self.late = why
        return self.depth > 0


_shields: dict[int, Shield] = {}  # of the threads that execute bodies and calls


def take_up() -> Shield:
    """The calling thread begins to execute code that may be stopped from outside; ends with `put_down`."""
    thread = threading.get_ident()
    shield = _shields.get(thread)
    if shield is None:
        shield = _shields[thread] = Shield()
    shield.users += 1
    return shield


def put_down() -> None:
    """The calling thread is done with code that may be stopped from outside."""
    thread = threading.get_ident()
    shield = _shields[thread]
    shield.users -= 1
    if not shield.users:
        del _shields[thread]


def shield_of(thread: int) -> Shield | None:
    """The shield of a thread that executes bodies or calls."""
    return _shields.get(thread)


def set_on(thread: int, error: type[BaseException] | None) -> None:
    """Have a thread raise an exception at its next bytecode; None withdraws one that was not raised yet."""
    value = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)


@contextmanager
def uninterrupted() -> Generator[None]:
    """Within the block this thread's code is not interrupted, but right after it.

    For bookkeeping that must be done whole: a call that is counted and not sent would never end.
    """
    shield = _shields.get(threading.get_ident())
    if shield is None:
        yield
        return
    inside, late = False, None
    try:
        with shield.lock:
            shield.depth += 1
            inside = True
        _let_raise()  # an interruption under way is raised here, at the latest
        yield
    finally:
        if inside:
            with shield.lock:
                shield.depth -= 1
                late = shield.late
                if not shield.depth:
                    shield.late = None
    if late is not None and not shield.depth:
        raise late


def _let_raise() -> None:
    """A call: the interpreter raises what was set on the thread when one begins."""
