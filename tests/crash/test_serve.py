"""A served flow: its runs are executed on this machine, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heliostat import get_client

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

SCRIPT = """
from heliostat import flow

@flow(log_prints=True)
def greet(name: str = "world") -> str:
    print(f"hello {name}")
    return name

if __name__ == "__main__":
    greet.serve("here", interval=3600)
"""


def test_a_served_flow_runs_when_asked_and_pauses_its_schedules_at_the_end(
    run_script: Callable[..., Any], tmp_path: Path, sqlite_url: str
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "greeting.py").write_text(SCRIPT)
    with serving(sqlite_url) as served, get_client(sync_client=True, api_url=served.url) as client:
        script = run_script(folder / "greeting.py", HELIOSTAT_API_URL=served.url)
        script.wait_until(lambda: "Serving greet/here" in script.output)
        deployment = client.read_deployment_by_name("greet/here")
        assert (deployment.paused, deployment.work_pool_name) == (False, None)
        run = client.create_flow_run_from_deployment(deployment.id, parameters={"name": "you"})
        ended = client.wait_for_flow_run(run.id, timeout=60)
        assert ended.state is not None
        assert ended.state.is_completed(), script.output
        lines = client.read_logs({"flow_run_id": {"any_": [str(run.id)]}})
        assert "hello you" in [line.message for line in lines]
        script.process.send_signal(signal.SIGINT)
        assert script.ended() == 0, script.output
        assert client.read_deployment(deployment.id).paused is True


def test_a_second_process_goes_on_serving_when_the_first_one_ends(
    run_script: Callable[..., Any], tmp_path: Path, sqlite_url: str
) -> None:
    """A rolling restart paused the schedules under the new process; one that was killed counts no more."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "greeting.py").write_text(SCRIPT.replace('"here"', '"here", job_variables={"env": {"X": "1"}}'))
    with serving(sqlite_url) as served, get_client(sync_client=True, api_url=served.url) as client:
        scripts = [run_script(folder / "greeting.py", HELIOSTAT_API_URL=served.url) for _ in range(3)]
        for script in scripts:
            script.wait_until(lambda script=script: "Serving greet/here" in script.output)
        first, killed, last = scripts
        first.process.send_signal(signal.SIGINT)
        assert first.ended() == 0, first.output
        assert client.read_deployment_by_name("greet/here").paused is False
        killed.process.kill()
        killed.process.wait()
        last.process.send_signal(signal.SIGINT)
        assert last.ended() == 0, last.output
        assert client.read_deployment_by_name("greet/here").paused is True
        again = run_script(folder / "greeting.py", HELIOSTAT_API_URL=served.url)
        again.wait_until(lambda: "Serving greet/here" in again.output)
        again.wait_until(lambda: client.read_deployment_by_name("greet/here").paused is False)
        again.process.send_signal(signal.SIGINT)
        assert again.ended() == 0, again.output
