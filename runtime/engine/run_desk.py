"""Where the states and log lines of one flow run go: to its journal, and to the terminal."""

from __future__ import annotations

import logging
import threading
import weakref
from contextlib import AbstractContextManager, suppress
from typing import ClassVar, Protocol
from uuid import UUID

from ..authoring.context import FlowRunInfo
from ..authoring.logging import PRINTS
from ..authoring.terminal import Terminal
from ..foundation import clock
from ..foundation.errors import HeliostatError, LeaseLost
from ..records import CallSite, HeldLease, LogBatch, LogLine, Record, RuleDecision
from .pause_gate import PauseGate
from .progress import Counted
from .progress_screens import progress_on
from .replay import Replay

_log = logging.getLogger("heliostat.internal.desk")
_INDEXES_A_SITE = 1 << 60


class JournalOfRun(Protocol):
    """What the engine needs of a run's journal."""

    @property
    def held(self) -> HeldLease | None: ...
    def append(self, record: Record) -> None: ...
    def wait_for_room(self) -> None: ...


class SessionOfRun(Protocol):
    """What the desk of a run needs of the run's session."""

    def entered(self) -> AbstractContextManager[None]:
        """Within the block calls of tasks and flows are calls of this run."""
        ...

    def go_on(self) -> None:
        """Let calls begin that were held back while the run was paused."""
        ...


class RunDesk:
    """The recording side of one flow run in this process."""

    _desks: ClassVar[weakref.WeakValueDictionary[UUID, RunDesk]] = weakref.WeakValueDictionary()

    def __init__(
        self, flow_run: FlowRunInfo, journal: JournalOfRun, terminal: Terminal, replay: Replay | None = None
    ) -> None:
        self.flow_run = flow_run
        self.journal = journal
        self.terminal = terminal
        self.replay = replay
        self.gate = PauseGate()  # before calls of this run begin
        self.open_calls = 0  # calls of this run that have not ended; under the dispatcher's lock
        self.failures_shown = 0
        self.sites: dict[int, CallSite] = {}  # by the base of their ids
        self.session: SessionOfRun | None = None
        self._progress = progress_on(terminal)
        self._lock = threading.Lock()
        self._desks[flow_run.id] = self

    @classmethod
    def of(cls, flow_run_id: UUID) -> RunDesk | None:
        """The desk of a run that this process executes."""
        return cls._desks.get(flow_run_id)

    def watch(self, fanout: Counted) -> None:
        """Show the progress of a fan-out of this run that begins."""
        if self._progress is not None:
            self._progress.watch(self.flow_run, fanout)

    def end_progress(self) -> None:
        """Show the final progress, as no more calls come. Harmless when called twice."""
        if self._progress is not None:
            self._progress.leave(self.flow_run)

    def log(self, _flow_run_id: UUID, line: LogLine) -> None:
        """Record a log line and show it."""
        self.journal.append(LogBatch([line]))
        self.show(line)

    def show(self, line: LogLine) -> None:
        """Show a log line that is recorded."""
        self.terminal.show_line(self._subject(line.task_run_id), line)

    def log_here(self, _flow_run_id: UUID, line: LogLine) -> None:
        """Record a log line of this process, and show it unless a print has shown it already."""
        if line.logger == PRINTS:
            self.journal.append(LogBatch([line]))
        else:
            self.log(_flow_run_id, line)

    def decided(self, rule: str, outcome: str, reason: str) -> None:
        """Record why calls of the run are held back or released; the run itself goes on."""
        self.journal.append(
            RuleDecision(clock.epoch_s(), rule, outcome, reason, "RUNNING", "RUNNING", "Running")
        )

    def say(self, level: int, message: str, task_run_id: UUID | None = None) -> None:
        """A log line of the engine's own about this run."""
        self.log(self.flow_run.id, _line(level, message, task_run_id))

    def tell_overrun(self, what: str, timeout_s: float) -> None:
        """Say that a task or the flow runs on although its time is over."""
        with suppress(HeliostatError):  # the run is over
            self.say(
                logging.WARNING,
                f"{what} runs on although its timeout of {timeout_s:g} s is over: its code does not hear of "
                "it where it is. It ends TimedOut when it returns, if it cannot be stopped by force before.",
            )

    def tell_flow_overrun(self, timeout_s: float) -> None:
        """Say that the flow runs on although its time is over."""
        self.tell_overrun(f"flow {self.flow_run.flow_name!r}", timeout_s)

    def note(self, level: int, message: str) -> LogLine:
        """Record a log line without showing it yet, since a fact must be durable before it is shown."""
        line = _line(level, message)
        self.journal.append(LogBatch([line]))
        return line

    def _subject(self, task_run_id: UUID | None) -> str:
        """The subject of a line: the run, or one of its task runs."""
        if task_run_id is not None:
            for site in list(self.sites.values()):
                index = task_run_id.int - site.base
                if 0 <= index < _INDEXES_A_SITE:
                    return f"{self.flow_run.name}/{site.task_name}-{index}"
        return self.flow_run.name


_told_late: set[UUID] = set()


def add_to_run(flow_run_id: UUID, record: Record, *, shows_prints: bool = True) -> None:
    """Journal what a worker tells of a run, and show log lines. If the run is over, say so once."""
    desk = RunDesk.of(flow_run_id)
    if desk is not None:
        try:
            if isinstance(record, LogBatch):
                log = desk.log if shows_prints else desk.log_here
                for line in record.lines:
                    log(flow_run_id, line)
            else:
                desk.journal.append(record)
            return
        except LeaseLost:
            pass
    if flow_run_id not in _told_late:
        _told_late.add(flow_run_id)
        _log.warning(
            "threads of flow run %s go on in a worker although it is over here: what they do is not "
            "recorded; let a task wait for the threads that it started",
            flow_run_id,
        )


def _line(level: int, message: str, task_run_id: UUID | None = None) -> LogLine:
    return LogLine(clock.epoch_s(), level, "heliostat.engine", message, task_run_id)
