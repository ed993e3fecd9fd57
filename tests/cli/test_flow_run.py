"""`heliostat flow run`: a flow from a file, with parameters from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FLOWS = """
from pathlib import Path
from heliostat import flow, task

EFFECTS = Path(__file__).with_name("effects.txt")

@task
def double(number: int) -> int:
    return 2 * number

@flow
def etl(limit: int, day: str = "today"):
    doubled = double.map(range(limit)).result()
    EFFECTS.write_text(f"{day} {doubled}")
    print("doubled", sum(doubled))
    return sum(doubled)

@flow
async def later(limit: int = 2):
    EFFECTS.write_text(f"later {limit}")

@flow
def breaks():
    raise ValueError("no such day")

@task
def step(number: int) -> int:
    with EFFECTS.open("a") as file:
        file.write(f"step {number} ")
    return number

@flow
def needs_a_key():
    step(1)
    if not EFFECTS.with_name("key").exists():
        raise FileNotFoundError("no key")
    step(2)
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    path = tmp_path / "flows_of_test.py"
    path.write_text(FLOWS)
    return path


@pytest.fixture
def effects(flows: Path) -> Path:
    """The file that the flows write to: it is there when a body has run."""
    return flows.with_name("effects.txt")


def test_flow_runs_with_parameters_of_the_annotated_types(heliostat, flows: Path, effects: Path) -> None:
    done = heliostat(
        "flow", "run", f"{flows}:etl", "--param", "limit=3", "--param", "day=2026", "--runner", "inline"
    )
    assert done.exit_code == 0, done.stderr
    assert effects.read_text() == "2026 [0, 2, 4]"
    assert "Completed" in done.stderr


def test_what_ran_is_recorded_with_name_tags_and_parameters(heliostat, flows: Path) -> None:
    heliostat(
        "flow", "run", f"{flows}:etl", "--params", '{"limit": 2}', "--name", "a {name}", "--tag", "backfill",
        "--runner", "inline",
    )  # fmt: skip
    found = json.loads(heliostat("flow-run", "inspect", "@last", "-o", "json").stdout)
    assert (found["name"], found["flow_name"], found["state_type"]) == ("a {name}", "etl", "COMPLETED")
    assert found["tags"] == ["backfill"]
    assert found["parameters"]["limit"] == 2
    assert found["task_run_counts"] == {"COMPLETED": 2}


def test_async_flow_runs_too(heliostat, flows: Path, effects: Path) -> None:
    done = heliostat("flow", "run", f"{flows}:later", "-p", "limit=7", "--runner", "inline")
    assert done.exit_code == 0, done.stderr
    assert effects.read_text() == "later 7"


def test_flow_that_fails_exits_with_1_and_says_why(heliostat, flows: Path) -> None:
    done = heliostat("flow", "run", f"{flows}:breaks", "--runner", "inline")
    assert done.exit_code == 1
    assert "Failed" in done.stderr
    assert "no such day" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--param", "limit=many"), 2, "limit"),
        (("--param", "limt=3"), 2, "limt"),
        ((), 2, "limit"),
        (("--param", "limit"), 2, "name=value"),
        (("--params", "{"), 2, "not valid JSON"),
        (("--params", "[3]"), 2, "not a JSON object"),
        (("--runner", "dask"), 2, "dask"),
    ],
)
def test_bad_parameters_are_named_and_nothing_runs(
    heliostat, flows: Path, effects: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    refused = heliostat("flow", "run", f"{flows}:etl", *words)
    assert refused.exit_code == code
    assert says in refused.stderr
    assert not effects.exists()
    assert json.loads(heliostat("flow-run", "ls", "-o", "json").stdout) == []


def test_missing_flow_exits_with_3_and_names_the_flows_that_exist(heliostat, flows: Path) -> None:
    refused = heliostat("flow", "run", f"{flows}:reprot")
    assert refused.exit_code == 3
    assert "etl" in refused.stderr


def test_resumed_run_goes_on_where_it_stopped(heliostat, flows: Path, effects: Path) -> None:
    assert heliostat("flow", "run", f"{flows}:needs_a_key", "--runner", "inline").exit_code == 1
    run_id = json.loads(heliostat("flow-run", "inspect", "@last", "-o", "json").stdout)["id"]
    effects.with_name("key").touch()
    resumed = heliostat("flow-run", "resume", "@last")
    assert resumed.exit_code == 0, resumed.stderr
    assert effects.read_text() == "step 1 step 2 "
    found = json.loads(heliostat("flow-run", "inspect", "@last", "-o", "json").stdout)
    assert (found["id"], found["state_type"], found["task_run_counts"]) == (
        run_id,
        "COMPLETED",
        {"COMPLETED": 2},
    )


def test_completed_run_is_not_resumed(heliostat, flows: Path) -> None:
    heliostat("flow", "run", f"{flows}:later", "--runner", "inline")
    refused = heliostat("flow-run", "resume", "@last")
    assert refused.exit_code == 1
    assert "has completed" in refused.stderr
