"""Captures the log lines and prints of flows and tasks for the run's record, wherever they run.

While a run's code executes, a sink is set in its context. The handler on the root logger, the run loggers and
this module's `print` give their lines to the sink; its owner decides where they go (a journal, a line to the
driver). A program may configure Python's logging in any way and at any time: run loggers are not registered
there.
"""

from __future__ import annotations

import builtins
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..foundation import clock
from ..foundation.errors import HeliostatError
from ..records import LogLine
from .context import flow_run_info, task_run_info

FLOW_LOGGER = "heliostat.flow_runs"
TASK_LOGGER = "heliostat.task_runs"
PRINTS = "prints"  # logger name of captured prints

Sink = Callable[[UUID, LogLine], None]


@dataclass(frozen=True, slots=True)
class Capture:
    """Which lines are captured, and where they go."""

    sink: Sink
    prints: bool
    passes_prints: bool  # prints also go to the process's own output
    pid: int  # the process that has the sink
    stdout: (
        Any  # prints to this stream are recorded; those to a stream that the author puts in its place are not
    )


log_capture: ContextVar[Capture | None] = ContextVar("heliostat_log_capture", default=None)
_installed = threading.Lock()
_is_installed = False
_plain_print = builtins.print
_told_late: set[UUID] = set()  # runs about which a warning of late lines was given


def get_run_logger() -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines are recorded with the current task run, or with the flow run outside a task.

    It keeps that run wherever it is used: in another thread, executor or event loop, in a task. Raises
    HeliostatError outside a run.
    """
    flow_run, task_run = flow_run_info.get(), task_run_info.get()
    if flow_run is None:
        raise HeliostatError(
            "no flow is running here, so there is no log to write to",
            hint="Call get_run_logger() inside a flow or a task.",
        )
    if task_run is None:
        return RunLogger(FLOW_LOGGER, flow_run.id, None, log_capture.get())
    return RunLogger(TASK_LOGGER, flow_run.id, task_run.id, log_capture.get())


def engine_logger(name: str) -> logging.Logger:
    """A logger for the engine's messages to the author: lines go to the run in whose context they are
    written.
    """
    return _LoggerApart(name, logging.INFO, RunLogHandler())


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """Writes to the log of one run. Made by `get_run_logger`."""

    def __init__(
        self, name: str, flow_run_id: UUID, task_run_id: UUID | None, capture: Capture | None = None
    ) -> None:
        handler = _HandlerOfRun(flow_run_id, task_run_id, capture)
        super().__init__(_LoggerApart(name, _level(), handler), {})
        self._facts = (name, flow_run_id, task_run_id)

    def __reduce__(self) -> Any:
        return RunLogger, self._facts  # another process has its own sink

    def __deepcopy__(self, _memo: Any) -> RunLogger:
        return self


class _LoggerApart(logging.Logger):
    """A logger that is not registered with `logging`, so that no code that configures, disables or removes
    loggers and handlers reaches it. Handlers on the registered logger of its name get its lines, too.
    """

    def __init__(self, name: str, level: int, handler: logging.Handler) -> None:
        super().__init__(name, level)
        self.addHandler(handler)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return level >= self.level

    def hasHandlers(self) -> bool:  # noqa: N802
        return True

    def makeRecord(self, *facts: Any, **more: Any) -> logging.LogRecord:  # noqa: N802
        try:
            return super().makeRecord(*facts, **more)
        except KeyError:  # `extra` has the name of a record's attribute: the author's mistake
            raise
        except Exception:  # the author's record factory failed
            name, level, path, line, message, args, exc_info, *_ = facts
            return logging.LogRecord(name, level, path, line, message, args, exc_info)

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802
        for handler in self.handlers:
            handler.handle(record)
        known = logging.Logger.manager.loggerDict.get(self.name)
        if isinstance(known, logging.Logger) and not known.disabled:
            for handler in known.handlers:
                if record.levelno >= handler.level and not isinstance(handler, RunLogHandler):
                    _hand_to(handler, record)


def _hand_to(handler: logging.Handler, record: logging.LogRecord) -> None:
    try:
        handler.handle(record)
    except Exception:  # a failing handler must not make the run fail
        with suppress(Exception):
            handler.handleError(record)


class capture_into:  # noqa: N801  (callers use it like a function; a generator costs more)
    """Send the log lines (and prints) of the code inside the `with` block to `sink`. It can be entered again
    after it was left.
    """

    __slots__ = ("_facts", "_token")

    def __init__(self, sink: Sink, log_prints: bool, *, passes_prints: bool = False) -> None:
        _install()
        around = log_capture.get()
        stdout = sys.stdout if around is None else around.stdout
        self._facts = Capture(sink, log_prints, passes_prints, os.getpid(), stdout)

    def __enter__(self) -> None:
        if builtins.print is not _recording_print:  # another library replaced it, as Ray's progress bars do
            builtins.print = _recording_print
        if _root_handler not in logging.root.handlers:  # it was removed without `removeHandler`
            logging.root.addHandler(_root_handler)
        self._token = log_capture.set(self._facts)

    def __exit__(self, *_raised: object) -> None:
        log_capture.reset(self._token)


class RunLogHandler(logging.Handler):
    """Gives a record to the sink of the run in whose context it was made. Never raises."""

    def handle(self, record: logging.LogRecord) -> bool:
        # Without the handler's lock: a sink may wait for the journal, whose thread logs, too.
        passed: Any = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        capture, flow_run = log_capture.get(), flow_run_info.get()
        if capture is None or flow_run is None or record.name.startswith("heliostat.internal"):
            self._outside_of_runs(record)
            return
        task_run = task_run_info.get()
        task_run_id = task_run and task_run.id
        try:
            line = _line(record.created, record.levelno, record.name, self._text(record), task_run_id)
            capture.sink(flow_run.id, line)
        except Exception:  # the run is over, and a thread of its goes on
            self._outside_of_runs(record)

    def _text(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception as error:
            self.handleError(record)
            message = f"{_shown(record.msg)} (with {_shown(record.args)}: {_shown(error)})"
        if record.exc_info:
            message += "\n" + (self.formatter or logging.Formatter()).formatException(record.exc_info)
        return message

    def _outside_of_runs(self, record: logging.LogRecord) -> None:
        """Treat a record as Python does when no handler takes it, as if this handler did not exist."""
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _has_handlers(record.name):
            last.handle(record)


class _HandlerOfRun(RunLogHandler):
    """Gives records to the sink of one run."""

    def __init__(self, flow_run_id: UUID, task_run_id: UUID | None, capture: Capture | None) -> None:
        super().__init__()
        self._flow_run_id, self._task_run_id = flow_run_id, task_run_id
        self._capture = capture

    def emit(self, record: logging.LogRecord) -> None:
        line = _line(record.created, record.levelno, record.name, self._text(record), self._task_run_id)
        capture = self._capture
        if capture is None or capture.pid != os.getpid():
            capture, flow_run = None, flow_run_info.get()
            if flow_run is not None and flow_run.id == self._flow_run_id:
                capture = self._capture = log_capture.get()
        if capture is not None:
            try:
                capture.sink(self._flow_run_id, line)
                return
            except Exception:  # the run is over, or is in another process
                pass
        self._too_late(record, line)

    def _too_late(self, record: logging.LogRecord, line: LogLine) -> None:
        if self._flow_run_id not in _told_late:
            _told_late.add(self._flow_run_id)
            warnings.warn(
                f"a logger of flow run {self._flow_run_id} was used after its run, or out of its reach: "
                "its lines go only to Python's logging. Let a run wait for the threads that it started.",
                stacklevel=2,
            )
        others = [each for each in logging.root.handlers if each is not _root_handler]
        for handler in others:
            if record.levelno >= handler.level:
                _hand_to(handler, record)
        if not others:
            from .terminal import terminal_here

            terminal_here().show_line(record.name, line)


def _has_handlers(name: str) -> bool:
    """Whether a handler other than Heliostat's handles records of that logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(not isinstance(handler, RunLogHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # an author's __str__ may raise anything
        return f"a {type(value).__name__} that cannot be shown"


