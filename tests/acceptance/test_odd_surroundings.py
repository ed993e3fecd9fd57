"""A home folder with an odd name, and a proxy that knows nothing of this machine.

A home folder with `?` in its name made another database than the one that was looked for, and with HTTP_PROXY
set every command asked the proxy for the server on this machine. In the URL of a default place a folder's
letters mean themselves, and loopback addresses are never asked for through a proxy.
"""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
from heliostat import flow, task

@task(persist_result=True)
def large(number: int) -> str:
    return "x" * 100_000

@flow(task_runner="threads")
def letters(count: int = 2) -> int:
    return len("".join(large.map(range(count)).result()))

if __name__ == "__main__":
    assert letters() == 200_000
"""
PROXY = "http://127.0.0.1:9"  # where nobody listens
_PROXIES = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY, "NO_PROXY": ""}
PROXIED = _PROXIES | {name.lower(): value for name, value in _PROXIES.items()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "h?me #1 100%20 für %d"


def test_an_odd_home_folder_holds_everything(
    run_script: Callable[..., Any], tmp_path: Path, home: Path
) -> None:
    script = tmp_path / "letters.py"
    script.write_text(SCRIPT)
    here = {"HELIOSTAT_HOME": str(home)}
    run = run_script(script, **here)
    assert run.ended() == 0, run.output
    for words in (("flow-run", "ls"), ("flow-run", "logs", "@last"), ("flow-run", "inspect", "@last")):
        told = run_script(*words, **here)
        assert told.ended() == 0 and "letters" in told.output, told.output
    assert home.joinpath("heliostat.db").exists()
    assert len([path for path in home.joinpath("results").rglob("*") if path.is_file()]) == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [home.name]


def test_a_server_of_this_machine_is_reached_without_the_proxy(
    run_script: Callable[..., Any], tmp_path: Path, home: Path
) -> None:
    script = tmp_path / "letters.py"
    script.write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    here = {"HELIOSTAT_HOME": str(home), **PROXIED}
    server = run_script("server", "start", "--no-services", "--port", str(port), **here)
    server.wait_until(lambda: " is up (process " in server.output)
    asking = {**here, "HELIOSTAT_API_URL": f"http://127.0.0.1:{port}/api"}
    run = run_script(script, **asking)
    assert run.ended() == 0, run.output
    listed = run_script("flow-run", "ls", "-o", "json", **asking)
    assert listed.ended() == 0, listed.output
    assert [each["state_name"] for each in json.loads(listed.output)] == ["Completed"]
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0
