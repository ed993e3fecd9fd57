"""How progress looks: redrawn in place on a terminal, as a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..authoring.terminal import Terminal
from ..foundation import clock
from ..foundation.settings import current_settings
from ..foundation.standard_streams import is_terminal, say
from .progress import Progress, ProgressLine

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

MOST_LINES = 10
_SAY_EVERY_S = 10.0
_WIDE_COLUMNS = 110
_NARROW_COLUMNS = 90  # below it the numbers need the room


class RichScreen:
    """The terminal's last lines, redrawn in place. Log lines and prints appear above them.

    rich is imported when there is something to show, and not before.
    """

    def __init__(self, terminal: Terminal, console: Console | None = None) -> None:
        self._terminal = terminal
        self._console = console
        self._live: Live | None = None

    def show(self, lines: Sequence[ProgressLine]) -> None:
        if self._live is None:
            self._live = self._start()
        self._live.update(as_table(lines, self._live.console.width), refresh=True)

    def keep(self, lines: Sequence[ProgressLine]) -> None:
        if self._live is not None:
            self._live.console.print(as_table(lines, self._live.console.width))

    def close(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
            self._terminal.occupy(None)

    def print_above(self, text: str) -> None:
        from rich.text import Text

        live = self._live
        if live is not None:
            live.console.print(Text.from_ansi(text), soft_wrap=True)
        else:  # it ended just now
            say(text)

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console(file=sys.stderr)
        live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            # What is printed goes above the lines. A stdout that is not this terminal is data: hands off.
            redirect_stdout=is_terminal(sys.stdout),
            redirect_stderr=True,
        )
        live.start()
        console.show_cursor(True)  # so that a process killed meanwhile does not leave a terminal without one
        self._terminal.occupy(self)
        return live


class LinesNowAndThen:
    """Progress as plain lines, for `progress=always` where stderr is a file or a pipe."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._said_s = 0.0

    def show(self, lines: Sequence[ProgressLine]) -> None:
        if clock.monotonic_s() - self._said_s >= _SAY_EVERY_S:
            self._said_s = clock.monotonic_s()
            self.keep([line for line in lines if not line.ended])

    def keep(self, lines: Sequence[ProgressLine]) -> None:
        for line in lines:
            self._terminal.write(as_text(line))

    def close(self) -> None:
        self._said_s = 0.0


def as_table(lines: Sequence[ProgressLine], width: int) -> Table:
    """The lines as rich draws them; those that have ended give way where there are too many."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar_width = 30 if width >= _WIDE_COLUMNS else 10
    with_bar = width >= _NARROW_COLUMNS
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(8, width // 4), style="bold")
    if with_bar:
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    shown = _most_telling(lines)
    for line in shown:
        bar = ProgressBar(total=line.total, completed=line.done, width=bar_width, pulse=line.total is None)
        counts = Text(_counts(line))
        if line.failed:
            counts.append(f" {line.failed:,} failed", style="red")
        if line.not_run:
            counts.append(f" {line.not_run:,} not run", style="yellow")
        cells: list[Any] = (
            [line.name, bar, counts, _pace(line)] if with_bar else [line.name, counts, _pace(line)]
        )
        table.add_row(*cells)
    if len(shown) < len(lines):
        table.add_row(f"and {len(lines) - len(shown)} more")
    return table


def as_text(line: ProgressLine) -> str:
    """A line as plain text."""
    failed = f", {line.failed:,} failed" if line.failed else ""
    not_run = f", {line.not_run:,} not run" if line.not_run else ""
    return f"{line.name}: {_counts(line)}{failed}{not_run}, {_pace(line)}"


def _most_telling(lines: Sequence[ProgressLine]) -> list[ProgressLine]:
    if len(lines) <= MOST_LINES:
        return list(lines)
    return sorted(lines, key=lambda line: line.ended)[:MOST_LINES]  # stable: in order of appearance


def _counts(line: ProgressLine) -> str:
    return f"{line.done:,}" if line.total is None else f"{line.done:,}/{line.total:,}"


def _pace(line: ProgressLine) -> str:
    rate = f"{line.rate_per_s:,.0f}/s" if line.rate_per_s >= 10 else f"{line.rate_per_s:.1f}/s"
    in_flight = "" if line.ended else f"{line.in_flight:,} in flight · "
    left = "" if line.left_s is None else f" · {_span(line.left_s)} left"
    return f"{in_flight}{rate} · {_span(line.elapsed_s)}{left}"


def _span(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_of_this_process: Progress | None = None
_pid = 0
_making = threading.Lock()


def progress_on(terminal: Terminal) -> Progress | None:
    """The progress of this process on its terminal; None where the setting `progress` wants none."""
    wanted = current_settings().progress
    if wanted == "never" or (wanted == "auto" and not terminal.can_redraw):
        return None
    global _of_this_process, _pid
    with _making:
        if _of_this_process is None or _pid != os.getpid():
            screen = RichScreen(terminal) if terminal.can_redraw else LinesNowAndThen(terminal)
            _of_this_process, _pid = Progress(screen), os.getpid()
        return _of_this_process
