"""The unmodified stock client in an environment of its own, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from waiting import wait_for

from heliostat.actors.loops.names import LOOPS
from heliostat.api.server.start import answers

SCENARIOS = Path(__file__).parent / "scenarios"
WHERE = "HELIOSTAT_TEST_STOCK_PYTHON"


@dataclass
class Stock:
    """Runs scenarios with the stock client; `api` asks the server about what they left."""

    python: str
    url: str
    home: Path
    api: httpx.Client

    def run(self, scenario: str, timeout_s: float = 240.0) -> dict[str, Any]:
        """What the scenario said at its end."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HELIOSTAT_", "PYTHON", "PREFECT_"))
        }
        done = subprocess.run(
            [self.python, str(SCENARIOS / scenario)],
            env={**environment, "PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        said = [line for line in done.stdout.splitlines() if line.startswith("SAID ")]
        assert done.returncode == 0 and said, done.stdout + done.stderr
        return json.loads(said[-1].removeprefix("SAID "))

    def ask(self, path: str, **body: Any) -> Any:
        answer = self.api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for(self, path: str, count: int, **body: Any) -> list[Any]:
        """Ask until there are so many: clients send logs and events up to seconds later."""
        return wait_for(lambda: self.ask(path, **body), lambda found: len(found) >= count)


@pytest.fixture(scope="session")
def stock_python() -> str:
    """The Python of the stock client's environment: required in CI, elsewhere the tests are skipped."""
    python = os.environ.get(WHERE)
    if not python:
        reason = f"{WHERE} does not name the Python of an environment with the stock client"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return python


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def stock(
    stock_python: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stock]:
    """A server with its services on a database of its own, with two API processes on Postgres.

    One for all tests: what they make bears names of their own. That on SQLite keeps a Ray, too.
    """
    folder = tmp_path_factory.mktemp(f"stock-{request.param}")
    services = [*LOOPS]
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite_file"), folder / "heliostat.db")
        database_url, workers = f"sqlite:///{folder / 'heliostat.db'}", "1"
        services.append("ray")
    else:
        server = request.getfixturevalue("postgres_server")
        server.psql("CREATE DATABASE stock TEMPLATE heliostat_template STRATEGY FILE_COPY;")
        database_url, workers = server.get_uri(database="stock"), "2"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--port", str(port), "--api-workers", workers, "--services", ",".join(services)]
    environment = {"HELIOSTAT_HOME": str(folder / "home"), "HELIOSTAT_DATABASE_URL": database_url}
    environment |= {"HELIOSTAT_STOCK_PYTHON": stock_python, "HELIOSTAT_RAY_DASHBOARD": "false"}
    with (folder / "server.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "heliostat", "server", "start", *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        wait_for(
            lambda: answers(url, "/ready") or process.poll() is not None,
            tell=(folder / "server.txt").read_text,
        )
        assert process.poll() is None, (folder / "server.txt").read_text()
        with httpx.Client(base_url=url, timeout=30) as api:
            yield Stock(stock_python, url, folder / "stock-home", api)
    finally:
        process.terminate()
        process.wait(30)
