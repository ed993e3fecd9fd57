"""Progress of long fan-outs: what is counted, when it is shown, and what the terminal gets."""

from __future__ import annotations

import gc
import io
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from heliostat.runtime.authoring.context import FlowRunInfo
from heliostat.runtime.authoring.terminal import Terminal
from heliostat.runtime.engine.calls import Rows
from heliostat.runtime.engine.fanout import IN_FLIGHT, Fanout
from heliostat.runtime.engine.outcomes import CACHED, CANCELLED, COMPLETED, CRASHED, FAILED, NOT_READY
from heliostat.runtime.engine.progress import Progress, ProgressLine
from heliostat.runtime.engine.progress_screens import (
    MOST_LINES,
    LinesNowAndThen,
    RichScreen,
    as_table,
    as_text,
    progress_on,
)
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.records import CallSite

NOON = 1_790_000_000.0


class Wall:
    """A wall clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.at = NOON

    def pass_by(self, seconds: float) -> None:
        self.at += seconds


class FakeScreen:
    """Keeps what it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[list[ProgressLine]] = []
        self.kept: list[ProgressLine] = []
        self.closed = 0
        self.drawn = threading.Event()

    @property
    def now(self) -> list[ProgressLine]:
        return self.shown[-1] if self.shown else []

    def show(self, lines: Sequence[ProgressLine]) -> None:
        self.shown.append(list(lines))
        self.drawn.set()

    def keep(self, lines: Sequence[ProgressLine]) -> None:
        self.kept += lines

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def wall() -> Iterator[Wall]:
    wall = Wall()
    clock.set_wall_clock(lambda: wall.at)
    yield wall
    clock.set_wall_clock(None)


@pytest.fixture
def screen() -> FakeScreen:
    return FakeScreen()


@pytest.fixture
def progress(screen: FakeScreen) -> Progress:
    return Progress(screen, by_itself=False)


def a_run(name: str = "quiet-heron") -> FlowRunInfo:
    return FlowRunInfo(uuid4(), name, "etl", {})


def a_fanout(run: FlowRunInfo, size: int, task: str = "clean", *, closed: bool = True) -> Fanout:
    """Calls of a task that were just submitted."""
    key = f"{task}-1a2b"
    site = CallSite(run.id, "", key, task, ids.task_run_base(cast("UUID", run.id), "", key))
    return Fanout(None, cast("Any", None), site, 0, Rows([((), {})] * size), closed=closed)


def settle(fanout: Fanout, positions: range, status: int = COMPLETED) -> None:
    for position in positions:
        fanout.settle(position, status, None)


def a_line(name: str = "clean", **facts: Any) -> ProgressLine:
    given = {
        "done": 30,
        "total": 100,
        "failed": 2,
        "not_run": 0,
        "in_flight": 8,
        "rate_per_s": 12.0,
        "elapsed_s": 65.0,
    }
    return ProgressLine(name, **{**given, "ended": False, **facts})


def test_fan_out_shorter_than_a_second_is_never_shown(
    wall: Wall, screen: FakeScreen, progress: Progress
) -> None:
    run = a_run()
    fanout = a_fanout(run, 10)
    progress.watch(run, fanout)
    wall.pass_by(0.9)
    progress.look()
    settle(fanout, range(10))
    wall.pass_by(5)
    progress.look()
    progress.leave(run)
    assert screen.shown == []
    assert screen.kept == []


def test_line_tells_done_failed_and_in_flight_calls(
    wall: Wall, screen: FakeScreen, progress: Progress
) -> None:
    run = a_run()
    fanout = a_fanout(run, 100)
    progress.watch(run, fanout)
    settle(fanout, range(0, 20))
    settle(fanout, range(20, 25), CACHED)
    settle(fanout, range(25, 28), FAILED)
    settle(fanout, range(28, 29), CRASHED)
    settle(fanout, range(29, 30), CANCELLED)
    settle(fanout, range(30, 32), NOT_READY)
    fanout.standing[40:47] = bytes([IN_FLIGHT]) * 7
    wall.pass_by(2)
    progress.look()
    [line] = screen.now
    assert (line.name, line.done, line.total, line.in_flight) == ("clean", 32, 100, 7)
    assert (line.failed, line.not_run) == (4, 3)
    assert (line.elapsed_s, line.rate_per_s, line.ended) == (2, 16, False)
    assert line.left_s == pytest.approx(68 / 16)


