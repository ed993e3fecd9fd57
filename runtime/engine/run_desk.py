"""Where the states and log lines of one flow run go: to its journal, and to the terminal."""

from __future__ import annotations

import json
import logging
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import UUID

from ..authoring.context import FlowRunInfo
from ..authoring.logging import PRINTS
from ..authoring.terminal import Terminal
from ..foundation import clock
from ..foundation.errors import HeliostatError, LeaseLost
from ..records import CallSite, HeldLease, LogBatch, LogLine, Record, RuleDecision, TaskRunBatch
from . import outcomes
from .fanout import Fanout
from .inputs import task_inputs_of
from .outcomes import Outcome, Timeline
from .pause_gate import PauseGate
from .progress_screens import progress_on
from .replay import Replay

if TYPE_CHECKING:
    from .session import FlowSession

_log = logging.getLogger("heliostat.internal.desk")
_INDEXES_A_SITE = 1 << 60


class JournalOfRun(Protocol):
    """What the engine needs of a run's journal."""

    @property
    def held(self) -> HeldLease | None: ...
    def append(self, record: Record) -> None: ...
    def wait_for_room(self) -> None: ...


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
        self.fanouts: weakref.WeakSet[Fanout] = weakref.WeakSet()
        self.failures_shown = 0
        self.sites: dict[int, CallSite] = {}  # by the base of their ids
        self.session: FlowSession | None = None
        self._progress = progress_on(terminal)
        self._lock = threading.Lock()
        self._desks[flow_run.id] = self

    @classmethod
    def of(cls, flow_run_id: UUID) -> RunDesk | None:
        """The desk of a run that this process executes."""
        return cls._desks.get(flow_run_id)

    def watch(self, fanout: Fanout) -> None:
        """A fan-out of this run begins."""
        self.fanouts.add(fanout)
        if self._progress is not None:
            self._progress.watch(self.flow_run, fanout)

    def end_progress(self) -> None:
        """No more calls come: what the terminal shows of them is the last word. Harmless a second time."""
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
        """The same for a line of this process, whose prints are on the terminal already."""
        if line.logger == PRINTS:
            self.journal.append(LogBatch([line]))
        else:
            self.log(_flow_run_id, line)

    def decided(self, rule: str, outcome: str, reason: str) -> None:
        """Record why calls of the run, which goes on, are held back or not any more."""
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
        """Say it of the flow."""
        self.tell_overrun(f"flow {self.flow_run.flow_name!r}", timeout_s)

    def note(self, level: int, message: str) -> LogLine:
        """The same, recorded and not shown yet: what is told as a fact must be durable first."""
        line = _line(level, message)
        self.journal.append(LogBatch([line]))
        return line

    def _subject(self, task_run_id: UUID | None) -> str:
        """Who a line is about: the run, or one of its task runs."""
        if task_run_id is not None:
            for site in list(self.sites.values()):
                index = task_run_id.int - site.base
                if 0 <= index < _INDEXES_A_SITE:
                    return f"{self.flow_run.name}/{site.task_name}-{index}"
        return self.flow_run.name

    def running(self, fanout: Fanout, position: int, started: float) -> None:
        """A call has been running for a while."""
        if fanout.is_settled(position):
            return
        attempt = fanout.attempt_of(position)
        self.journal.append(
            TaskRunBatch(
                fanout.site,
                [fanout.index_of(position)],
                "RUNNING",
                "Running" if attempt == 1 else "Retrying",
                fanout.submitted_at,
                [started],
                [None],
                attempt,
                timelines=[timeline_text(fanout.timelines.get(position))],
                task_inputs=task_inputs_of(fanout, [position]),
            )
        )

    def waits(self, fanout: Fanout, position: int, entry: tuple[str, str, float, str | None]) -> None:
        """A call waits for what it needs before its next attempt."""
        passed = list(fanout.timelines.get(position, ()))
        if not passed or passed[0][0] != "PENDING":
            passed.insert(0, ("PENDING", "Pending", fanout.submitted_at, None))
        state_type, name, _, message = entry
        self.journal.append(
            TaskRunBatch(
                fanout.site,
                [fanout.first_index + position],
                state_type,
                name,
                fanout.submitted_at,
                [None],
                [None],
                fanout.attempt_of(position) - 1,
                messages=[message],
                timelines=[timeline_text(passed, entry)],
                task_inputs=task_inputs_of(fanout, [position]),
            )
        )

    def completed(
        self,
        fanout: Fanout,
        positions: Sequence[int],
        ended: Sequence[Outcome],
        node: str | None,
        pid: int | None,
    ) -> None:
        """First attempts that completed and have nothing more to tell."""
        _, starts, ends, counts, kinds, payloads, hashes, _ = zip(*ended, strict=True)
        self.journal.append(
            TaskRunBatch(
                fanout.site,
                fanout.indexes_of(positions),
                "COMPLETED",
                "Completed",
                fanout.submitted_at,
                starts,
                ends,
                counts,
                result_kinds=kinds,
                results=payloads,
                input_hashes=hashes,
                task_inputs=task_inputs_of(fanout, positions),
                node=node,
                pid=pid,
            )
        )

    def ended(
        self,
        fanout: Fanout,
        entries: Sequence[tuple[int, Outcome]],
        node: str | None = None,
        pid: int | None = None,
    ) -> None:
        """Calls that ended (or wait for another attempt), each in its own way."""
        positions = [position for position, _ in entries]
        ended = [outcome for _, outcome in entries]
        extras = [outcome.extra or outcomes.NO_EXTRA for outcome in ended]
        cached = [fanout.cache_keys.get(position, (None, None)) for position in positions]
        has_keys = bool(fanout.cache_keys)
        self.journal.append(
            TaskRunBatch(
                fanout.site,
                fanout.indexes_of(positions),
                [outcomes.STATE_OF[outcome.status][0] for outcome in ended],
                [outcomes.STATE_OF[outcome.status][1] for outcome in ended],
                fanout.submitted_at,
                [outcome.start_s for outcome in ended],
                [None if outcome.status == outcomes.RETRY else outcome.end_s for outcome in ended],
                [outcome.run_count for outcome in ended],
                messages=[extra.message for extra in extras],
                timelines=[
                    _whole_timeline(fanout, position, outcome)
                    for position, outcome in zip(positions, ended, strict=True)
                ],
                result_kinds=[outcome.kind for outcome in ended],
                results=[
                    outcome.payload if outcome.kind in ("inline", "stored") else None for outcome in ended
                ],
                input_hashes=[outcome.input_hash for outcome in ended],
                cache_keys=[key for key, _ in cached] if has_keys else None,
                cache_expirations=[expires for _, expires in cached] if has_keys else None,
                errors=[json.dumps(extra.error) if extra.error else None for extra in extras],
                names=[extra.name for extra in extras],
                task_inputs=task_inputs_of(fanout, positions),
                node=node,
                pid=pid,
            )
        )


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


def timeline_text(
    timeline: Timeline | None, last: tuple[str, str, float, str | None] | None = None
) -> str | None:
    """A timeline as the record wants it; None where there is nothing beyond the ordinary path."""
    if not timeline:
        return None
    entries: list[Any] = [list(entry) for entry in timeline]
    if last is not None:
        entries.append(list(last))
    return json.dumps(entries)


def _whole_timeline(fanout: Fanout, position: int, outcome: Outcome) -> str | None:
    passed: Timeline = list(fanout.timelines.get(position, ()))
    extra = outcome.extra
    if extra is not None and extra.timeline:
        passed += extra.timeline
    elif passed and outcome.start_s is not None and outcome.run_count:
        name = "Running" if outcome.run_count == 1 else "Retrying"
        passed.append(("RUNNING", name, outcome.start_s, None))
    if not passed:
        return None
    if passed[0][0] != "PENDING":
        passed.insert(0, ("PENDING", "Pending", fanout.submitted_at, None))
    state_type, name = outcomes.STATE_OF[outcome.status]
    at = outcome.end_s if outcome.end_s is not None else clock.epoch_s()
    return timeline_text(passed, (state_type, name, at, extra.message if extra else None))
