"""The calls that this process executes right now, and a watcher that reports long ones.

Writing a call on the board costs almost nothing. Ten times a second the watcher looks: a call that has run
for 250 ms is reported Running; when one has held up a pack for a second, the calls behind it are given back,
so that tasks which wait for each other do not starve and an uneven fan-out evens out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..foundation import clock
from ..foundation.long_lived import keep_thread
from .shields import set_on

_log = logging.getLogger("heliostat.internal.board")
REPORT_RUNNING_AFTER_S = 0.25
GIVE_BACK_AFTER_S = 1.0
_LOOK_EVERY_S = 0.1
LoneEntry = tuple[Callable[[str, float], None], str, float]  # the callback for news, the pack, the start time


class Board:
    """The calls of one pack in this process. `limit` is the first position that must not be started.

    `stop_asked`: the running call is to stop, so it can no longer complete. The board also keeps what
    `stopping` needs to reach the code.
    """

    def __init__(
        self,
        size: int,
        on_running: Callable[[int, float], None],
        on_given_back: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        self.size = size
        self.limit = size
        self.cancelled = False
        self.current: dict[int, float] = {}
        self._on_running = on_running
        self._on_given_back = on_given_back
        self._reported: set[int] = set()
        self.lock = threading.RLock()  # a signal's handler may run in the thread that holds it
        self._next = 0
        self.stop_asked = False
        self.has_process = False  # nothing else is executed in this process
        self.inside = False  # the author's code is being executed
        self.thread: int | None = None
        self.native_thread: int | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: dict[int, asyncio.Task[Any]] = {}  # tasks of async calls on the loop
        self.because: type[BaseException] | None = None  # why the executing thread is stopped
        self.why: type[BaseException] | None = None  # what is raised in the code of this board
        self.raised: set[Any] = set()  # where it was raised: the loop's task; None without a loop
        self.injected = False  # the exception was set on the thread

    @property
    def is_at_work(self) -> bool:
        """Whether the author's code is being executed."""
        return self.inside or bool(self.tasks)

    def begin_anew(self) -> None:
        """Use the board for another call; requests to the call before no longer hold."""
        with self.lock:
            self.cancelled = self.stop_asked = False
            self.why = self.because = None
            self.raised.clear()

    def leave_code(self) -> None:
        """Note that the author's code has ended, so that nothing more is raised in it."""
        with self.lock:
            self.inside = False
            if self.injected:
                self.injected = False
                set_on(threading.get_ident(), None)  # it came too late; harmless when it has been raised

    def start(self, position: int, at: float) -> bool:
        """Claim a call in order; False when it was given back or the pack was cancelled."""
        with self.lock:
            if position >= self.limit or self.cancelled:
                return False
            self._next = position + 1
            self.current[position] = at
            return True

    def end(self, position: int) -> None:
        self.current.pop(position, None)

    def cancel(self) -> None:
        """Start nothing more."""
        with self.lock:
            self.cancelled = True

    def look(self) -> None:
        """Report calls that have run for long; the watcher calls this."""
        now = clock.epoch_s()
        for position, started in list(self.current.items()):
            lasted = now - started
            if lasted >= REPORT_RUNNING_AFTER_S and position not in self._reported:
                self._reported.add(position)
                self._on_running(position, started)
            if lasted >= GIVE_BACK_AFTER_S:
                self._give_back()

    def _give_back(self) -> None:
        if self._on_given_back is None:
            return
        with self.lock:
            given = range(self._next, self.limit)
            self.limit = min(self.limit, self._next)
        if given:
            self._on_given_back(given)


class LoneBoard:
    """What this process is executing of calls that come alone, one after another."""

    def __init__(self, rouse: Callable[[], None]) -> None:
        self.current: LoneEntry | None = None
        self._reported: LoneEntry | None = None
        self._rouse = rouse

    def start(self, on_running: Callable[[str, float], None], pack_id: str, at: float) -> None:
        self.current = (on_running, pack_id, at)
        self._rouse()

    def end(self) -> None:
        self.current = None

    def look(self) -> None:
        """Report calls that have run for long; the watcher calls this."""
        current = self.current
        if current is None or current is self._reported:
            return
        on_running, pack_id, started = current
        if clock.epoch_s() - started >= REPORT_RUNNING_AFTER_S:
            self._reported = current
            on_running(pack_id, started)


class Watcher:
    """The thread that looks at every board of this process; asleep while nothing is executed."""

    _instance: ClassVar[Watcher | None] = None
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._boards: set[Board] = set()
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self.lone = LoneBoard(self._rouse)
        self._pause = threading.Event()
        keep_thread("heliostat-watcher", self._watch)

    @classmethod
    def of_this_process(cls) -> Watcher:
        with cls._creation:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    @classmethod
    def forget(cls) -> None:
        """Forget the parent's watcher in a fork, which has no such thread and makes its own."""
        cls._instance, cls._creation = None, threading.Lock()

    def add(self, board: Board) -> None:
        with self._lock:
            self._boards.add(board)
            self._rouse()

    def _rouse(self) -> None:
        if not self._busy.is_set():
            self._busy.set()

    def remove(self, board: Board) -> None:
        with self._lock:
            self._boards.discard(board)

    def _watch(self) -> None:
        while True:
            self._busy.wait()
            self._pause.wait(_LOOK_EVERY_S)
            for board in self._written_on():
                try:
                    board.look()
                except Exception:  # a run that is over takes no news; the others do
                    _log.debug("news of long calls could not be told", exc_info=True)

    def _written_on(self) -> list[Board | LoneBoard]:
        with self._lock:
            boards: list[Board | LoneBoard] = list(self._boards)
            if not boards and self.lone.current is None:
                self._busy.clear()
            if self.lone.current is not None:
                self._busy.set()  # a call that began just before has not roused the watcher
                boards.append(self.lone)
            return boards


def _anew_after_fork() -> None:
    Watcher.forget()


os.register_at_fork(after_in_child=_anew_after_fork)