def test_rate_is_that_of_the_last_while(wall: Wall, screen: FakeScreen, progress: Progress) -> None:
    run = a_run()
    fanout = a_fanout(run, 1_000)
    progress.watch(run, fanout)
    for second in range(60):
        wall.pass_by(1)
        if second >= 40:  # nothing happened before
            settle(fanout, range((second - 40) * 5, (second - 39) * 5))
        progress.look()
    [line] = screen.now
    assert line.done == 100
    assert line.rate_per_s == pytest.approx(5)


def test_calls_of_one_task_share_a_line_however_they_were_submitted(
    wall: Wall, screen: FakeScreen, progress: Progress
) -> None:
    run = a_run()
    singles = [a_fanout(run, 1) for _ in range(50)]
    mapped = a_fanout(run, 30)
    for fanout in (*singles, mapped):
        progress.watch(run, fanout)
    for fanout in singles[:20]:
        settle(fanout, range(1), FAILED)
    settle(mapped, range(5))
    wall.pass_by(2)
    progress.look()
    [line] = screen.now
    assert (line.done, line.total, line.failed) == (25, 80, 20)
    progress.look()  # those that have ended are counted from memory now
    assert screen.now == [line]


def test_fan_out_that_has_ended_is_let_go(wall: Wall, progress: Progress) -> None:
    run = a_run()
    fanout = a_fanout(run, 3)
    progress.watch(run, fanout)
    settle(fanout, range(3))
    gone = weakref.ref(fanout)
    del fanout
    progress.look()
    gc.collect()
    assert gone() is None


def test_total_is_unknown_while_an_iterator_is_read(
    wall: Wall, screen: FakeScreen, progress: Progress
) -> None:
    run = a_run()
    fanout = a_fanout(run, 4, closed=False)
    progress.watch(run, fanout)
    settle(fanout, range(4))
    wall.pass_by(2)
    progress.look()
    [line] = screen.now
    assert (line.done, line.total, line.left_s, line.ended) == (4, None, None, False)
    fanout.closed = True
    progress.look()
    [line] = screen.now
    assert (line.done, line.total, line.ended) == (4, 4, True)


def test_lines_of_a_run_stay_behind_when_it_ends(wall: Wall, screen: FakeScreen, progress: Progress) -> None:
    run = a_run()
    fanout = a_fanout(run, 10)
    progress.watch(run, fanout)
    wall.pass_by(2)
    progress.look()
    settle(fanout, range(10))
    progress.leave(run)
    [line] = screen.kept
    assert (line.done, line.total, line.ended) == (10, 10, True)
    assert line.rate_per_s == 5
    assert screen.closed == 1
    progress.leave(run)
    assert len(screen.kept) == 1


def test_terminal_is_given_back_when_the_last_run_ends(
    wall: Wall, screen: FakeScreen, progress: Progress
) -> None:
    outer, inner = a_run("quiet-heron"), a_run("loud-crow")
    progress.watch(outer, a_fanout(outer, 10))
    progress.watch(inner, a_fanout(inner, 10, "load"))
    wall.pass_by(2)
    progress.look()
    assert [line.name for line in screen.now] == ["quiet-heron/clean", "loud-crow/load"]
    progress.leave(inner)
    assert screen.closed == 0
    progress.look()
    assert [line.name for line in screen.now] == ["clean"]
    progress.leave(outer)
    assert screen.closed == 1


def test_terminal_that_is_gone_stops_no_run(wall: Wall, progress: Progress) -> None:
    class Gone(FakeScreen):
        def show(self, lines: Sequence[ProgressLine]) -> None:
            super().show(lines)
            raise BrokenPipeError

        keep = show

    screen = Gone()
    progress = Progress(screen, by_itself=False)
    run = a_run()
    progress.watch(run, a_fanout(run, 10))
    wall.pass_by(2)
    progress.look()
    progress.leave(run)
    assert len(screen.shown) == 2


