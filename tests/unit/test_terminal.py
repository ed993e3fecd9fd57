"""Which log lines a person at the terminal sees, and where."""

from __future__ import annotations

import io
import logging

import pytest

from heliostat.runtime.authoring.terminal import Terminal
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.records import LogLine

LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


def shown(terminal: Terminal, stream: io.StringIO) -> list[str]:
    for level in LEVELS:
        name = logging.getLevelName(level)
        terminal.show_line("quiet-heron", LogLine(1_790_000_000.0, level, "test", f"a {name} line"))
    return [line.rpartition(": ")[2] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("setting", "lines"),
    [
        ("DEBUG", ["a DEBUG line", "a INFO line", "a WARNING line", "a ERROR line"]),
        ("INFO", ["a INFO line", "a WARNING line", "a ERROR line"]),
        ("ERROR", ["a ERROR line"]),
        ("CRITICAL", []),
    ],
)
def test_setting_logging_level_decides_what_is_shown(setting: str, lines: list[str]) -> None:
    stream = io.StringIO()
    with override_settings(logging_level=setting):
        assert shown(Terminal(stream=stream), stream) == lines


def test_level_that_is_given_wins_over_the_setting() -> None:
    stream = io.StringIO()
    with override_settings(logging_level="DEBUG"):
        assert shown(Terminal(logging.WARNING, stream), stream) == ["a WARNING line", "a ERROR line"]


def test_lines_go_above_a_display_while_there_is_one() -> None:
    above: list[str] = []

    class Display:
        def print_above(self, text: str) -> None:
            above.append(text)

    stream = io.StringIO()
    terminal = Terminal(logging.INFO, stream)
    terminal.occupy(Display())
    terminal.write("during")
    terminal.occupy(None)
    terminal.write("after")
    assert (above, stream.getvalue()) == (["during"], "after\n")


def test_terminal_that_is_gone_is_no_failure() -> None:
    stream = io.StringIO()
    stream.close()
    terminal = Terminal(logging.INFO, stream)
    terminal.write("nobody reads this")
    assert stream.closed
