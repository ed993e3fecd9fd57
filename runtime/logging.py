"""Log lines of flows and tasks, and what they print, from wherever they run to the run's record.

While a run's code executes, a sink is set in its context. The handler on the root logger, the run loggers and
the `print` of this module's making hand their lines to it; what the sink does with them (a journal, a line to
the driver) is its owner's business.
"""

from __future__ import annotations

import builtins
import logging
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from . import clock
from .context import flow_run_info, task_run_info
from .errors import HeliostatError
from .journal.records import LogLine

FLOW_LOGGER = "heliostat.flow_runs"
TASK_LOGGER = "heliostat.task_runs"
PRINTS = "prints"  # logger name of captured prints

Sink = Callable[[UUID, LogLine], None]


@dataclass(frozen=True, slots=True)
class _Capture:
    sink: Sink
    prints: bool
    passes_prints: bool  # printing goes on to the process's own output as well


_capture: ContextVar[_Capture | None] = ContextVar("heliostat_log_capture", default=None)
_installed = threading.Lock()
_is_installed = False
_plain_print = builtins.print


def get_run_logger() -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines are recorded with the current task run, or with the flow run outside of a task.

    Raises outside of a run.
    """
    if task_run_info.get() is not None:
        return logging.LoggerAdapter(logging.getLogger(TASK_LOGGER), {})
    if flow_run_info.get() is None:
        raise HeliostatError(
            "there is no run here whose log could be written",
            hint="Call get_run_logger() inside a flow or a task.",
        )
    return logging.LoggerAdapter(logging.getLogger(FLOW_LOGGER), {})


class capture_into:  # noqa: N801  (reads as the function that it is to its callers; a generator costs more)
    """Send the log lines (and prints) of the code inside the `with` block to `sink`. It can be entered again
    once it was left.
    """

    __slots__ = ("_facts", "_token")

    def __init__(self, sink: Sink, log_prints: bool, *, passes_prints: bool = False) -> None:
        _install()
        self._facts = _Capture(sink, log_prints, passes_prints)

    def __enter__(self) -> None:
        if builtins.print is not _recording_print:  # another library put its own there, as Ray's bars do
            builtins.print = _recording_print
        self._token = _capture.set(self._facts)

    def __exit__(self, *_raised: object) -> None:
        _capture.reset(self._token)


class RunLogHandler(logging.Handler):
    """Hands a record to the sink of the run in whose context it was made."""

    def emit(self, record: logging.LogRecord) -> None:
        capture, flow_run = _capture.get(), flow_run_info.get()
        if capture is None or flow_run is None or record.name.startswith("heliostat.internal"):
            return
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + (self.formatter or logging.Formatter()).formatException(record.exc_info)
            capture.sink(flow_run.id, _line(record.created, record.levelno, record.name, message))
        except Exception:
            self.handleError(record)


def _line(at: float, level: int, logger: str, message: str) -> LogLine:
    task_run = task_run_info.get()
    return LogLine(at, level, logger, message, task_run.id if task_run is not None else None)


def _recording_print(*values: Any, **options: Any) -> None:
    capture = _capture.get()
    target = options.get("file")
    if capture is None or not capture.prints or not (target is None or target is sys.stdout):
        _plain_print(*values, **options)
        return
    if capture.passes_prints:
        _plain_print(*values, **options)
    flow_run = flow_run_info.get()
    text = str(options.get("sep") if options.get("sep") is not None else " ").join(map(str, values))
    if flow_run is not None and text:
        capture.sink(flow_run.id, _line(clock.epoch_s(), logging.INFO, PRINTS, text))


def _install() -> None:
    global _is_installed
    if _is_installed:
        return
    with _installed:
        if _is_installed:
            return
        handler = RunLogHandler()
        logging.getLogger().addHandler(handler)
        for name in (FLOW_LOGGER, TASK_LOGGER):
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.addHandler(handler)
            logger.setLevel(_level())
        _is_installed = True


def _level() -> int:
    from .settings import current_settings

    return logging.getLevelNamesMapping()[current_settings().logging_level]