def test_screen_is_drawn_by_a_thread_of_its_own(screen: FakeScreen) -> None:
    progress = Progress(screen)
    run = a_run()
    fanout = a_fanout(run, 10)
    fanout.submitted_at -= 5
    progress.watch(run, fanout)
    assert screen.drawn.wait(30)
    progress.leave(run)
    screen.drawn.clear()
    again = a_run()
    late = a_fanout(again, 10)
    late.submitted_at -= 5
    progress.watch(again, late)  # the thread slept meanwhile
    assert screen.drawn.wait(30)
    progress.leave(again)


def test_terminal_shows_lines_in_place_and_logs_above_them() -> None:
    written = io.StringIO()
    terminal = Terminal(level=0, stream=io.StringIO())
    screen = RichScreen(terminal, Console(file=written, force_terminal=True, width=120, color_system=None))
    screen.show([a_line()])
    terminal.write("a log line")
    screen.show([a_line(done=40)])
    screen.keep([a_line(done=100, ended=True)])
    screen.close()
    text = written.getvalue()
    assert "30/100 2 failed" in text
    assert text.index("30/100") < text.index("a log line") < text.index("40/100") < text.index("100/100")
    assert "1:05" in text
    assert text.rstrip().endswith("\x1b[2K"), "the lines were taken away at the end"
    terminal.write("after")
    assert "after" not in written.getvalue()


def test_streams_are_given_back_when_the_display_closes() -> None:
    before = (sys.stdout, sys.stderr)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    screen = RichScreen(Terminal(level=0, stream=io.StringIO()), console)
    screen.show([a_line()])
    assert sys.stdout is before[0], "what goes to a pipe is data and stays untouched"
    assert sys.stderr is not before[1]
    screen.close()
    assert (sys.stdout, sys.stderr) == before


def test_too_many_lines_leave_out_those_that_have_ended() -> None:
    lines = [a_line(f"old{number}", ended=True) for number in range(8)]
    lines += [a_line(f"busy{number}") for number in range(MOST_LINES - 1)]
    console = Console(file=io.StringIO(), width=120)
    console.print(as_table(lines, 120))
    text = cast("io.StringIO", console.file).getvalue()
    assert all(f"busy{number} " in text for number in range(MOST_LINES - 1))
    assert "old0 " in text
    assert "old1 " not in text
    assert "and 7 more" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_lines_fit_any_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(as_table([a_line("a-task-with-a-very-long-name" * 3)], width))
    text = cast("io.StringIO", console.file).getvalue()
    assert len(text.splitlines()) == 1
    assert len(text.splitlines()[0]) <= width


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (a_line(), "clean: 30/100, 2 failed, 8 in flight · 12/s · 1:05 · 0:06 left"),
        (a_line(not_run=5), "clean: 30/100, 2 failed, 5 not run, 8 in flight · 12/s · 1:05 · 0:06 left"),
        (a_line(total=None, failed=0), "clean: 30, 8 in flight · 12/s · 1:05"),
        (a_line(done=12_345, total=12_345, failed=0, ended=True, elapsed_s=4_000, rate_per_s=3.086),
         "clean: 12,345/12,345, 3.1/s · 1:06:40"),
    ],
)  # fmt: skip
def test_line_reads_as_text(line: ProgressLine, text: str) -> None:
    assert as_text(line) == text


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_not_shown_in_pipes_or_when_the_setting_says_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with override_settings(progress="never"):
        assert progress_on(Terminal(stream=Tty())) is None
    with override_settings(progress="auto"):
        assert progress_on(Terminal(stream=io.StringIO())) is None
        monkeypatch.setenv("TERM", "dumb")
        assert progress_on(Terminal(stream=Tty())) is None


def test_progress_that_is_always_shown_is_plain_lines_in_a_pipe() -> None:
    stream = io.StringIO()
    screen = LinesNowAndThen(Terminal(level=0, stream=stream))
    screen.show([a_line(), a_line("load", ended=True)])
    screen.show([a_line(done=31)])
    assert stream.getvalue().splitlines() == [as_text(a_line())], "one at once, the next some seconds later"
    screen.keep([a_line(done=100, ended=True)])
    assert stream.getvalue().splitlines()[-1] == as_text(a_line(done=100, ended=True))
