"""A server with passwords, tried from inside its runs and by a process that knows only Ray's address.

Workers of Ray inherited the environment of the server, and Ray asked nobody who he was: a task read the
password of the API in its environment, and so did whoever reached Ray's ports.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

SECRET = "sesame-of-a-test"
FLOWS = """
import os
from heliostat import flow, task

def told():
    return sorted(name for name, value in os.environ.items() if "sesame" in value or name == "RAY_AUTH_TOKEN")

@task
def in_task():
    return told()

@flow
def look():
    print("seen by the flow:", told())
    print("seen by the task:", in_task.submit().result())
"""
STRANGER = """
import sys
import ray

try:
    ray.init(address=sys.argv[1], logging_level="ERROR")
except ConnectionError as refused:
    print("refused")
else:
    print(ray.util.list_named_actors(all_namespaces=True))
"""


@pytest.mark.timeout(420)
def test_no_run_finds_a_secret_and_no_stranger_gets_in(
    run_script: Callable[..., Any], tmp_path: Path, heliostat_home: Path
) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    account = f"ann:{SECRET}"
    told = {"HELIOSTAT_API_AUTH_STRING": account, "PREFECT_API_AUTH_STRING": account}
    database = f"sqlite:///{heliostat_home}/{SECRET}.db"
    secrets = {"HELIOSTAT_SERVER_AUTH_STRING": account, "HELIOSTAT_DATABASE_URL": database, **told}
    server = run_script("server", "start", "--port", "0", HELIOSTAT_RAY_DASHBOARD="true", **secrets)
    server.wait_until(lambda: "Ray is up at" in server.output, timeout_s=180)
    [address] = re.findall(r"Ray is up at ([0-9.]+:\d+)", server.output)
    [url] = re.findall(r"HELIOSTAT_API_URL=(\S+)", server.output)

    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    stranger = [sys.executable, "-c", STRANGER, address]
    refused = subprocess.run(stranger, capture_output=True, text=True, timeout=180, env=bare)
    assert (refused.stdout.strip(), refused.returncode) == ("refused", 0), refused.stderr

    def do(*words: str) -> str:
        done = run_script(*words, HELIOSTAT_API_URL=url, **told)
        assert done.ended(180) == 0, done.output
        return done.output

    do("work-pool", "create", "local", "--type", "process")
    worker = run_script("worker", "start", "--pool", "local", HELIOSTAT_API_URL=url, **secrets)
    for pool in ("default", "local"):
        do("deploy", "flows.py:look", "--name", pool, "--pool", pool)
        shown = do("deployment", "run", f"look/{pool}", "--watch")
        assert "seen by the flow: []" in shown and "seen by the task: []" in shown, shown
    worker.process.terminate()
    assert worker.ended(60) == 0
    [ray] = [each for each in json.loads(do("ray", "status", "-o", "json")) if each["kind"] == "ray"]
    assert ray["state"] == "up"
    with pytest.raises(HTTPError, match="401"):
        urlopen(ray["dashboard"] + "/api/v0/nodes", timeout=60)
    server.process.terminate()
    assert server.ended(60) == 0
