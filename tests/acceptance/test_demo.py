"""`heliostat demo` in a fresh process: it says what the database holds, and files fail for a real reason."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILES = 400
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def heliostat(heliostat_home: Path) -> Run:
    """`heliostat WORDS` in a process of its own, recording to a new SQLite file."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "heliostat", *words],
            capture_output=True,
            text=True,
            cwd=heliostat_home,
            env={**os.environ, **environment},
            timeout=280,
        )

    return run


def recorded(heliostat: Run, *words: str) -> Any:
    shown = heliostat(*words, "--output", "json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_summary_agrees_with_the_rows_in_the_database(heliostat: Run) -> None:
    demo = heliostat("demo", "--files", str(FILES), "--runner", "threads", HELIOSTAT_PROGRESS="always")
    assert demo.returncode == 0, demo.stderr
    assert "flow 'survey' begins" in demo.stderr
    assert re.search(rf"^measure: [\d,]+/{FILES}, ", demo.stderr, re.MULTILINE)
    [(name, run_id)] = re.findall(r"^flow run +(\S+) \(([-0-9a-f]{36})\)$", demo.stdout, re.MULTILINE)
    [told] = re.findall(r"^recorded +(.*) \(counted in the database\)$", demo.stdout, re.MULTILINE)
    told_counts = {
        kind: int(count.replace(",", "")) for count, kind in re.findall(r"([\d,]+) ([A-Z]+)", told)
    }

    run = recorded(heliostat, "flow-run", "inspect", run_id)
    assert (run["name"], run["state_type"]) == (name, "COMPLETED")
    assert run["task_run_counts"] == told_counts

    rows = recorded(heliostat, "task-run", "ls", "--flow-run", run_id, "--limit", "1000")
    failed = [row for row in rows if row["state_type"] == "FAILED"]
    by_task = {kind: sum(row["name"].startswith(f"{kind}-") for row in rows) for kind in ("measure", "grade")}
    assert by_task == {"measure": FILES, "grade": FILES - len(failed)}
    assert len(rows) == sum(told_counts.values()) == FILES + FILES - len(failed) + 1  # and the sub-flow's
    assert re.search(rf"^task runs +{len(rows)} on threads in ", demo.stdout, re.MULTILINE)
    for told_command in (f"heliostat flow-run inspect {run_id}", f"--flow-run {run_id} --state FAILED"):
        assert told_command in demo.stdout


def test_report_is_a_sub_flow_with_tables_and_the_terminal_can_be_silenced(heliostat: Run) -> None:
    words = ("demo", "--files", str(FILES), "--runner", "threads", "--no-progress", "-o", "json")
    quiet = heliostat(*words, HELIOSTAT_PROGRESS="always", HELIOSTAT_LOGGING_LEVEL="ERROR")
    assert "flow 'survey'" not in quiet.stderr
    assert not re.search(r"^measure: ", quiet.stderr, re.MULTILINE)
    demo = json.loads(quiet.stdout)
    assert demo["files"] == FILES
    assert demo["task_run_counts"].get("FAILED", 0) == len(demo["failed_files"])
    told = {failed["path"]: failed["reason"] for failed in demo["failed_files"]}
    assert told == {path: reason_of(Path(path)) for path in told}
    tables = {table["title"]: table["rows"] for table in demo["tables"]}
    assert {"Packages by lines", "Largest modules", "Most imported", "Most complex functions"} <= set(tables)
    assert sum(row[1] for row in tables["How modules grade"]) == FILES - len(demo["failed_files"])
    sizes = [row[1] for row in tables["Largest modules"]]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0

    [report] = [run for run in recorded(heliostat, "flow-run", "ls") if run["flow_name"] == "report"]
    assert report["state_type"] == "COMPLETED"
    inspected = recorded(heliostat, "flow-run", "inspect", report["id"])
    assert inspected["task_run_counts"] == {"COMPLETED": len(tables)}


def test_files_that_cannot_be_parsed_fail_with_their_reason_and_the_flow_goes_on(
    heliostat: Run, tmp_path: Path
) -> None:
    (tmp_path / "good.py").write_text("def one():\n    return 1\n")
    (tmp_path / "old.py").write_text("print 'hello'\n")
    (tmp_path / "strange.py").write_bytes(b"# -*- coding: uft-8 -*-\n")
    ran = heliostat(
        "flow", "run", "heliostat.demo.survey:survey", "--param", f"folder={tmp_path}", "--runner", "threads"
    )
    assert ran.returncode == 0, ran.stderr
    [run] = [run for run in recorded(heliostat, "flow-run", "ls") if run["flow_name"] == "survey"]
    assert run["state_type"] == "COMPLETED"
    failed = recorded(heliostat, "task-run", "ls", "--flow-run", run["id"], "--state", "FAILED")
    assert {row["name"]: row["state"]["message"] for row in failed} == {
        "measure-1": reason_of(tmp_path / "old.py"),
        "measure-2": reason_of(tmp_path / "strange.py"),
    }


@pytest.mark.timeout(300)
def test_without_a_runner_it_brings_a_server_of_its_own_and_takes_it_along(
    heliostat: Run, heliostat_home: Path
) -> None:
    demo = heliostat("demo", "--files", "20", "--exit", "--output", "json")
    assert demo.returncode == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert (told["files"], told["runner"]) == (20, "ray")
    run = recorded(heliostat, "flow-run", "inspect", told["flow_run_id"])
    assert run["task_run_counts"] == told["task_run_counts"]
    assert run["deployment_id"] is not None
    assert not list((heliostat_home / "servers").glob("*.json"))


def reason_of(path: Path) -> str:
    """Why Python cannot parse a file, as a failed task run tells it."""
    try:
        ast.parse(path.read_bytes(), filename=str(path))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it can be parsed"
