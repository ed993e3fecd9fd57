"""What tasks ask of the cluster, and clusters that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from heliostat import flow, task
from heliostat.runtime.engine import ray_cluster
from heliostat.runtime.foundation import clock, settings
from heliostat.runtime.foundation.errors import RayUnavailable


@task
def read_variable(name: str) -> str | None:
    return os.environ.get(name)


@pytest.mark.usefixtures("recorded")
def test_a_runtime_environment_reaches_the_tasks_that_ask_for_it() -> None:
    @flow
    def run() -> tuple[list[str | None], str | None]:
        equipped = read_variable.with_options(runtime_env={"env_vars": {"COLOUR_OF_TEST": "teal"}})
        return equipped.map(["COLOUR_OF_TEST"] * 3).result(), read_variable.submit("COLOUR_OF_TEST").result()

    assert run() == (["teal"] * 3, None)


def test_a_runtime_environment_that_ray_does_not_take_fails_its_tasks_alone(recorded: Any) -> None:
    @flow
    def run() -> tuple[Any, str | None]:
        broken = read_variable.with_options(runtime_env={"working_dir": "/no/such/folder.zip"})
        return broken.submit("HOME").result(raise_on_failure=False), read_variable.submit("HOME").result()

    error, home = run()
    assert str(error).startswith("Ray refuses task 'read_variable': /no/such/folder.zip")
    assert recorded.counts() == {"COMPLETED": 1, "FAILED": 1}
    assert home == os.environ["HOME"]


def test_a_runtime_environment_that_cannot_be_made_crashes_its_tasks(recorded: Any, tmp_path: Path) -> None:
    @flow
    def run() -> Any:
        broken = read_variable.with_options(runtime_env={"working_dir": f"file://{tmp_path}/none.zip"})
        return broken.submit("HOME").result(raise_on_failure=False)

    error = run()
    assert "runtime environment could not be set up" in str(error)
    [crashed] = recorded.tasks().values()
    assert (crashed.state_name, crashed.run_count) == ("Crashed", 1)


def test_calls_run_only_as_many_at_a_time_as_their_resources_allow(recorded: Any, tmp_path: Path) -> None:
    @task(num_cpus=2, pack=False)
    def alone(number: int) -> bool:
        mark = tmp_path / "busy"
        free = not mark.exists()
        mark.touch()
        clock.sleep(0.02)
        mark.unlink()
        return free

    @flow
    def run() -> list[bool]:
        return alone.map(range(6)).result()

    assert run() == [True] * 6


def test_a_request_that_no_node_can_meet_is_told_and_can_be_cancelled(recorded: Any) -> None:
    @task(resources={"unobtainium": 1}, memory_bytes=2**50)
    def impossible(number: int) -> int:
        return number

    @flow
    def run() -> Any:
        future = impossible.submit(1)
        with pytest.raises(TimeoutError):
            future.result(timeout_s=0.5)
        reasons = wait_for(recorded.reasons)
        assert [reason.code for reason in reasons] == ["unplaceable-task"]
        assert "unobtainium" in reasons[0].text
        assert future.cancel()
        return future.result(raise_on_failure=False)

    error = run()
    assert "cancelled" in str(error)
    [told] = [line for line in recorded.logs() if "impossible" in line.message and line.level == 30]
    for word in ("unobtainium 1", "memory 1.05e+06 GiB", "unobtainium 0", "CPU 2"):
        assert word in told.message
    assert recorded.counts() == {"CANCELLED": 1}


def test_a_request_that_no_node_meets_in_time_ends_its_calls(recorded: Any) -> None:
    """A task that asked for what no node has waited for ever, and its flow with it."""

    @task(resources={"unobtainium": 1})
    def impossible(number: int) -> int:
        return number

    @task
    def ordinary(number: int) -> int:
        return number

    @flow
    def run() -> Any:
        futures = impossible.map(range(3))
        return ordinary.submit(7).result(), futures.result(raise_on_failure=False)

    with settings.override_settings(unplaceable_s=1.0):
        seven, errors = run()
    assert seven == 7 and len(errors) == 3
    for error in errors:
        assert "asks for CPU 1, unobtainium 1, but no node" in str(error)
        assert "no such node came within 1 s" in str(error)
    assert recorded.counts() == {"COMPLETED": 1, "CRASHED": 3}


SCRIPT = """
from heliostat import flow, task

@task
def double(number):
    return 2 * number

@flow
def run():
    return double.submit(21).result()

run()
"""


def test_an_address_where_nothing_listens_is_told_soon(run_script: Any, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    script = run_script(file, HELIOSTAT_RAY_ADDRESS="127.0.0.1:1")
    assert script.ended(timeout_s=15) == 1
    assert "RayUnavailable: a Ray cluster at '127.0.0.1:1' cannot be joined" in script.output
    assert "refused" in script.output


class NoRay:
    """Ray as it is on a machine without a cluster."""

    def is_initialized(self) -> bool:
        return False

    def init(self, address: str, **_options: Any) -> None:
        assert address == "auto"
        raise ConnectionError("Could not find any running Ray instance.\nMore words.")


def test_a_cluster_that_is_to_be_found_and_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_ray", NoRay())
    with pytest.raises(RayUnavailable, match="'auto' cannot be joined: Could not find any running") as caught:
        ray_cluster.connect("auto")
    assert "HELIOSTAT_RAY_ADDRESS" in (caught.value.hint or "")


FAILING_START = """
import subprocess
import time

import ray

from heliostat.runtime.engine import ray_cluster
from heliostat.runtime.foundation.errors import RayUnavailable

started = []


def init(**_):
    started.append(subprocess.Popen(["sleep", "600"]))
    raise Exception("The current node timed out during startup.")


before = subprocess.Popen(["sleep", "600"])
time.sleep(0.2)  # the system dates processes in steps of some milliseconds
ray.init = init
for _ in range(2):
    try:
        ray_cluster.start_local()
    except RayUnavailable as error:
        print(error)
print([each.wait(60) < 0 for each in started], before.poll())
before.kill()
"""


def test_a_ray_that_does_not_start_leaves_no_processes(heliostat_home: Path) -> None:
    """On a busy machine each further try added a dashboard and three more processes, which made it busier."""
    ended = subprocess.run(
        [sys.executable, "-c", FAILING_START], stdout=subprocess.PIPE, text=True, timeout=120
    )
    told = "Ray cannot be started or joined: The current node timed out during startup."
    assert ended.stdout.splitlines() == [told, told, "[True, True] None"]
