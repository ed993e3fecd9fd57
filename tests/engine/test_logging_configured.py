"""What a program does to Python's logging, and to its own output, does not take a line from a run's log.

Seen: `logging.config.dictConfig` disables the loggers that exist already, ours among them, and from then on
no line of any run was recorded. A library that took the handlers off the root logger, or set a level on our
names, did it as well. Run loggers are now none of `logging`'s, which a program may configure as it likes.
Seen, too: on Ray, `contextlib.redirect_stdout` caught nothing, since every print went to the run's log alone.
"""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat import flow, get_run_logger, task

pytestmark = pytest.mark.usefixtures("recorded")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What these tests do to logging is undone."""
    root, manager = logging.root, logging.Logger.manager
    before = (root.level, list(root.handlers), manager.disable)
    made = (logging.getLoggerClass(), logging.getLogRecordFactory())
    names = {*manager.loggerDict, "heliostat", "heliostat.flow_runs", "heliostat.task_runs"}
    loggers = {
        each: (each.level, each.propagate, each.disabled, list(each.handlers))
        for each in map(logging.getLogger, names)
    }
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    manager.disable = before[2]
    logging.setLoggerClass(made[0])
    logging.setLogRecordFactory(made[1])
    for logger, (level, propagate, disabled, handlers) in loggers.items():
        logger.setLevel(level)
        logger.propagate, logger.disabled, logger.handlers[:] = propagate, disabled, handlers


def _dict_config(_folder: Path) -> None:
    logging.config.dictConfig({"version": 1})


def _dict_config_of_the_root(_folder: Path) -> None:
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    root = {"level": "WARNING", "handlers": ["h"]}
    logging.config.dictConfig({"version": 1, "handlers": {"h": handler}, "root": root})


def _file_config(folder: Path) -> None:
    file = folder / "logging.ini"
    file.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nlevel=WARNING\nhandlers=h\n"
        "[handler_h]\nclass=StreamHandler\nargs=(sys.stderr,)\n"
    )
    logging.config.fileConfig(file)


def _disable(_folder: Path) -> None:
    logging.disable(logging.CRITICAL)


def _shutdown(_folder: Path) -> None:
    logging.shutdown()


def _force(_folder: Path) -> None:
    logging.basicConfig(force=True)


def _remove_handlers(_folder: Path) -> None:
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)


def _meddle_with_ours(_folder: Path) -> None:
    for name in ("heliostat.flow_runs", "heliostat.task_runs", "heliostat"):
        logger = logging.getLogger(name)
        logger.disabled = logger.propagate = False
        logger.setLevel(logging.CRITICAL)
        logger.handlers[:] = []
        logger.disabled = True


def _broken_classes(_folder: Path) -> None:
    class Broken(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            raise ValueError("no logger")

    def factory(*_facts: Any, **_more: Any) -> logging.LogRecord:
        raise ValueError("no record")

    logging.setLoggerClass(Broken)
    logging.setLogRecordFactory(factory)


WAYS = [
    _dict_config,
    _dict_config_of_the_root,
    _file_config,
    _disable,
    _shutdown,
    _force,
    _remove_handlers,
    _meddle_with_ours,
    _broken_classes,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_lines_of_runs_are_recorded_whatever_is_done_to_logging(
    recorded: Any, way: Callable[[Path], None], tmp_path: Path
) -> None:
    @task
    def configures(number: int) -> None:
        get_run_logger().info("before %d", number)
        way(tmp_path)
        get_run_logger().info("after %d", number)
        print("printed", number)

    @flow
    def run() -> None:
        logger = get_run_logger()
        configures(0)
        configures.submit(1).result()
        logger.info("the old logger")
        get_run_logger().info("a new one")

    run()
    each = [f"{what} {number}" for number in range(2) for what in ("before", "after", "printed")]
    assert recorded.messages() == [*each, "the old logger", "a new one"]


@pytest.mark.parametrize("way", [_dict_config_of_the_root, _file_config, _force, _remove_handlers])
def test_lines_of_other_loggers_are_recorded_though_the_root_is_configured_anew(
    recorded: Any, way: Callable[[Path], None], tmp_path: Path
) -> None:
    @flow
    def run() -> None:
        way(tmp_path)
        logging.getLogger(f"made.after.{way.__name__}").warning("of a library")

    run()
    assert recorded.messages() == ["of a library"]


def test_handlers_on_our_names_get_the_lines_too_and_cannot_fail_the_run(recorded: Any) -> None:
    class Kept(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[str] = []

        def handle(self, record: logging.LogRecord) -> bool:
            self.lines.append(record.getMessage())
            raise ValueError("a handler that fails")

    kept = Kept()
    logger = logging.getLogger("heliostat.flow_runs")
    logger.addHandler(kept)
    try:

        @flow
        def run() -> None:
            get_run_logger().info("one")

        run()
    finally:
        logger.removeHandler(kept)
    assert recorded.messages() == kept.lines == ["one"]


def test_a_message_that_does_not_fit_its_arguments_is_recorded_as_it_is(recorded: Any) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("no text")

    @flow
    def run() -> None:
        get_run_logger().info("%d", "no number")
        get_run_logger().info(Unspeakable())
        get_run_logger().info("next")

    run()
    first, second, last = recorded.messages()
    assert "%d" in first and "no number" in first
    assert "Unspeakable" in second and last == "next"


def test_after_a_run_python_still_shows_warnings_that_no_handler_takes(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: with our handler on the root logger, Python took every record for handled, and showed none."""

    @flow
    def run() -> None: ...

    run()
    shown = io.StringIO()
    monkeypatch.setattr(logging.root, "handlers", [each for each in logging.root.handlers if _is_ours(each)])
    monkeypatch.setattr(sys, "stderr", shown)
    logging.getLogger("somebody").warning("outside of runs")
    assert shown.getvalue() == "outside of runs\n"


def _is_ours(handler: logging.Handler) -> bool:
    return type(handler).__name__ == "RunLogHandler"


def test_prints_that_the_author_redirects_go_where_they_were_redirected_to(
    recorded: Any, capsys: Any
) -> None:
    @task
    def captures() -> str:
        print("recorded in the task")
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            print("inside", end="!")
            print("to it", file=sys.stdout)
        print("elsewhere", file=text)
        return text.getvalue()

    @flow
    def run() -> list[str]:
        print("recorded")
        values = [captures(), captures.submit().result()]
        print("part", end="")
        print("of a line", flush=True)
        return values

    assert run() == ["inside!to it\nelsewhere\n"] * 2
    task_lines = ["recorded in the task"] * 2
    assert recorded.messages() == ["recorded", *task_lines, "part", "of a line"]
    assert capsys.readouterr().out.splitlines() == ["recorded", *task_lines, "partof a line"]
