"""`heliostat server` in real processes: it answers, it ends, it leaves nothing behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.loads(answer.read())


def is_up(script: Any) -> bool:
    return " is up (process " in script.output


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=15)[1]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_server_answers_says_where_and_ends_on_a_signal_with_its_children(
    run_script: Callable[..., Any], port: int, end: signal.Signals
) -> None:
    words = ("--services", "scheduler", "--port", str(port), "--api-workers", "2")
    script = run_script("server", "start", *words)
    script.wait_until(lambda: is_up(script))
    assert get(port, "/api/health") is True
    assert get(port, "/api/ready") == {"message": "OK"}
    assert f"http://127.0.0.1:{port}/api\n" in script.output
    assert f"http://127.0.0.1:{port}/docs" in script.output
    children = children_of(script.process.pid)
    assert len(children) == 3  # two for the API, one for the services
    script.process.send_signal(end)
    assert script.ended() == 0
    assert all_gone(children)


def test_children_end_with_a_server_that_is_killed(run_script: Callable[..., Any], port: int) -> None:
    script = run_script("server", "start", "--no-services", "--port", str(port))
    script.wait_until(lambda: is_up(script))
    children = children_of(script.process.pid)
    script.process.kill()
    script.ended()
    assert all_gone(children)
    assert run_script("server", "status").ended() == 7


def test_an_api_process_that_dies_is_brought_back(run_script: Callable[..., Any], port: int) -> None:
    script = run_script("server", "start", "--no-services", "--port", str(port))
    script.wait_until(lambda: is_up(script))
    [first] = children_of(script.process.pid)
    first.kill()
    script.wait_until(lambda: [each.pid for each in children_of(script.process.pid)] not in ([], [first.pid]))
    assert get(port, "/api/health") is True
    assert "starting it again" in script.output


def test_the_services_run_beside_the_api_and_are_told(run_script: Callable[..., Any], port: int) -> None:
    words = ("server", "start", "--port", str(port), "--services", "scheduler,late-runs")
    script = run_script(*words)
    script.wait_until(lambda: is_up(script))

    def running() -> set[str]:
        listed = run_script("server", "services", "ls", "-o", "json")
        assert listed.ended() == 0, listed.output
        return {each["name"] for each in json.loads(listed.output) if each["running"]}

    script.wait_until(lambda: running() == {"scheduler", "late-runs"})
    script.process.send_signal(signal.SIGTERM)
    assert script.ended() == 0
    assert running() == set()
    refused = run_script("server", "start", "--port", str(port), "--services", "sheduler")
    assert refused.ended() == 2
    assert "scheduler" in refused.output and "Traceback" not in refused.output


def test_a_background_server_is_found_and_stopped(run_script: Callable[..., Any], port: int) -> None:
    started = run_script("server", "start", "--no-services", "--background", "--port", str(port))
    assert started.ended() == 0, started.output
    told = re.search(r"is up \(process (\d+)\)", started.output)
    assert told is not None
    server = psutil.Process(int(told[1]))
    try:
        assert run_script("server", "status", "--wait", "30").ended() == 0
        taken = run_script("server", "start", "--no-services", "--port", str(port))
        assert taken.ended() == 7
        assert f"heliostat server stop --port {port}" in taken.output
    finally:
        stopped = run_script("server", "stop")
        assert stopped.ended() == 0, stopped.output
    assert all_gone([server])
    assert run_script("server", "stop").ended() == 3


def test_a_port_of_another_program_is_told_with_the_way_out(run_script: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        script = run_script("server", "start", "--no-services", "--port", str(port))
        assert script.ended() == 7
    assert f"port {port} of 127.0.0.1 is taken" in script.output
    assert f"--port {port + 1}" in script.output


def test_a_database_that_cannot_be_used_ends_the_server_with_one_reason(
    run_script: Callable[..., Any], port: int, tmp_path: Path
) -> None:
    import sqlite3

    path = tmp_path / "newer.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    script = run_script(
        "server", "start", "--no-services", "--port", str(port), HELIOSTAT_DATABASE_URL=f"sqlite:///{path}"
    )
    assert script.ended() == 1
    assert "schema 9999" in script.output
    assert "Traceback" not in script.output