def _line(at: float, level: int, logger: str, message: str, task_run_id: UUID | None) -> LogLine:
    return LogLine(at, level, logger, message, task_run_id)


def _recording_print(*values: Any, **options: Any) -> None:
    capture, flow_run = log_capture.get(), flow_run_info.get()
    target = options.get("file")
    if (
        capture is None
        or flow_run is None
        or not capture.prints
        or not (target is None or target is sys.stdout)
        or sys.stdout is not capture.stdout
    ):
        _plain_print(*values, **options)
        return
    rendered = io.StringIO()
    end, flush = options.pop("end", None), options.pop("flush", False)
    options["file"] = rendered
    _plain_print(*values, end="", **options)
    text = rendered.getvalue()
    if capture.passes_prints:
        _plain_print(text, end=end, flush=flush)
    if text:
        task_run = task_run_info.get()
        line = _line(clock.epoch_s(), logging.INFO, PRINTS, text, task_run and task_run.id)
        try:
            capture.sink(flow_run.id, line)
        except Exception:  # the run is over, and a thread of its goes on
            if not capture.passes_prints:
                _plain_print(text, end=end, flush=flush)


def _install() -> None:
    global _is_installed
    if _is_installed:
        return
    with _installed:
        if _is_installed:
            return
        root = logging.getLogger()
        root.addHandler(_root_handler)
        _keep_on(root)
        for name in (FLOW_LOGGER, TASK_LOGGER):
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.addHandler(_root_handler)
            logger.setLevel(_level())
        _is_installed = True


def _keep_on(root: logging.Logger) -> None:
    """Keep our handler when `dictConfig`, `fileConfig` or `basicConfig(force=True)` remove every handler of
    the root logger.
    """
    remove = root.removeHandler

    def remove_unless_ours(hdlr: logging.Handler) -> None:
        if hdlr is not _root_handler:
            remove(hdlr)

    root.removeHandler = remove_unless_ours


def _level() -> int:
    from ..foundation.settings import current_settings

    return int(getattr(logging, current_settings().logging_level))


_root_handler = RunLogHandler()
