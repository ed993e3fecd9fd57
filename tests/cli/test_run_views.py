"""What runs returned, their graphs, their differences, and verbs on many of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat.api.cli import output
from heliostat.runtime.foundation import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

Run = Callable[..., Any]


def read(cli: Run, *words: str) -> Any:
    return json.loads(cli(*words, "-o", "json").stdout)


@pytest.fixture
def ran(cli: Run) -> str:
    """The name of a run that returned 0."""
    cli("shell", "watch", "true", "--flow-run-name", "quick")
    return "quick"


def test_the_value_that_a_run_returned_is_written_as_json(cli: Run, ran: str) -> None:
    assert cli("flow-run", "result", ran).stdout == "0\n"
    assert cli("flow-run", "result", "@last", "--jq", ". + 1").stdout == "1\n"


def test_a_run_without_a_value_says_so(cli: Run, recorded: Any) -> None:
    refused = cli("flow-run", "result", "loud-crow", code=1)
    assert "no recorded value" in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize(
    ("form", "begin", "has"),
    [
        ("text", "1 + clean-0", "x clean-1"),
        ("mermaid", "flowchart TD", 'n1["clean-0: completed"]'),
        ("dot", "digraph run {", 'n2 [label="clean-1: failed"];'),
    ],
)
def test_the_graph_of_a_run_is_written(cli: Run, recorded: Any, form: str, begin: str, has: str) -> None:
    shown = cli("flow-run", "graph", "quiet-heron", "--format", form).stdout
    assert shown.startswith(begin) and has in shown


def test_a_graph_with_more_nodes_than_asked_for_says_so(cli: Run, recorded: Any) -> None:
    shown = cli("flow-run", "graph", "quiet-heron", "--limit", "1")
    assert len(shown.stdout.splitlines()) == 1
    assert "3 nodes" in shown.stderr
    assert len(json.loads(cli("flow-run", "graph", "quiet-heron", "-f", "json").stdout)["nodes"]) == 3


def test_two_runs_are_compared_field_by_field_and_task_by_task(cli: Run, recorded: Any) -> None:
    rows = {row["what"]: row for row in read(cli, "flow-run", "compare", "quiet-heron", "loud-crow")}
    assert (rows["state name"]["first"], rows["state name"]["second"]) == ("Completed", "Failed")
    assert (rows["parameter limit"]["first"], rows["parameter limit"]["second"]) == (3, None)
    assert rows["task clean-1"]["second"] == "has not run"
    same = cli("flow-run", "compare", "quiet-heron", "quiet-heron")
    assert same.stdout == "" and "do not differ" in same.stderr


def test_runs_are_deleted_by_a_filter_after_a_look(cli: Run, recorded: Any) -> None:
    assert "loud-crow" in cli("flow-run", "delete", "--state", "failed", "--dry-run").stderr
    cli("flow-run", "delete", "--state", "failed", code=2)  # nobody to ask
    cli("flow-run", "delete", "--state", "failed", "--older-than", "3650d", "--yes")
    assert len(read(cli, "flow-run", "ls")) == 2
    cli("flow-run", "delete", "--state", "failed", "--yes")
    assert [row["name"] for row in read(cli, "flow-run", "ls")] == ["quiet-heron"]
    assert "Give runs" in cli("flow-run", "delete", "--yes", code=2).stderr
    assert "Give runs" in cli("flow-run", "delete", "quiet-heron", "--all", "--yes", code=2).stderr
    cli("flow-run", "delete", "--all", "--yes")
    assert read(cli, "flow-run", "ls") == []


@pytest.fixture
def on_server(cli: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    with serving(sqlite_url) as server:
        monkeypatch.setenv("HELIOSTAT_API_URL", server.url)
        settings.forget_settings()
        yield cli


def test_runs_are_cancelled_and_retried_by_a_filter(on_server: Run) -> None:
    flow = json.loads(on_server("api", "POST", "/flows/", "-d", '{"name": "etl"}').stdout)["id"]
    for name, state in (("one", "SCHEDULED"), ("two", "SCHEDULED"), ("done", "COMPLETED")):
        body = {"flow_id": flow, "name": name, "state": {"type": state}}
        on_server("api", "POST", "/flow_runs/", "-d", json.dumps(body))
    shown = on_server("flow-run", "cancel", "--flow", "etl", "--dry-run").stderr
    assert "one" in shown and "two" in shown and "done" not in shown
    on_server("flow-run", "cancel", "--flow", "etl", code=2)
    on_server("flow-run", "cancel", "--flow", "etl", "--yes")
    states = {row["name"]: row["state_name"] for row in read(on_server, "flow-run", "ls")}
    assert states == {"one": "Cancelled", "two": "Cancelled", "done": "Completed"}
    assert "no flow run to cancel" in on_server("flow-run", "cancel", "--flow", "etl", "--yes").stderr
    refused = on_server("flow-run", "retry", "one", "two", code=1)  # they belong to no deployment
    assert "0 of 2" in refused.stderr


def test_a_declined_question_changes_nothing(
    cli: Run, recorded: Any, heliostat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "can_ask", lambda: True)
    declined = heliostat("flow-run", "delete", "loud-crow", input="n\n")
    assert declined.exit_code == 1 and "Nothing was changed" in declined.stderr
    assert len(read(cli, "flow-run", "ls")) == 2
