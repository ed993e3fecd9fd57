"""The unmodified stock client in an environment of its own, against a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from heliostat.runtime import clock

SCENARIOS = Path(__file__).parent / "scenarios"
WHERE = "HELIOSTAT_TEST_STOCK_PYTHON"


@dataclass
class Stock:
    """Runs scenarios with the stock client; `api` asks the server about what they left."""

    python: str
    url: str
    home: Path
    api: httpx.Client

    def run(self, scenario: str) -> dict[str, Any]:
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
            timeout=110,
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
        until = clock.monotonic_s() + 30
        while len(found := self.ask(path, **body)) < count:
            assert clock.monotonic_s() < until, found
            clock.sleep(0.05)
        return found


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


@pytest.fixture
def stock(stock_python: str, database_url: str, run_script: Callable[..., Any], tmp_path: Path) -> Any:
    """A server on the database (two API processes on Postgres) and the stock client."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    workers = "2" if database_url.startswith("postgres") else "1"
    words = ("server", "start", "--port", str(port), "--no-services", "--api-workers", workers)
    server = run_script(*words, HELIOSTAT_DATABASE_URL=database_url)
    url = f"http://127.0.0.1:{port}/api"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/ready").status_code == 200
        except httpx.TransportError:
            return False

    server.wait_until(is_up)
    with httpx.Client(base_url=url, timeout=30) as api:
        yield Stock(stock_python, url, tmp_path / "stock-home", api)
    server.process.terminate()
    server.ended()
