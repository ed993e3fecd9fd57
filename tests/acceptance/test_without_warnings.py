"""Nothing warns in Python's development mode, where sockets and files that nobody closed are told of.

Warnings are errors in every process that is started here. What nothing catches stands on stderr, also where
nothing can be raised ("Exception ignored in ...").
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STRICT = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
_TOLD = re.compile(r"\w+Warning\b|Traceback|Exception ignored|was never (awaited|retrieved)")

SCRIPT = """
import asyncio, sys
from heliostat import flow, get_run_logger, task

@task(persist_result=True)
def double(x):
    print("in a task")
    return 2 * x

@task(retries=1)
async def wait(x):
    await asyncio.sleep(0)
    return x

@flow
def inner(x):
    get_run_logger().info("inner")
    return x

@flow(task_runner=sys.argv[1])
def many():
    assert sum(double.map(range(20)).result()) == 380
    assert wait.submit(3).result() == 3
    return inner(double(4))

@flow(task_runner=sys.argv[1])
async def many_async():
    return await asyncio.gather(*(wait(x) for x in range(5)))

if __name__ == "__main__":
    many()
    asyncio.run(many_async())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "many.py"
    path.write_text(SCRIPT)
    return path


def told(output: str) -> list[str]:
    return [line for line in output.splitlines() if _TOLD.search(line)]


@pytest.mark.parametrize(
    "words", [("-c", "import heliostat; heliostat.flow; heliostat.task"), ("-m", "heliostat")]
)
def test_importing_and_asking_for_help_warn_of_nothing(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", *words]
    done = subprocess.run(
        command + ["--help"] * (words[0] == "-m"), capture_output=True, text=True, timeout=110
    )
    assert (done.returncode, told(done.stderr)) == (0, [])


def test_flows_without_ray_and_commands_that_read_warn_of_nothing(
    run_script: Callable[..., Any], script: Path
) -> None:
    for runner in ("inline", "threads"):
        ran = run_script(script, runner, **STRICT)
        assert (ran.ended(), told(ran.output)) == (0, [])
    for words in ("flow-run ls", "flow-run inspect @last", "flow-run logs @last", "task-run ls", "flow ls"):
        read = run_script(*words.split(), **STRICT)
        assert (read.ended(), told(read.output)) == (0, []), words


def test_flows_on_ray_warn_of_nothing(run_script: Callable[..., Any], script: Path, ray_cluster: str) -> None:
    ran = run_script(script, "ray", HELIOSTAT_RAY_ADDRESS=ray_cluster, **STRICT)
    assert (ran.ended(110), told(ran.output)) == (0, [])


def test_a_server_its_clients_and_workers_warn_of_nothing(
    run_script: Callable[..., Any], script: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    server = run_script("server", "start", "--services", "scheduler,automations", "--port", port, **STRICT)
    server.wait_until(lambda: " is up (process " in server.output)
    there = STRICT | {"HELIOSTAT_API_URL": f"http://127.0.0.1:{port}/api"}
    ran = run_script(script, "inline", **there)
    assert (ran.ended(), told(ran.output)) == (0, [])
    made = run_script("work-pool", "create", "yard", "--type", "process", **there)
    assert made.ended() == 0
    worker = run_script("worker", "start", "--pool", "yard", **there)
    for words in ("flow-run ls", "flow-run logs @last", "deployment ls", "work-pool ls", "server status"):
        read = run_script(*words.split(), **there)
        assert (read.ended(), told(read.output)) == (0, []), words
    for running in (worker, server):
        running.process.send_signal(signal.SIGTERM)
        assert (running.ended(), told(running.output)) == (0, [])
