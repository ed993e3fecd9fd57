"""Calls of one run that are executed by the very threads and tasks that made them, and the end of all calls.

What is submitted the dispatcher knows. A task that is called like a function runs where the author calls it,
perhaps in a thread that goes on when the run has ended: then its end could not be recorded any more.
"""

from __future__ import annotations

import logging
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Protocol

from ..authoring.context import FlowRunInfo
from ..authoring.terminal import in_worker
from ..foundation.errors import HeliostatError, RunIsOver

_is_fork_of_run = False


class UnrecordedCall(UserWarning):
    """A task was called where its run cannot be told, so that the call is not recorded."""


class OpenCall(Protocol):
    """A call that is executed here."""

    def cut_off(self) -> None:
        """Record that the run ended before the call did."""


class OpenStream(Protocol):
    """A sub-flow whose values are being handed out."""

    def close_with_parent(self) -> None:
        """The run that consumes it ends."""


class OpenCalls:
    """The calls of one run that this process has begun and not ended."""

    alive: weakref.WeakSet[OpenCalls] = weakref.WeakSet()  # of runs that this process executes

    def __init__(self, flow_run: FlowRunInfo, say: Callable[[int, str], None]) -> None:
        self._flow_run = flow_run
        self._say = say  # adds a line to the run's log
        self._has_warned = False
        self._changed = threading.Condition(threading.Lock())
        self._open: set[OpenCall] = set()
        self._recording = 0  # calls whose end is being recorded
        self._is_over = False
        self.streams: set[OpenStream] = set()

    def live(self) -> None:
        """The run is executed by this process, until `end`."""
        self.alive.add(self)

    @property
    def is_over(self) -> bool:
        """Whether the run makes no calls any more."""
        return self._is_over

    def check(self) -> None:
        """Raise RunIsOver unless calls may be made."""
        if self._is_over:
            raise RunIsOver(
                f"the flow run {self._flow_run.name} is over: it can make no calls any more",
                hint="Wait for the threads of a run before its function returns. What is no part of the run "
                "can be called with contextvars.Context().run(...).",
            )

    def leave_to_parent(self) -> None:
        """In a fork: the run is executed by the process that this one was forked from."""
        self._changed = threading.Condition(threading.Lock())
        self._is_over, self._open, self._recording = True, set(), 0

    def begin(self, call: OpenCall) -> None:
        """A call begins; raises RunIsOver."""
        with self._changed:
            self.check()
            self._open.add(call)

    @contextmanager
    def recording(self, call: OpenCall) -> Generator[None]:
        """Within the block the run, which ends perhaps, waits for what is recorded of the call; raises
        RunIsOver when it has not waited for the call.
        """
        with self._changed:
            if call not in self._open:
                self.check()
            self._recording += 1
        try:
            yield
        finally:
            with self._changed:
                self._recording -= 1
                self._changed.notify_all()

    def leave(self, call: OpenCall) -> None:
        """The call has ended, and that is recorded."""
        with self._changed:
            self._open.discard(call)

    @contextmanager
    def once_more(self) -> Generator[None]:
        """Within the block calls may be made although the run has ended: by its hooks."""
        self._is_over = False
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """The run ends: no call begins from now on, and what is under way is recorded as cut off."""
        self.alive.discard(self)
        with self._changed:
            self._is_over = True
            self._changed.wait_for(lambda: not self._recording)
            left, self._open = self._open, set()
        for call in left:
            with suppress(HeliostatError):  # another process has the run by now
                call.cut_off()

    def warn(self, text: str) -> None:
        """Say it in the run's log, once."""
        if not self._has_warned:
            self._has_warned = True
            with suppress(HeliostatError):
                self._say(logging.WARNING, text)


def forget_runs() -> None:
    """Forget all runs in a fork, which executes none of its parent's runs."""
    global _is_fork_of_run
    for calls in list(OpenCalls.alive):
        _is_fork_of_run = True
        calls.leave_to_parent()
    OpenCalls.alive.clear()


def warn_outside_of_runs(what: str) -> None:
    """Say that a call is not recorded, if it may be one of a run that this process executes."""
    runs = list(OpenCalls.alive)
    if _is_fork_of_run:
        text = (
            f"{what} was called in a process that was forked from one that executes a flow run: the call is "
            "not recorded. Let multiprocessing or concurrent.futures start it: they take the run along."
        )
        warnings.warn(text, UnrecordedCall, stacklevel=5)
        return
    if not runs and not in_worker():
        return
    text = (
        f"{what} was called in a thread that belongs to no flow run, while this process executes one: the "
        "call is not recorded. To make it a call of the run, take contextvars.copy_context() where the run "
        "hands over the work, and let the thread call it with the context's run(...)."
    )
    if len(runs) == 1:
        runs[0].warn(text)
    warnings.warn(text, UnrecordedCall, stacklevel=5)
