"""What the terminal shows of a run: log lines on stderr, above a progress display if there is one."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from ..foundation.settings import current_settings
from ..foundation.standard_streams import GONE, is_terminal, write_line
from ..records import LogLine

_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Display(Protocol):
    """A display that occupies the terminal's last lines and can print above itself."""

    def print_above(self, text: str) -> None: ...


class Terminal:
    """Writes log lines to stderr, in colour on a terminal. Without `level` the settings decide which
    lines.
    """

    def __init__(self, level: int | None = None, stream: Any = None) -> None:
        self._level = level
        self._display: Display | None = None
        self._stream = stream
        self._lock = threading.Lock()

    @property
    def level(self) -> int:
        """The least severe level that is shown."""
        if self._level is not None:
            return self._level
        return int(getattr(logging, current_settings().logging_level))

    @property
    def is_interactive(self) -> bool:
        return is_terminal(self._target)

    @property
    def can_redraw(self) -> bool:
        """Whether the stream is a terminal that can replace lines."""
        return self.is_interactive and os.environ.get("TERM", "") not in ("", "dumb", "unknown")

    def occupy(self, display: Display | None) -> None:
        """Give the last lines to `display`, or to none."""
        with self._lock:
            self._display = display

    def show_line(self, subject: str, line: LogLine) -> None:
        """Show a log line about a run or task run if it is severe enough."""
        if line.level >= self.level:
            self.write(self._format(subject, line))

    def write(self, text: str) -> None:
        """Write one or more whole lines."""
        with self._lock:
            if self._display is None:
                write_line(self._target, text)
                return
            with suppress(*GONE):  # the run's record has the lines
                self._display.print_above(text)

    @property
    def _target(self) -> Any:
        return self._stream if self._stream is not None else sys.stderr

    def _format(self, subject: str, line: LogLine) -> str:
        at = datetime.fromtimestamp(line.at).strftime("%H:%M:%S.%f")[:-3]
        level = logging.getLevelName(line.level)
        if not self.is_interactive:
            return f"{at} {level:<7} {subject}: {line.message}"
        colour = _COLOURS.get(line.level, "")
        return f"{_DIM}{at}{_PLAIN} {colour}{level:<7}{_PLAIN} {_DIM}{subject}:{_PLAIN} {line.message}"


_silent = Terminal(logging.CRITICAL + 1)
_of_process = Terminal()
_in_worker = False


def terminal_here() -> Terminal:
    """This process's terminal; in a worker a silent one, since its driver shows its lines."""
    return _silent if _in_worker else _of_process


def in_worker() -> bool:
    """Whether this process is a worker, whose lines its driver shows."""
    return _in_worker


def be_a_worker(yes: bool = True) -> None:
    """Make this process a worker, which shows nothing itself; False undoes it."""
    global _in_worker
    _in_worker = yes
