"""Time limits for code on an event loop, also where it keeps the loop from noticing that its time is over.

`asyncio.timeout` ends a coroutine that awaits something. One that blocks (`time.sleep`, a long calculation)
gets an exception from outside: on the main thread by a signal, elsewhere at its next bytecode. Other calls on
that loop are left alone: it is raised only while the loop executes a step of the limited task.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ClassVar

from ..foundation import clock
from ..foundation.long_lived import keep_thread
from . import stopping
from .deadline import DeadlinePassed
from .shields import set_on

_LOOP_HEARS_WITHIN_S = 0.25  # after the time is over
_TRY_EVERY_S = 0.05
OVERRUN_S = 5.0  # a run that goes on this long after its time limit is reported


class Alarms:
    """Calls functions at a given time, in a thread of its own; one a process."""

    _instance: ClassVar[Alarms | None] = None
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._set: list[tuple[float, int, Callable[[], bool]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        keep_thread("heliostat-alarms", self._watch)

    @classmethod
    def of_this_process(cls) -> Alarms:
        with cls._creation:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    def set(self, due_s: float, ring: Callable[[], bool]) -> None:
        """Call `ring` from that moment (monotonic) on, until it gives False."""
        with self._changed:
            heapq.heappush(self._set, (due_s, next(self._numbers), ring))
            if self._set[0][2] is ring:
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._set or self._set[0][0] > clock.monotonic_s():
                    left_s = self._set[0][0] - clock.monotonic_s() if self._set else None
                    self._changed.wait(left_s)
                _, _, ring = heapq.heappop(self._set)
            if ring():
                self.set(clock.monotonic_s() + _TRY_EVERY_S, ring)


@contextmanager
def overrun_told(seconds: float, tell: Callable[[float], None]) -> Generator[None]:
    """Call `tell(seconds)`, in another thread, when the block goes on for long after its time is over."""
    is_over = False

    def ring() -> bool:
        if not is_over:
            tell(seconds)
        return False

    Alarms.of_this_process().set(clock.monotonic_s() + seconds + OVERRUN_S, ring)
    try:
        yield
    finally:
        is_over = True


class LoopLimit:
    """`async with` it in the task that is limited; None: there is no limit. Raises TimeoutError as
    `asyncio.timeout` does, or `passed` where the loop was blocked.
    """

    def __init__(self, seconds: float | None, on_overrun: Callable[[float], None] | None = None) -> None:
        self.passed: type[DeadlinePassed] = type("DeadlinePassed", (DeadlinePassed,), {})
        self._limit = asyncio.timeout(seconds)
        self._seconds = seconds
        self._on_overrun = on_overrun
        self._due_s = 0.0
        self._is_over = self._rung = False

    def is_why(self, error: BaseException) -> bool:
        """Whether that exception means that the time is over."""
        return isinstance(error, self.passed) or (isinstance(error, TimeoutError) and self._limit.expired())

    async def __aenter__(self) -> LoopLimit:
        if self._seconds is not None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            self._thread = threading.get_ident()
            self._due_s = clock.monotonic_s() + self._seconds
            stopping.arm_here()
            alarms = Alarms.of_this_process()
            alarms.set(self._due_s + _LOOP_HEARS_WITHIN_S, self._ring)
            if self._on_overrun is not None:
                alarms.set(self._due_s + OVERRUN_S, self._tell_overrun)
        await self._limit.__aenter__()
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, where: Any) -> bool | None:
        self._is_over = True
        if self._seconds is not None and not stopping.is_main(self._thread):
            set_on(self._thread, None)  # it came too late; harmless when it has been raised
        swallowed = await self._limit.__aexit__(kind, error, where)
        if error is None and self._due_s and clock.monotonic_s() > self._due_s + _LOOP_HEARS_WITHIN_S:
            raise self.passed  # no exception reached it in time, or it has swallowed one
        return swallowed

    def _ring(self) -> bool:
        if self._is_over or self._rung:
            return False
        if asyncio.current_task(self._loop) is not self._task:
            return True  # another task blocks the loop
        if stopping.is_main(self._thread):
            stopping.wake_main(self._raise_here)
        else:
            self._rung = True
            set_on(self._thread, self.passed)
        return True

    def _raise_here(self) -> None:
        """On the main thread, in the handler of a signal."""
        if self._is_over or self._rung or asyncio.current_task(self._loop) is not self._task:
            return
        self._rung = True
        raise self.passed

    def _tell_overrun(self) -> bool:
        if not self._is_over and self._on_overrun is not None and self._seconds is not None:
            self._on_overrun(self._seconds)
        return False
