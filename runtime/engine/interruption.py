"""Stops a flow's body from outside, by an exception in the thread or task that executes it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from ..foundation.errors import CancelRun
from . import interrupts, stopping
from .shields import put_down, set_on, shield_of, take_up

if TYPE_CHECKING:
    from ..store.commands import CommandKind


class Interruption(CancelRun):
    """Raised in the body of a run because of a command to it, or to a run that called it."""

    kind: ClassVar[CommandKind] = "cancel"
    run_id: ClassVar[UUID]
    noticed: ClassVar[bool] = False  # noticed by a run that is stopping, which must not be interrupted again


def interruption(kind: CommandKind, run_id: UUID) -> type[Interruption]:
    """The exception of one command: a class, since only that can be set on another thread."""
    return type("Interruption", (Interruption,), {"kind": kind, "run_id": run_id})


class Body:
    """The executing body of one flow run. `interrupt` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may run in the thread that holds it
        self._thread: int | None = None
        self._task: asyncio.Task[Any] | None = None
        self._why: type[Interruption] | None = None
        self._injected = False

    @contextmanager
    def here(self) -> Generator[None]:
        """Execute the block as the body, in this thread."""
        with self._lock:
            take_up()
            self._thread = threading.get_ident()
        try:
            yield
        finally:
            with self._lock:
                self._thread = None
                put_down()
                if self._injected:
                    self._injected = False
                    set_on(threading.get_ident(), None)  # it came too late; harmless when it has been raised

    @contextmanager
    def in_task(self) -> Generator[None]:
        """Execute the block as the body, in this asyncio task."""
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            self._task = task
        try:
            with interrupts.cancelled_by_signals(task):
                yield
        except asyncio.CancelledError:
            if interrupts.is_unheard():
                task.uncancel()
                interrupts.raise_unheard()
            why = self._why
            if why is None or why.noticed:
                raise
            assert self._task is not None
            self._task.uncancel()
            raise why from None
        finally:
            with self._lock:
                self._task = None

    def interrupt(self, why: type[Interruption]) -> bool:
        """Raise an exception in the body, unless one has arrived already; False when no body executes."""
        with self._lock:
            if self._why is not None and self._why.noticed and self._why.kind == why.kind:
                return True
            self._why = why
            if self._task is not None:
                self._task.get_loop().call_soon_threadsafe(self._cancel_task)
                return True
            thread = self._thread
            if thread is None:
                return False
            stopping.note_all_of(thread, why)  # calls in this thread can no longer complete
            shield = shield_of(thread)
            assert shield is not None
            with shield.lock:
                if not shield.holds_back(why):
                    self._raise_in(thread, why)
            return True

    def _raise_in(self, thread: int, why: type[Interruption]) -> None:
        if thread == threading.main_thread().ident and interrupts.raises_here(self._raise_in_handler):
            signal.pthread_kill(thread, signal.SIGTERM)  # wakes it from waiting, too
            return
        self._injected = True
        set_on(thread, why)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _raise_in_handler(self) -> None:
        """On the main thread: raise unless the body has ended meanwhile."""
        why, shield = self._why, shield_of(threading.get_ident())
        if self._thread is not None and why is not None and not (shield and shield.holds_back(why)):
            raise why
