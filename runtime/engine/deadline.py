"""Time limits for synchronous code.

On the main thread (where Ray runs tasks) an interval timer interrupts even a sleeping call. Elsewhere the
exception is set on the thread from outside, which takes effect at its next bytecode: a call blocked in C ends
late. Limits may be nested; each raises an exception class of its own, so that a task does not mistake its
flow's time limit for its own.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ..foundation import clock


class DeadlinePassed(BaseException):
    """Raised inside the limited code; not an Exception, so that the author's handlers do not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Generator[type[DeadlinePassed]]:
    """Run the block for at most `seconds`; yields the exception class that is raised in it after that."""
    passed: type[DeadlinePassed] = type("DeadlinePassed", (DeadlinePassed,), {})
    if threading.current_thread() is not threading.main_thread():
        with _injected(seconds, passed):
            yield passed
        return
    alarms, alarm = _Alarms.of_the_main_thread, _Alarm(clock.monotonic_s() + seconds, passed)
    alarms.add(alarm)
    try:
        yield passed
    finally:
        alarms.remove(alarm)


@dataclass(slots=True, eq=False)
class _Alarm:
    due_s: float
    passed: type[DeadlinePassed]
    rung: bool = False


class _Alarms:
    """The time limits of the main thread, the outermost first; one timer serves them all."""

    of_the_main_thread: _Alarms

    def __init__(self) -> None:
        self._set: list[_Alarm] = []
        self._handler_before: Any = None
        self._due_before_s = 0.0  # when a timer of other code is due; 0: there is none

    def add(self, alarm: _Alarm) -> None:
        if not self._set:
            self._handler_before = signal.signal(signal.SIGALRM, self._ring)
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
            self._due_before_s = clock.monotonic_s() + left if left else 0.0
        self._set.append(alarm)
        self._wind()

    def remove(self, alarm: _Alarm) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if alarm in self._set:
            self._set.remove(alarm)
        if self._set:
            self._wind()
            return
        if self._handler_before is not None:
            signal.signal(signal.SIGALRM, self._handler_before)
            self._handler_before = None
        if self._due_before_s:
            signal.setitimer(signal.ITIMER_REAL, max(self._due_before_s - clock.monotonic_s(), 1e-6))

    def _wind(self) -> None:
        ahead = [alarm.due_s for alarm in self._set if not alarm.rung]
        if ahead:
            signal.setitimer(signal.ITIMER_REAL, max(min(ahead) - clock.monotonic_s(), 1e-6))

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        now = clock.monotonic_s()
        due = next((alarm for alarm in self._set if not alarm.rung and alarm.due_s <= now), None)
        if due is not None:
            due.rung = True  # only once, also while its exception propagates
        self._wind()
        if due is not None:
            raise due.passed


_Alarms.of_the_main_thread = _Alarms()


@contextmanager
def _injected(seconds: float, passed: type[DeadlinePassed]) -> Generator[None]:
    thread_id = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    over = False

    def expire() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(passed))

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()
