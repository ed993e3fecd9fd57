"""Flows from a git repository on a server's own Ray, one of which runs the other one's deployment."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliostat import get_client

PATIENCE_S = 150.0
FLOWS = """
from heliostat import flow, run_deployment, task
from numbers_of_ours import double

@task
def work(number: int) -> int:
    return double(number)

@flow
def child(count: int) -> int:
    return sum(work.map(range(count)).result())

@flow
def parent(count: int = 4) -> str:
    return run_deployment("child/git", parameters={"count": count}, as_subflow=True).state_name
"""
DEPLOY = """
import sys
from heliostat import flow

for name in ("child", "parent"):
    print(flow.from_source(sys.argv[1], f"flows/sums.py:{name}").deploy("git", work_pool_name="default"))
"""


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The address of a bare repository with two flows."""

    def git(*words: str) -> None:
        person = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
        subprocess.run(["git", *person, *words], cwd=tmp_path, check=True, capture_output=True)

    work = tmp_path / "work"
    (work / "flows").mkdir(parents=True)
    (work / "flows" / "sums.py").write_text(FLOWS)
    (work / "numbers_of_ours.py").write_text("def double(number):\n    return 2 * number\n")
    git("init", "-q", "work")
    git("-C", "work", "add", "-A")
    git("-C", "work", "commit", "-qm", "two flows")
    git("clone", "-q", "--bare", "work", "flows.git")
    return f"file://{tmp_path / 'flows.git'}"


@pytest.mark.timeout(400)
def test_a_flow_from_git_runs_the_deployment_of_another_as_its_child(
    run_script: Callable[..., Any], repository: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    server = run_script("server", "start", "--port", str(port))
    server.wait_until(lambda: " is up (process " in server.output)
    (tmp_path / "deploy.py").write_text(DEPLOY)
    deployed = run_script("deploy.py", repository, HELIOSTAT_API_URL=api)
    assert deployed.ended() == 0, deployed.output
    with get_client(sync_client=True, api_url=api) as client:
        made = client.create_flow_run_from_deployment(client.read_deployment_by_name("parent/git").id)
        server.wait_until(lambda: client.read_flow_run(made.id).state.is_final(), PATIENCE_S)
        ended = client.read_flow_run(made.id)
        logged = [line.message for line in client.read_logs({"flow_run_id": {"any_": [str(made.id)]}})]
        assert ended.state_name == "Completed", logged
        of_parent = {"task_runs": {"flow_run_id": {"any_": [str(made.id)]}}}
        [tracker] = client.request("POST", "/task_runs/filter", of_parent)
        [child] = client.read_flow_runs(flow_run_filter={"parent_flow_run_id": {"any_": [str(made.id)]}})
        assert (str(child.parent_task_run_id), child.state_name) == (tracker["id"], "Completed")
        assert tracker["state_name"] == "Completed"
        of_child = {"task_runs": {"flow_run_id": {"any_": [str(child.id)]}}}
        assert client.request("POST", "/task_runs/count", of_child) == 4
        graph = client.request("GET", f"/flow_runs/{made.id}/graph-v2")
        assert [node["kind"] for _, node in graph["nodes"]] == ["flow-run"]
        assert graph["root_node_ids"] == [str(child.id)]
    server.process.terminate()
    assert server.ended() == 0, server.output
