"""Child processes that a run's code starts belong to the run.

`multiprocessing.Process`, its pools and `ProcessPoolExecutor` send a ticket along with each piece of work: it
says to which run the work belongs and how to reach the process that records. The child has no database
connection and no journal of its own: it sends its records over a line, as a worker does. A bare `os.fork()`
sends no ticket; a task that is called there warns that it is not recorded.
"""

from __future__ import annotations

import multiprocessing.process
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..authoring.context import (
    FlowRunInfo,
    TaskRunInfo,
    current_tags,
    flow_run_info,
    task_run_info,
)
from ..authoring.logging import capture_into, log_capture
from ..authoring.terminal import in_worker, terminal_here
from ..records import HeldLease, LogBatch
from .line import DriverLine, LineToDriver
from .local_lanes import ThreadTaskRunner
from .process_hooks import install, lines
from .relay import RelayHost, RelayRunJournal, find_cached, line_here, recording_here, relaying_through
from .run_desk import RunDesk, add_to_run
from .session import Dispatching, FlowSession, flow_session
from .wire import LineAddress

_lock = threading.Lock()
_line: DriverLine | None = None  # to the children of this process


@dataclass(frozen=True, slots=True)
class Ticket:
    """The run and place to which a piece of work in another process belongs."""

    address: LineAddress
    lease_s: float
    held: HeldLease | None
    flow_run: FlowRunInfo
    task_run: TaskRunInfo | None
    scope: str  # prefix of its calls' scopes: each piece of work counts its calls by itself
    tags: tuple[str, ...]
    prints: bool
    shows_prints: bool

    @classmethod
    def here(cls) -> Ticket | None:
        """A ticket for work that the calling code hands over; None outside of runs."""
        session, flow_run, capture = flow_session.get(), flow_run_info.get(), log_capture.get()
        if session is None or flow_run is None or session.calls.is_over:
            return None
        address = _address()
        if address is None:
            return None
        shown = replace(flow_run, parameters={})
        task_run = task_run_info.get()
        if task_run is not None:
            task_run = replace(task_run, flow_run=shown, numbering=None)
        return cls(
            address,
            recording_here().lease_s,
            session.desk.journal.held,
            shown,
            task_run,
            session.scope_of_process(),
            current_tags.get(),
            capture is not None and capture.prints,
            not in_worker(),
        )

    def taken_along(self, function: Callable[..., Any]) -> ThereInChild:
        """The function with the ticket, to be called in the child."""
        return ThereInChild(self, function)

    def run_of_process(self) -> RunOfProcess:
        """The `run` method for a process object, to be called in the child."""
        return RunOfProcess(self)

    def _capturing(self, line: LineToDriver) -> capture_into:
        return capture_into(line.log_sink, self.prints, passes_prints=self.shows_prints)

    @contextmanager
    def used(self) -> Generator[None]:
        """Run the block as part of the ticket's run."""
        line = LineToDriver.to(self.address)
        if not line.connected:  # the process that records is gone, so the work belongs to no run
            yield
            return
        journal = RelayRunJournal(line, self.flow_run.id, self.held)
        desk = RunDesk(self.flow_run, journal, terminal_here())
        install(Ticket.here)
        session = FlowSession(self.flow_run, desk, Dispatching(ThreadTaskRunner()), find_cached, self.scope)
        tokens: list[tuple[Any, Any]] = [
            (flow_session, flow_session.set(session)),
            (flow_run_info, flow_run_info.set(self.flow_run)),
            (task_run_info, task_run_info.set(self.task_run)),
            (current_tags, current_tags.set(self.tags)),
        ]
        try:
            with relaying_through(line, self.lease_s), self._capturing(line):
                yield
                if session.dispatching.started is not None:
                    session.dispatching.started.drain(desk)
        finally:
            for variable, token in reversed(tokens):
                variable.reset(token)
            session.calls.end()
            session.dispatching.close()
            line.flush()


class ThereInChild:
    """A function that, in another process, is called as part of the run that handed it over."""

    def __init__(self, ticket: Ticket, function: Callable[..., Any]) -> None:
        self._ticket = ticket
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._ticket.used():
            return self._function(*args, **kwargs)


class RunOfProcess:
    """The `run` of a process object, called in the child."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def __call__(self) -> None:
        this: Any = multiprocessing.process.current_process()
        with self._ticket.used():
            this.__class__.run(this)


def _address() -> LineAddress | None:
    """The address at which a child reaches the process that records."""
    line = line_here()
    if line is not None:
        return line.address
    global _line
    with _lock:
        if _line is None:
            _line = DriverLine("127.0.0.1", _take_news, RelayHost(terminal_here()))
            lines.append(_line)
        return _line.address


def _take_news(kind: str, news: Any, *_more: Any) -> None:
    if kind == "logs":
        for flow_run_id, line in news:
            add_to_run(flow_run_id, LogBatch([line]), shows_prints=False)


def _anew_after_fork() -> None:
    global _lock, _line
    _lock, _line = threading.Lock(), None


_line: DriverLine | None = None  # to the children of this process


os.register_at_fork(after_in_child=_anew_after_fork)
