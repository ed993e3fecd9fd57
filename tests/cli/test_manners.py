"""How all commands behave alike: forms of output, quiet, colours, questions, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from heliostat.runtime.foundation import settings

from .test_conventions import VERBS

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

Run = Callable[..., Any]

READING = (
    "ls", "inspect", "logs", "view", "status", "preview", "slots", "holders", "read-runs", "explain",
    "compare", "result", "top", "version", "import-prefect", "backfill", "prefect", "transfer", "validate",
)  # fmt: skip
DESTROYING = ("delete", "reset", "downgrade", "unset", "clear", "release", "stamp")
EVERYWHERE = {"--profile", "--quiet", "--color", "--prompt", "--debug"}
LISTS = [
    ("flow-run", "ls"), ("flow", "ls"), ("task-run", "ls", "--flow-run", "quiet-heron"), ("variable", "ls"),
    ("config", "view"), ("profile", "ls"), ("server", "services", "ls"),
]  # fmt: skip


def options_of(command: click.Command) -> set[str]:
    return {each for param in command.params for each in param.opts}


@pytest.mark.parametrize("words", [words for words in VERBS if words.split()[-1] in READING])
def test_every_verb_that_reads_writes_all_forms(words: str) -> None:
    assert {"--output", "--json", "--jq"} <= options_of(VERBS[words])


@pytest.mark.parametrize("words", [words for words in VERBS if words.split()[-1] in DESTROYING])
def test_every_verb_that_destroys_can_be_tried_first(words: str) -> None:
    wanted = {"--yes"} if words == "heliostat config unset" else {"--yes", "--dry-run"}
    assert wanted <= options_of(VERBS[words])


def test_every_command_takes_the_options_of_all_commands() -> None:
    assert [words for words, command in VERBS.items() if not options_of(command) >= EVERYWHERE] == []


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_one_list_in_all_forms_says_the_same(heliostat: Run, recorded: Any, words: tuple[str, ...]) -> None:
    if words[0] == "variable":
        heliostat("variable", "set", "region", "1")
    whole = json.loads(heliostat(*words, "-o", "json").stdout)
    assert yaml.safe_load(heliostat(*words, "-o", "yaml").stdout) == whole
    assert json.loads(heliostat(*words, "--json").stdout) == whole
    assert heliostat(*words, "-o", "none").stdout == ""
    if isinstance(whole, list):
        assert [json.loads(line) for line in heliostat(*words, "-o", "jsonl").stdout.splitlines()] == whole
        assert heliostat(*words, "--jq", "length").stdout == f"{len(whole)}\n"
        name = next(iter(whole[0]))
        assert json.loads(heliostat(*words, "--json", name).stdout) == [{name: row[name]} for row in whole]


def test_fields_and_filters_go_together_and_texts_have_no_quotes(heliostat: Run, recorded: Any) -> None:
    shown = heliostat("flow-run", "ls", "--json", "name,state_type", "--jq", ".[] | .name")
    assert sorted(shown.stdout.split()) == ["loud-crow", "quiet-heron"]
    lines = heliostat("flow-run", "ls", "-o", "jsonl", "--json", "name").stdout.splitlines()
    assert {json.loads(line)["name"] for line in lines} == {"loud-crow", "quiet-heron"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "nam"), "Did you mean 'name'"),
        (("--jq", ".["), "not a jq expression"),
        (("--jq", ".name", "-o", "yaml"), "cannot be combined"),
        (("--json", "name", "-o", "table"), "cannot be combined"),
        (("-o", "xml"), "'xml' is not one of"),
        (("--color", "pink"), "'pink' is not one of"),
    ],
)
def test_a_form_that_cannot_be_is_a_usage_error(
    heliostat: Run, recorded: Any, words: tuple[str, ...], said: str
) -> None:
    refused = heliostat("flow-run", "ls", *words)
    assert refused.exit_code == 2 and said in refused.stderr and refused.stdout == ""


def test_a_filter_that_fails_on_the_data_says_so(heliostat: Run, recorded: Any) -> None:
    failed = heliostat("flow-run", "ls", "--jq", ".[] | .name.first")
    assert failed.exit_code == 1 and "--jq failed" in failed.stderr


def test_quiet_leaves_data_and_errors(heliostat: Run, recorded: Any) -> None:
    assert "There are more" in heliostat("flow-run", "ls", "--limit", "1").stderr
    for words in (
        ("flow-run", "ls", "--limit", "1", "--quiet"),
        ("--quiet", "flow-run", "ls", "--limit", "1"),
    ):
        quiet = heliostat(*words)
        assert quiet.stderr == "" and "loud-crow" in quiet.stdout
    assert "no profile" in heliostat("profile", "use", "nowhere", "--quiet").stderr


def test_colours_follow_the_option_and_the_environment(
    heliostat: Run, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[" not in heliostat("flow-run", "ls").stdout
    assert "\x1b[" in heliostat("flow-run", "ls", "--color", "always").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in heliostat("flow-run", "inspect", "quiet-heron").stdout
    assert "\x1b[" in heliostat("flow-run", "ls", "--color", "always").stdout  # said for this command
    assert "\x1b[" not in heliostat("flow-run", "ls", "--color", "never").stdout


def test_no_prompt_goes_on_as_scripts_of_the_stock_client_do(heliostat: Run, recorded: Any) -> None:
    assert heliostat("flow-run", "delete", "loud-crow").exit_code == 2
    assert heliostat("--no-prompt", "flow-run", "delete", "loud-crow").exit_code == 0
    asked = heliostat("flow-run", "delete", "quiet-heron", "--prompt", input="n\n")
    assert asked.exit_code == 1 and "Delete quiet-heron" in asked.stderr


@pytest.fixture
def guarded(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that wants a password."""
    monkeypatch.setenv("HELIOSTAT_SERVER_AUTH_STRING", "me:word")
    settings.forget_settings()
    with serving(sqlite_url) as server:
        monkeypatch.setenv("HELIOSTAT_API_URL", server.url)
        settings.forget_settings()
        yield server.url


@pytest.mark.parametrize("words", [("variable", "ls"), ("api", "GET", "/version"), ("work-pool", "ls")])
def test_exit_codes_tell_a_password_from_a_server_that_is_away(
    heliostat: Run, guarded: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    assert heliostat(*words).exit_code == 4
    monkeypatch.setenv("HELIOSTAT_API_AUTH_STRING", "me:word")
    assert heliostat(*words).exit_code == 0
    monkeypatch.setenv("HELIOSTAT_API_URL", "http://127.0.0.1:9/api")
    away = heliostat(*words)
    assert away.exit_code == 7 and "hint:" in away.stderr


def test_pages_of_any_route_are_written_as_one_list(heliostat: Run, recorded: Any) -> None:
    for number in range(5):
        heliostat("variable", "set", f"v{number}", str(number))
    asked = ("api", "POST", "/variables/filter", "--data", '{"limit": 2}')
    assert heliostat(*asked, "--jq", "length").stdout == "2\n"
    assert heliostat(*asked, "--paginate", "--jq", 'map(.name) | join(" ")').stdout == "v0 v1 v2 v3 v4\n"
    told = heliostat("api", "GET", "/version", "-v", "-H", "X-Mine: 1")
    assert "200" in told.stderr and "content-type" in told.stderr
    assert heliostat("api", "GET", "/health", "--paginate").exit_code == 2
    assert heliostat("api", "GET", "/version", "-H", "nothing").exit_code == 2
