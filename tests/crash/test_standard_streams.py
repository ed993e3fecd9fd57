"""Scripts without a terminal: no stderr, one that is full, closed or without a reader, and one that hangs up.

A script started as `python flow.py >&- 2>&-` failed at its first log line, and could not record that either:
its run stayed Running. What is printed for a person fails nothing. A terminal that hangs up (SIGHUP) killed
the process without a word; it ends the run as SIGTERM does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

SCRIPT = """
import json, os, sys, time, warnings
from pathlib import Path
from heliostat import flow, get_run_logger, task

HERE = Path(__file__).parent

@task
def double(number):
    get_run_logger().warning("doubling %s", number)
    return 2 * number

@flow(task_runner=os.environ.get("RUNNER", "threads"), log_prints=True)
def quiet():
    if sys.argv[1] != "closed":  # of which Python itself makes an error
        warnings.warn("a warning")
    taken = {number: os.readlink(f"/proc/self/fd/{number}") for number in range(3)}
    HERE.joinpath("taken.json").write_text(json.dumps(taken))
    return sum(double.map(range(10)).result())

@flow
def waits():
    HERE.joinpath("waiting").touch()
    while not HERE.joinpath("permission").exists():
        time.sleep(0.01)

if sys.argv[1] == "closed":
    sys.stderr.close()
assert waits() is None if sys.argv[1] == "waits" else quiet() == 90
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "quiet.py"
    path.write_text(SCRIPT)
    return path


def states(tmp_path: Path) -> list[str]:
    listed = subprocess.run(
        [sys.executable, "-m", "heliostat", "flow-run", "ls", "-o", "json"], capture_output=True, check=True
    )
    return [run["state_name"] for run in json.loads(listed.stdout)]


@pytest.mark.parametrize(
    ("redirections", "how"),
    [
        (">&- 2>&-", "none"),
        ("<&- >&- 2>&-", "none"),
        ("2>/dev/full", "full"),
        ("2>/dev/null", "closed"),
        ("2> >(exec 0<&-; true)", "no reader"),
    ],
)
@pytest.mark.usefixtures("heliostat_home")
def test_a_flow_runs_as_plain_python_does_whatever_became_of_its_streams(
    script: Path, tmp_path: Path, redirections: str, how: str
) -> None:
    command = f'"{sys.executable}" "{script}" "{how}" {redirections}'
    done = subprocess.run(
        ["bash", "-c", command], timeout=120, env={**os.environ, "HELIOSTAT_PROGRESS": "always"}
    )
    assert (done.returncode, states(tmp_path)) == (0, ["Completed"])
    taken = json.loads((tmp_path / "taken.json").read_text())
    assert not [where for where in taken.values() if where.startswith("socket:") or ".db" in where]


@pytest.mark.usefixtures("heliostat_home")
def test_a_flow_on_ray_needs_no_streams_either(script: Path, tmp_path: Path, ray_cluster: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" "{script}" none <&- >&- 2>&-'],
        timeout=120,
        env={
            **os.environ,
            "RUNNER": "ray",
            "HELIOSTAT_RAY_ADDRESS": ray_cluster,
        },
    )
    assert (done.returncode, states(tmp_path)) == (0, ["Completed"])


@pytest.mark.usefixtures("heliostat_home")
def test_commands_do_what_they_are_for_where_nobody_reads_what_they_say(script: Path, tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m heliostat flow run "{script.name}:waits" 2> >(exec 0<&-; true)'
    (tmp_path / "permission").touch()
    script.write_text(SCRIPT.partition("\nif sys.argv")[0])
    done = subprocess.run(["bash", "-c", command], timeout=120, cwd=tmp_path)
    assert (done.returncode, states(tmp_path)) == (0, ["Completed"])


@pytest.mark.usefixtures("heliostat_home")
def test_a_terminal_that_hangs_up_ends_the_run_truthfully(
    run_script: Any, script: Path, tmp_path: Path
) -> None:
    running = run_script(script, "waits")
    running.wait_until((tmp_path / "waiting").exists)
    running.process.send_signal(signal.SIGHUP)
    assert running.ended(20) == 128 + signal.SIGHUP
    assert states(tmp_path) == ["Crashed"]


@pytest.mark.usefixtures("heliostat_home")
def test_a_script_under_nohup_goes_on_without_its_terminal(script: Path, tmp_path: Path) -> None:
    ignoring = ["bash", "-c", f'trap "" HUP; exec "{sys.executable}" "{script}" waits']
    with subprocess.Popen(ignoring, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: (tmp_path / "waiting").exists() or process.poll() is not None)
        assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        (tmp_path / "permission").touch()
        assert process.wait(60) == 0
    assert states(tmp_path) == ["Completed"]
