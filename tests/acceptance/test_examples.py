"""The examples run as they stand, in a fresh process, and leave the records that they promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="not run from a checkout")


def run(*words: str, home: Path) -> str:
    """The output of a Python process on threads, which must end well."""
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=home,
        env={**os.environ, "HELIOSTAT_TASK_RUNNER": "threads"},
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def runs_of(flow: str, home: Path) -> list[dict[str, Any]]:
    """The recorded runs of a flow, newest first, with counts of their task runs."""
    listed = json.loads(run("-m", "heliostat", "flow-run", "ls", "--flow", flow, "-o", "json", home=home))
    ids = [entry["id"] for entry in listed]
    return [
        json.loads(run("-m", "heliostat", "flow-run", "inspect", id, "-o", "json", home=home)) for id in ids
    ]


def test_fan_out_records_every_call(heliostat_home: Path) -> None:
    assert "pi is about 3.1" in run(str(EXAMPLES / "fan_out.py"), home=heliostat_home)
    [recorded] = runs_of("estimate-pi", heliostat_home)
    assert recorded["name"] == "pi from 10000 tasks"
    assert recorded["task_run_counts"] == {"COMPLETED": 10_000}


def test_prices_are_retried_and_then_answered_from_the_cache(heliostat_home: Path) -> None:
    for _ in range(2):
        assert "15.40" in run(str(EXAMPLES / "retries_and_caching.py"), home=heliostat_home)
    second, first = runs_of("prices", heliostat_home)
    assert [(row["name"], row["run_count"]) for row in task_runs(first, heliostat_home)] == [
        ("Completed", 2)
    ] * 3
    assert [row["name"] for row in task_runs(second, heliostat_home)] == ["Cached"] * 3


def test_async_calls_are_all_answered(heliostat_home: Path) -> None:
    assert "300 different answers" in run(str(EXAMPLES / "async_io.py"), home=heliostat_home)
    [recorded] = runs_of("conversation", heliostat_home)
    assert recorded["task_run_counts"] == {"COMPLETED": 300}


def task_runs(flow_run: dict[str, Any], home: Path) -> list[dict[str, Any]]:
    """State name and number of runs of each task run."""
    words = ("-m", "heliostat", "task-run", "ls", "--flow-run", flow_run["id"], "-o", "json")
    rows = json.loads(run(*words, home=home))
    return [{"name": row["state_name"], "run_count": row["run_count"]} for row in rows]


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_is_told_how_to_run(example: str) -> None:
    source = (EXAMPLES / example).read_text()
    assert f"`python examples/{example}`" in source
    assert '__name__ == "__main__"' in source
