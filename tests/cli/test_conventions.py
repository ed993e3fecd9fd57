"""How every command behaves: help, output, failures, exit codes."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from heliostat.api.cli import failures, output
from heliostat.api.cli.lazy import Verb
from heliostat.api.cli.root import cli
from heliostat.runtime.foundation import errors

HEAVY = ("ray", "sqlalchemy", "alembic", "asyncpg", "fastapi", "pydantic", "rich", "orjson", "httpx")


def process(*words: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`heliostat WORDS` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "heliostat", *words],
        capture_output=True,
        text=True,
        cwd=home,
        env={**os.environ, "HELIOSTAT_HOME": str(home), **environment},
        timeout=60,
    )


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that lead to it."""

    def walk(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                member = command.get_command(context, name)
                assert member is not None
                if name == "demo" or member.hidden:  # the demo has tests of its own
                    continue
                yield from walk(f"{words} {name}", member)

    return walk("heliostat", cli)


COMMANDS = dict(all_commands())
VERBS = {words: command for words, command in COMMANDS.items() if not isinstance(command, click.Group)}


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    """Seen: `ray`, `server start` and `server services` were not on the page."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    if not docs.exists():
        pytest.skip("not run from a checkout")
    page = runpy.run_path(str(docs / "cli.py"))["cli_page"]()
    assert (docs / "cli.md").read_text(encoding="utf-8") == page, "run: python docs/cli.py"
    assert not [words for words in VERBS if f"**`{words}" not in page]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help(heliostat, words: str) -> None:
    shown = heliostat(*words.split()[1:], "--help")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Usage:")
    assert COMMANDS[words].help


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_shows_examples_of_itself(heliostat, words: str) -> None:
    command = VERBS[words]
    assert isinstance(command, Verb)
    assert command.examples
    shown = heliostat(*words.split()[1:], "--help").stdout
    for example in command.examples:
        assert example.startswith(words)
        assert example in shown


@pytest.mark.parametrize(
    "words", [words for words in VERBS if words.split()[-1] in ("ls", "inspect", "logs", "view")]
)
def test_every_verb_that_reads_can_write_json(words: str) -> None:
    assert "output" in {parameter.name for parameter in VERBS[words].params}


@pytest.mark.parametrize("words", [w for w in VERBS if w.split()[-1] in ("delete", "reset", "downgrade")])
def test_every_verb_that_destroys_takes_yes(words: str) -> None:
    assert "yes" in {parameter.name for parameter in VERBS[words].params}


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("profile", "ls"), ("config", "view")])
def test_quick_commands_leave_the_heavy_libraries_alone(heliostat_home: Path, words: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom heliostat.api.cli.root import cli\n"
        f"try:\n    cli.main({list(words)!r})\nexcept SystemExit as done:\n    assert not done.code\n"
        f"print([each for each in {HEAVY!r} if each in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=heliostat_home,
        env={**os.environ, "HELIOSTAT_HOME": str(heliostat_home)},
    )
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("flow-rn",), "heliostat flow-run"),
        (("taskrun",), "heliostat task-run"),
        (("flow-run", "lss"), "heliostat flow-run ls"),
        (("server", "database", "upgrad"), "heliostat server database upgrade"),
        (("flow-run", "list"), "heliostat flow-run ls"),
    ],
)
def test_misspelt_command_is_answered_with_the_nearest(heliostat, words: tuple[str, ...], meant: str) -> None:
    refused = heliostat(*words)
    assert refused.exit_code == 2
    assert f"hint: did you mean: {meant}" in refused.stderr


def test_what_is_far_away_is_not_suggested(heliostat) -> None:
    assert "did you mean" not in heliostat("foo").stderr
    assert "--limit" in heliostat("flow", "ls", "--limt", "3").stderr
    refused = heliostat("flow", "ls", "--outline", "3")
    assert refused.exit_code == 2 and "Did you mean" not in refused.stderr


def test_failure_is_three_lines_on_stderr_and_nothing_on_stdout(heliostat) -> None:
    refused = heliostat("profile", "use", "nowhere")
    what, where, hint = refused.stderr.splitlines()
    assert "no profile 'nowhere'" in what
    assert where.startswith("where: heliostat profile use")
    assert hint.startswith("hint: ")
    assert refused.stdout == ""


@pytest.mark.parametrize("words", [("--debug", "profile", "use", "x"), ("profile", "use", "x", "--debug")])
def test_trace_is_shown_only_with_debug(heliostat, words: tuple[str, ...]) -> None:
    assert "Traceback" in heliostat(*words).stderr
    assert "Traceback" not in heliostat("profile", "use", "x").stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("x"), 3),
        (errors.MissingFlow("x"), 3),
        (errors.ParameterMismatch("x"), 2),
        (errors.BadSetting("x"), 2),
        (errors.DatabaseUnavailable("x"), 7),
        (errors.RayUnavailable("x"), 7),
        (errors.TaskFailed("x"), 1),
        (errors.SchemaTooNew("x"), 1),
        (errors.LeaseHeld("x"), 1),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
        (click.UsageError("x"), 2),
        (click.Abort(), 130),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    assert failures.guarded(command, ["flow-run", "ls"], "heliostat") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err != ""


def test_unexpected_failure_names_its_kind_and_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ZeroDivisionError("division by zero")

    failures.guarded(command, ["flow-run", "ls"], "heliostat")
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in shown
    assert "--debug" in shown


def test_table_for_programs_is_plain_and_aligned(heliostat, recorded) -> None:
    lines = heliostat("task-run", "ls", "--flow-run", "quiet-heron").stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATE", "STARTED", "RAN", "FOR", "RUNS", "MESSAGE"]
    assert len({line.index("clean-") for line in lines[1:]}) == 1
    assert not any("\x1b" in line or "─" in line for line in lines)


ROWS = [{"name": "clean-0", "state_type": "FAILED"}]
COLUMNS = (output.Column("Name", "name"), output.Column("State", "state_type", state=True))


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_table_on_a_terminal_is_coloured_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.write_rows(ROWS, COLUMNS, "table")
    shown = capsys.readouterr().out
    assert "clean-0" in shown
    assert ("\x1b[31m" in shown) is coloured


def test_lines_in_a_cell_stay_in_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_rows([{"name": "two\nlines", "state_type": None}], COLUMNS, "table")
    assert capsys.readouterr().out.splitlines() == ["NAME       STATE", "two lines"]


@pytest.mark.parametrize(("answer", "goes_on"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_destruction_is_asked_about_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool
) -> None:
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return answer == "y\n"

    monkeypatch.setattr("click.confirm", confirm)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    if goes_on:
        output.confirm_or_refuse("Delete it?", yes=False)
    else:
        with pytest.raises(click.exceptions.Exit) as declined:
            output.confirm_or_refuse("Delete it?", yes=False)
        assert declined.value.exit_code == 1
    assert asked == ["Delete it?"]


def test_process_ends_with_the_exit_code(heliostat_home: Path) -> None:
    assert process("version", "-o", "json", home=heliostat_home).returncode == 0
    assert process("nonsense", home=heliostat_home).returncode == 2
    assert process("flow-run", "inspect", "@last", home=heliostat_home).returncode == 3
    unreachable = process(
        "flow", "ls", home=heliostat_home, HELIOSTAT_DATABASE_URL="postgresql://a@127.0.0.1:1/x"
    )
    assert unreachable.returncode == 7


def test_reader_that_leaves_early_is_no_failure(heliostat_home: Path) -> None:
    script = f"set -o pipefail; {sys.executable} -m heliostat config view --output jsonl | true"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=heliostat_home,
        env={**os.environ, "HELIOSTAT_HOME": str(heliostat_home)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_setting_in_the_environment_is_said_in_one_line(heliostat_home: Path) -> None:
    done = process("config", "view", home=heliostat_home, HELIOSTAT_LEASES_S="3")
    assert done.returncode == 0
    assert (
        done.stderr.strip()
        == "HELIOSTAT_LEASES_S is not a setting of Heliostat and has no effect; did you mean lease_s?"
    )
