"""Ending this process after it was asked to: it has some seconds to end by itself, then it is ended by force.

A process that is asked to end (by a signal, or because its server is gone) has last work that may hang: a
journal whose server does not answer, a task that does not stop, a terminal that nobody reads. A thread counts
the seconds. When they are over, or when a second signal comes, the thread saves what is not recorded yet and
ends the process.
"""

from __future__ import annotations

import atexit
import os
import queue
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from . import clock

END_WITHIN_S = 8.0
PARKED_EXIT = 75  # exit code of a process whose server was gone: EX_TEMPFAIL of sysexits.h
_TWICE_WITHIN_S = 0.3  # some senders send each signal twice, to the process and to its group
_LAST_ACTS_WITHIN_S = 1.0

LastAct = Callable[[], str | None]
"""Something to do before the process is ended by force; returns a line for people, or None."""

_OVER = 0
_PARKED = -1


class Watchdog:
    """Counts the seconds that an ending process has left. All methods may be called from a signal handler."""

    def __init__(self, leave: Callable[[int], None] | None = None, within_s: float = END_WITHIN_S) -> None:
        self._told: queue.SimpleQueue[int] = queue.SimpleQueue()  # its `put` is reentrant
        self._leave = leave or _leave
        self._within_s = within_s
        self._pid = 0
        self._leaving = False

    def ready(self) -> None:
        """Start the counting thread. Call it before a signal can come: a handler must not start threads."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._told = queue.SimpleQueue()
            self._leaving = False
            threading.Thread(target=self._watch, name="heliostat-ending", daemon=True).start()

    def asked(self, number: int) -> None:
        """Tell that the signal `number` has asked this process to end."""
        self._told.put(number)

    def parked(self) -> None:
        """Tell that the process is to end because its server is gone."""
        self._told.put(_PARKED)

    def over(self) -> None:
        """Stop counting: the work that was to end has ended, and the process goes on."""
        self._told.put(_OVER)

    def hold(self) -> None:
        """Keep the process from exiting by itself while it is being ended by force.

        The last acts release what the main thread waits for; it would exit before they end, with another
        code.
        """
        if self._leaving and self._pid == os.getpid():
            clock.sleep(2 * _LAST_ACTS_WITHIN_S)

    def _watch(self) -> None:
        while True:
            number = self._told.get()
            if number != _OVER:
                self._count(number)

    def _count(self, number: int) -> None:
        began = clock.monotonic_s()
        while True:
            left_s = began + self._within_s - clock.monotonic_s()
            try:
                again = self._told.get(timeout=max(0.0, left_s))
            except queue.Empty:
                self._end(number)
                return
            if again == _OVER:
                return
            # A terminal that hangs up may send SIGHUP more than once; that is no person in a hurry.
            is_second = again not in (_PARKED, signal.SIGHUP)
            if is_second and (number == _PARKED or clock.monotonic_s() - began > _TWICE_WITHIN_S):
                self._end(again)
                return

    def _end(self, number: int) -> None:
        self._leaving = True
        self._leave(number)
        self._leaving = False


_last_acts: list[LastAct] = []


def watchdog() -> Watchdog:
    """The watchdog of this process."""
    return _watchdog


def before_leaving(act: LastAct) -> None:
    """Have `act` called when the process is ended by force."""
    _last_acts.append(act)


def not_before_leaving(act: LastAct) -> None:
    """Undo `before_leaving`."""
    with suppress(ValueError):
        _last_acts.remove(act)


def _leave(number: int) -> None:
    said: list[str] = []

    def act() -> None:
        for each in list(_last_acts):
            line = each()
            if line:
                said.append(line)

    acting = threading.Thread(target=act, name="heliostat-last-acts", daemon=True)
    acting.start()
    acting.join(_LAST_ACTS_WITHIN_S)
    why = "its server is gone" if number == _PARKED else signal.Signals(number).name
    _say_without_waiting("\n".join([f"This process ends by force ({why}).", *said]))
    os._exit(PARKED_EXIT if number == _PARKED else 128 + number)


def _say_without_waiting(text: str) -> None:
    """Write to stderr if that does not block: a pipe that nobody reads must not hold up the end."""
    with suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{text}\n".encode(errors="replace"))


_watchdog = Watchdog()
atexit.register(_watchdog.hold)
