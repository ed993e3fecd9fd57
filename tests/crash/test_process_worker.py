"""A pool of type process, its worker and the processes of its runs: the whole way over a real server."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from databases import ON_SQLITE
from waiting import wait_for

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

from heliostat.runtime.client.client import SyncHeliostatClient, get_client  # noqa: E402
from heliostat.runtime.client.records import FlowRun  # noqa: E402
from heliostat.runtime.projects import code_packages
from heliostat.runtime.states import Cancelling  # noqa: E402

PATIENCE_S = 90.0
FLOWS = """
import os
import time

from heliostat import flow, task

def leave(word):
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(f"{word} {os.getpid()}\\n")

@task
def work(number):
    leave(number)
    return number

@flow
def adds(count: int, gate: str) -> int:
    total = sum(work(number) for number in range(count))
    while not os.path.exists(gate):
        time.sleep(0.01)
    print("adding", type(count).__name__)
    return total + work(count)
"""


class Yard:
    """A project that is deployed to a process pool of a server."""

    def __init__(self, client: SyncHeliostatClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.gate = folder / "gate"
        self.effects = folder / "effects.txt"

    def deploy(self) -> UUID:
        project = self.folder / "project"
        project.mkdir()
        (project / "flows.py").write_text(FLOWS)
        package = code_packages.pack(project)
        self.client.put_code_package(package.revision, package.content)
        self.client.create_work_pool("yard", "process")
        return self.client.create_deployment(
            self.client.create_flow_from_name("adds"),
            "here",
            entrypoint="flows.py:adds",
            work_pool_name="yard",
            pull_steps=[{"heliostat.code_package": {"revision": package.revision}}],
            parameters={"gate": str(self.gate)},
            job_variables={"env": {"EFFECTS": str(self.effects)}},
        )

    def lines(self) -> list[list[str]]:
        text = self.effects.read_text() if self.effects.exists() else ""
        return [line.split() for line in text.splitlines()]

    def now(self, run: FlowRun) -> FlowRun:
        return self.client.read_flow_run(run.id)

    def wait(self, reached: Callable[[], bool], script: Any) -> None:
        wait_for(reached, within_s=PATIENCE_S, tell=lambda: script.output)


@pytest.fixture
def yard(database_url: str, tmp_path: Path) -> Iterator[Yard]:
    with serving(database_url) as served, get_client(sync_client=True, api_url=served.url) as client:
        yield Yard(client, tmp_path)


def test_a_run_whose_process_is_killed_goes_on_in_another_one(yard: Yard, run_script: Any) -> None:
    run = yard.client.create_flow_run_from_deployment(yard.deploy(), parameters={"count": "5"})
    script = run_script("worker", "start", "--pool", "yard", HELIOSTAT_API_URL=yard.client.api_url)
    yard.wait(lambda: yard.now(run).state_name == "Running" and len(yard.lines()) == 5, script)
    # A sixth line would be another call: what the five left is durable once the server tells of it.
    count = {
        "flow_runs": {"id": {"any_": [str(run.id)]}},
        "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    yard.wait(lambda: yard.client.request("POST", "/task_runs/count", count) == 5, script)
    os.kill(int(yard.lines()[0][1]), signal.SIGKILL)
    yard.wait(lambda: yard.now(run).run_count == 2, script)
    yard.gate.touch()
    yard.wait(lambda: yard.now(run).state_name == "Completed", script)
    assert [word for word, _ in yard.lines()] == ["0", "1", "2", "3", "4", "5"]
    assert len({pid for _, pid in yard.lines()}) == 2
    names = [state.name for state in yard.client.read_flow_run_states(run.id)]
    assert names == [
        "Scheduled", "Pending", "Submitting", "Running",
        "AwaitingRetry", "Pending", "Submitting", "Running", "Completed",
    ]  # fmt: skip
    logged = [line.message for line in yard.client.read_logs({"flow_run_id": {"any_": [str(run.id)]}})]
    assert "adding int" in logged
    assert any("SIGKILL" in line for line in logged)
    script.process.send_signal(signal.SIGTERM)
    assert script.ended() == 0, script.output


@ON_SQLITE
def test_a_worker_that_is_told_to_stop_lets_its_runs_end(yard: Yard, run_script: Any) -> None:
    deployment = yard.deploy()
    run = yard.client.create_flow_run_from_deployment(deployment, parameters={"count": 1})
    script = run_script("worker", "start", "--pool", "yard", HELIOSTAT_API_URL=yard.client.api_url)
    yard.wait(lambda: len(yard.lines()) == 1, script)
    script.process.send_signal(signal.SIGTERM)
    yard.wait(lambda: "waiting for 1" in script.output, script)
    late = yard.client.create_flow_run_from_deployment(deployment, parameters={"count": 1})
    yard.gate.touch()
    assert script.ended() == 0, script.output
    assert (yard.now(run).state_name, yard.now(late).state_name) == ("Completed", "Scheduled")


@ON_SQLITE
def test_a_cancelled_run_ends_and_its_process_is_gone(yard: Yard, run_script: Any) -> None:
    run = yard.client.create_flow_run_from_deployment(yard.deploy(), parameters={"count": 1})
    script = run_script("worker", "start", "--pool", "yard", HELIOSTAT_API_URL=yard.client.api_url)
    yard.wait(lambda: len(yard.lines()) == 1 and yard.now(run).state_name == "Running", script)
    yard.client.set_flow_run_state(run.id, Cancelling())
    yard.wait(lambda: yard.now(run).state_name == "Cancelled", script)
    pid = int(yard.lines()[0][1])
    yard.wait(lambda: not Path(f"/proc/{pid}").exists(), script)


@ON_SQLITE
def test_a_worker_refuses_pools_that_are_not_for_it(yard: Yard, run_script: Any) -> None:
    yard.client.create_work_pool("cluster", "ray")
    address = {"HELIOSTAT_API_URL": yard.client.api_url}
    of_ray = run_script("worker", "start", "--pool", "cluster", **address)
    unknown = run_script("worker", "start", "--pool", "nowhere", "--no-create-pool-if-not-found", **address)
    assert of_ray.ended() == 1
    assert "without workers" in of_ray.output
    assert unknown.ended() == 3
    assert "no work pool 'nowhere'" in unknown.output
    assert [pool.name for pool in yard.client.read_work_pools() if pool.name == "nowhere"] == []
