"""The verbs that read and delete what is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[1] / "support" / "standard_fields.json"


def fields_of(schema: str) -> set[str]:
    return set(json.loads(REFERENCE.read_text())[schema])


def test_newest_flow_run_comes_first(heliostat, recorded) -> None:
    rows = json.loads(heliostat("flow-run", "ls", "-o", "json").stdout)
    assert [row["name"] for row in rows] == ["loud-crow", "quiet-heron"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--state", "failed"), ["loud-crow"]),
        (("--state", "FAILED", "--state", "Completed"), ["loud-crow", "quiet-heron"]),
        (("--flow", "etl"), ["quiet-heron"]),
        (("--name", "HERON"), ["quiet-heron"]),
        (("--limit", "1"), ["loud-crow"]),
        (("--limit", "1", "--offset", "1"), ["quiet-heron"]),
        (("--flow", "nothing"), []),
    ],
)
def test_flow_runs_are_filtered_and_paged(
    heliostat, recorded, words: tuple[str, ...], names: list[str]
) -> None:
    rows = json.loads(heliostat("flow-run", "ls", *words, "-o", "json").stdout)
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("words", "schema", "more"),
    [
        (("flow", "ls"), "Flow", set()),
        (("flow-run", "ls"), "FlowRun", {"flow_name", "executor", "executor_note"}),
        (("task-run", "ls", "--flow-run", "quiet-heron"), "TaskRun", set()),
        (("flow-run", "logs", "quiet-heron"), "Log", {"task_run_name"}),
    ],
)
def test_json_has_the_fields_of_the_standard(heliostat, recorded, words, schema: str, more: set[str]) -> None:
    rows = json.loads(heliostat(*words, "-o", "json").stdout)
    assert rows
    for row in rows:
        assert set(row) == fields_of(schema) | more
        for state in filter(None, [row.get("state")]):
            assert set(state) == fields_of("State")
            assert set(state["state_details"]) == fields_of("StateDetails")


def test_jsonl_is_one_object_a_line(heliostat, recorded) -> None:
    lines = heliostat("flow-run", "ls", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["loud-crow", "quiet-heron"]


def test_inspect_shows_states_decisions_and_how_the_tasks_stand(heliostat, recorded) -> None:
    found = json.loads(heliostat("flow-run", "inspect", "quiet-heron", "-o", "json").stdout)
    assert found["id"] == str(recorded.good)
    assert found["task_run_counts"] == {"COMPLETED": 2, "FAILED": 1}
    assert [state["name"] for state in found["states"]] == ["Pending", "Running", "Completed"]
    assert found["state"]["message"] == "all well"
    assert [(each["rule"], each["status"]) for each in found["decisions"]] == [("RetryOnFailure", "REJECT")]
    assert found["parameters"] == {"limit": 3}
    people = heliostat("flow-run", "inspect", "quiet-heron").stdout
    for shown in (
        "quiet-heron",
        "etl",
        "2 COMPLETED",
        "1 FAILED",
        "2 of 3 attempts left",
        "all well",
        "nightly",
    ):
        assert shown in people


def test_flow_run_is_found_by_id_end_of_id_name_and_last(heliostat, recorded) -> None:
    run_id = str(recorded.good)
    for reference in (run_id, run_id.replace("-", ""), run_id[-8:], "quiet-heron"):
        found = json.loads(heliostat("flow-run", "inspect", reference, "-o", "json").stdout)
        assert found["id"] == run_id
    assert json.loads(heliostat("flow-run", "inspect", "@last", "-o", "json").stdout)["id"] == str(
        recorded.bad
    )


@pytest.mark.parametrize(
    "words",
    [
        ("flow-run", "inspect", "nobody"),
        ("flow-run", "logs", "nobody"),
        ("flow-run", "delete", "nobody", "--yes"),
        ("flow-run", "resume", "nobody"),
        ("task-run", "ls", "--flow-run", "nobody"),
        ("task-run", "inspect", "nobody", "--flow-run", "quiet-heron"),
        ("task-run", "logs", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_what_does_not_exist_exits_with_3_and_a_hint(heliostat, recorded, words: tuple[str, ...]) -> None:
    refused = heliostat(*words)
    assert refused.exit_code == 3
    assert "hint:" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ((), ["began", "detail", "went wrong", "ended"]),
        (("--head", "2"), ["began", "detail"]),
        (("--tail", "2"), ["went wrong", "ended"]),
        (("--tail",), ["began", "detail", "went wrong", "ended"]),
        (("--tail", "2", "--reverse"), ["ended", "went wrong"]),
        (("--reverse",), ["ended", "went wrong", "detail", "began"]),
        (("--level", "info"), ["began", "went wrong", "ended"]),
        (("--level", "ERROR"), ["went wrong"]),
        (("--level", "35"), ["went wrong"]),
        (("--head", "0"), []),
    ],
)
def test_log_lines_are_chosen_and_ordered(
    heliostat, recorded, words: tuple[str, ...], messages: list[str]
) -> None:
    lines = json.loads(heliostat("flow-run", "logs", "quiet-heron", "-o", "json", *words).stdout)
    assert [line["message"] for line in lines] == messages


def test_long_log_comes_whole_and_in_order_over_many_pages(
    heliostat, recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliostat.api.cli.database_runs.PAGE_ROWS", 2)
    shown = heliostat("flow-run", "logs", "quiet-heron", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["message"] for line in shown] == ["began", "detail", "went wrong", "ended"]
    back = heliostat("flow-run", "logs", "quiet-heron", "-o", "jsonl", "--reverse").stdout.splitlines()
    assert back == shown[::-1]


def test_log_lines_of_tasks_are_included_and_named(heliostat, recorded) -> None:
    lines = heliostat("flow-run", "logs", "quiet-heron").stdout.splitlines()
    assert "Flow run 'quiet-heron' - began" in lines[0]
    assert "Task run 'clean-1' - went wrong" in lines[2]
    assert "ERROR" in lines[2]


@pytest.mark.parametrize("words", [("--head", "1", "--tail", "1"), ("--level", "loud"), ("--head", "-1")])
def test_log_options_that_make_no_sense_are_usage_errors(heliostat, recorded, words: tuple[str, ...]) -> None:
    assert heliostat("flow-run", "logs", "quiet-heron", *words).exit_code == 2


def test_task_runs_are_those_of_the_run_filtered_and_paged(heliostat, recorded) -> None:
    def names(*words: str) -> list[str]:
        rows = json.loads(
            heliostat("task-run", "ls", "--flow-run", "quiet-heron", "-o", "json", *words).stdout
        )
        return [row["name"] for row in rows]

    assert names() == ["clean-0", "clean-1", "clean-2"]
    assert names("--state", "FAILED") == ["clean-1"]
    assert names("--limit", "1", "--offset", "2") == ["clean-2"]
    assert names("--name", "clean-2") == ["clean-2"]
    assert json.loads(heliostat("task-run", "ls", "-o", "json").stdout) == []  # of @last, which made none


def test_a_list_that_is_cut_says_that_there_are_more(heliostat, recorded) -> None:
    """Seen: `ls` showed its first page as if that were all, and programs took the JSON for complete."""
    for words, more in (
        (("flow-run", "ls", "--limit", "1"), "--offset 1"),
        (("flow-run", "ls", "--limit", "2"), None),
        (("flow-run", "ls", "--limit", "1", "--offset", "1"), None),
        (("flow", "ls", "--limit", "1"), "--offset 1"),
        (("task-run", "ls", "--flow-run", "quiet-heron", "--limit", "2"), "--offset 2"),
        (("task-run", "ls", "--flow-run", "quiet-heron", "--limit", "1", "--offset", "1"), "--offset 2"),
    ):
        for output in ("json", "table"):
            listed = heliostat(*words, "-o", output)
            assert ("There are more." in listed.stderr) is (more is not None), words
            assert more is None or more in listed.stderr
        if words[0] == "flow-run":
            assert len(json.loads(heliostat(*words, "-o", "json").stdout)) == min(int(words[3]), 2)


async def test_lists_of_a_server_are_read_page_by_page_with_one_more() -> None:
    from heliostat.api.cli.remote import pages

    there, asked = list(range(1_000)), list[tuple[int, int]]()

    async def read(limit: int, offset: int, **_: object) -> list[int]:
        assert limit <= 200
        asked.append((limit, offset))
        return there[offset : offset + limit]

    assert await pages(read, 50, 3) == there[3:54] and asked == [(51, 3)]
    assert await pages(read, 500) == there[:501]
    assert await pages(read, 500, 700) == there[700:]
    assert await pages(read, None) == there
    assert await pages(read, 0) == there[:1]


def test_task_run_shows_its_states_and_traceback(heliostat, recorded) -> None:
    for reference in ("clean-1", str(recorded.task(1)), str(recorded.task(1))[-8:]):
        found = json.loads(
            heliostat("task-run", "inspect", reference, "--flow-run", "quiet-heron", "-o", "json").stdout
        )
        assert found["id"] == str(recorded.task(1))
    assert [state["name"] for state in found["states"]] == ["Pending", "Running", "Failed"]
    assert found["error"]["type"] == "ValueError"
    assert found["total_run_time"] == 1.0
    people = heliostat("task-run", "inspect", "clean-1", "--flow-run", "quiet-heron").stdout
    assert "the traceback" in people
    assert "ValueError: no" in people


def test_same_state_has_the_same_id_however_it_is_asked_for(heliostat, recorded) -> None:
    listed = json.loads(heliostat("task-run", "ls", "--flow-run", "quiet-heron", "-o", "json").stdout)[1]
    found = json.loads(heliostat("task-run", "inspect", str(recorded.task(1)), "-o", "json").stdout)
    assert listed["state_id"] == listed["state"]["id"] == found["state_id"] == found["states"][-1]["id"]


def test_log_of_one_task_run_has_its_lines_only(heliostat, recorded) -> None:
    lines = json.loads(
        heliostat("task-run", "logs", "clean-1", "--flow-run", "quiet-heron", "-o", "json").stdout
    )
    assert [line["message"] for line in lines] == ["went wrong"]


def test_deleted_run_is_gone_with_everything_of_it(heliostat, recorded) -> None:
    assert heliostat("flow-run", "delete", "quiet-heron", "--yes").exit_code == 0
    assert heliostat("flow-run", "inspect", str(recorded.good)).exit_code == 3
    assert heliostat("task-run", "inspect", str(recorded.task(0))).exit_code == 3
    assert [row["name"] for row in json.loads(heliostat("flow-run", "ls", "-o", "json").stdout)] == [
        "loud-crow"
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("quiet-heron",), 2),
        (("quiet-heron", "--dry-run"), 0),
        (("quiet-heron", "nobody", "--yes"), 3),
    ],
)
def test_delete_without_consent_or_with_a_wrong_name_deletes_nothing(
    heliostat, recorded, words, code: int
) -> None:
    assert heliostat("flow-run", "delete", *words).exit_code == code
    assert len(json.loads(heliostat("flow-run", "ls", "-o", "json").stdout)) == 2


def test_empty_database_gives_empty_lists(heliostat) -> None:
    for words in (("flow", "ls"), ("flow-run", "ls")):
        people = heliostat(*words)
        assert (people.exit_code, people.stdout) == (0, "")
        assert people.stderr != ""
        assert json.loads(heliostat(*words, "-o", "json").stdout) == []
    assert heliostat("flow-run", "inspect", "@last").exit_code == 3


def test_database_that_cannot_be_reached_exits_with_7(heliostat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", "postgresql://me:hush@127.0.0.1:1/x")
    refused = heliostat("flow-run", "ls")
    assert refused.exit_code == 7
    assert "hush" not in refused.output
    assert "HELIOSTAT_DATABASE_URL" in refused.stderr
