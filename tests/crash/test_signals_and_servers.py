"""Every process of a run ends when it is asked to, in every phase, whether its server answers or not.

Seen: a run that recorded over HTTP and was paused hung for half an hour while it recorded its own
interruption, long after its worker and its server were dead; not even SIGTERM ended it. Whoever gets no
answer for a lease's time now keeps what is unrecorded under the home folder and leaves with exit code 75. A
signal ends a process within ten seconds: what it has not recorded by then is kept, too, for a resume to read.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from databases import ON_SQLITE
from waiting import wait_for

from heliostat.runtime.journal import unrecorded
from heliostat.runtime.store import flow_runs, task_runs
from heliostat.runtime.store.database.database import Database

pytestmark = [
    ON_SQLITE,
    pytest.mark.timeout(360),  # eighteen processes at once, on a machine that may have other work
]

PATIENCE_S = 150.0
PHASES = ("starting", "running", "waiting", "paused", "settling", "draining")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SERVER = """
import sys

import uvicorn

from heliostat.api.app import create_app

uvicorn.run(create_app(sys.argv[1]), port=int(sys.argv[2]), log_level="critical")
"""

CELLS = '''
"""`cells.py NAME...`: one process a cell, a fork of this one, which has all modules already."""

import os
import signal
import sys
import time

from heliostat import current_flow_run, flow, pause_flow_run, task
from heliostat.runtime.engine.flow import run_control
from heliostat.runtime.journal import http_recording
from heliostat.runtime.journal.current import current_recording


def tell(what, text=""):
    with open(f"{CELL}.{what}.part", "w") as file:
        file.write(text)
    os.rename(f"{CELL}.{what}.part", f"{CELL}.{what}")


CELL = os.environ.get("CELL", "")


def leave(word):
    with open(f"{CELL}.effects", "a") as file:
        file.write(f"{word}\\n")


def wait_for(what):
    until = time.monotonic() + 60
    while not os.path.exists(what) and time.monotonic() < until:
        time.sleep(0.02)


def reached():
    tell("reached", str(current_flow_run().id))


@task
def first():
    leave("first")
    return 1


@task
def second():
    leave("second")
    return 2


@task
def endless():
    while not os.path.exists(f"{CELL}.go"):
        time.sleep(0.02)


@flow
def running():
    first()
    reached()
    wait_for("set")  # the server is away from here on, if it is to be
    second()
    while not os.path.exists(f"{CELL}.go"):
        time.sleep(0.02)


@flow
def waiting():
    first()
    future = endless.submit()
    reached()
    future.result()


@flow
def paused():
    first()
    wait = run_control.RunControl._wait

    def told(*given):
        reached()
        wait(*given)

    run_control.RunControl._wait = told
    pause_flow_run(timeout=600)


class SlowToKeep:
    def __reduce__(self):
        reached()
        wait_for(f"{CELL}.signalled")
        time.sleep(0.3)  # the signal has been sent, and is heard by now
        return (SlowToKeep, ())


@flow
def settling():
    first()
    return SlowToKeep()


@flow
def draining():
    first()
    endless.submit()
    reached()


def starting():
    current_recording()
    tell("reached")
    wait_for("set")
    running()


if __name__ == "__main__":
    children = {}
    for name in sys.argv[1:]:
        pid = os.fork()
        if pid == 0:
            CELL = name
            break
        children[pid] = name
        with open(f"{name}.pid", "w") as file:
            file.write(str(pid))
    if CELL:
        output = os.open(f"{CELL}.output", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        globals()[CELL.partition("-")[0]]()
    else:
        while children:
            pid, status = os.wait()
            CELL = children.pop(pid)
            tell("ended", str(os.waitstatus_to_exitcode(status)))
'''


class Server:
    """The API in a process of its own, which may be frozen or killed."""

    def __init__(self, run_script: Callable[..., Any], folder: Path, database_url: str) -> None:
        self._run_script, self._database_url = run_script, database_url
        self._file = folder / "server.py"
        self._file.write_text(SERVER)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self._port: int = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"

    def start(self, **environment: str) -> None:
        self._script = self._run_script(self._file, self._database_url, str(self._port), **environment)
        self._script.wait_until(self._answers)

    def freeze(self) -> None:
        self._script.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._script.process.kill()
        self._script.process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=1.0).is_success
        except httpx.HTTPError:
            return False


class Cells:
    """Processes of runs by name."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder, self.names = folder, names

    def read(self, name: str, what: str) -> str | None:
        file = self._folder / f"{name}.{what}"
        return file.read_text(errors="replace") if file.exists() else None

    def tell(self, what: str) -> None:
        (self._folder / what).touch()

    def all_have(self, what: str) -> bool:
        return all(self.read(name, what) is not None for name in self.names)

    def wait_for_their_ends(self) -> None:
        wait_for(
            lambda: [name for name in self.names if self.read(name, "ended") is None], [], within_s=PATIENCE_S
        )

    def signal(self, name: str, number: int) -> None:
        if self.read(name, "ended") is None:
            os.kill(int(self.read(name, "pid") or 0), number)
        self.tell(f"{name}.signalled")

    def ended(self, name: str) -> int:
        return int(self.read(name, "ended") or 0)

    def run_id(self, name: str) -> UUID:
        return UUID(self.read(name, "reached"))


@pytest.fixture
def server(run_script: Callable[..., Any], tmp_path: Path, database_url: str) -> Server:
    return Server(run_script, tmp_path, database_url)


@pytest.fixture
def cells_of(
    run_script: Callable[..., Any], tmp_path: Path, server: Server, heliostat_home: Path
) -> Iterator[Callable[[list[str]], Cells]]:
    made: list[Cells] = []

    def start(names: list[str]) -> Cells:
        file = tmp_path / "cells.py"
        file.write_text(CELLS)
        script = run_script(file, *names, HELIOSTAT_API_URL=server.url, HELIOSTAT_TASK_RUNNER="threads")
        cells = Cells(tmp_path, names)
        made.append(cells)
        script.wait_until(lambda: cells.all_have("reached"), PATIENCE_S)
        return cells

    yield start
    for cells in made:
        for name in cells.names:
            if cells.read(name, "ended") is None and cells.read(name, "pid"):
                os.kill(int(cells.read(name, "pid") or 0), signal.SIGKILL)


def kept_of(run_id: UUID) -> int:
    """How many completed calls of a run are kept on this machine."""
    return len(unrecorded.left_by(run_id).completed)


@pytest.mark.parametrize("state", ["up", "frozen", "gone"])
def test_a_signal_ends_a_run_in_every_phase(
    server: Server, cells_of: Callable[[list[str]], Cells], left: Any, state: str
) -> None:
    numbers = {f"{phase}-{number.name}": number for phase in PHASES for number in SIGNALS}
    server.start()
    cells = cells_of(list(numbers))
    if state == "frozen":
        server.freeze()
    elif state == "gone":
        server.kill()
    cells.tell("set")
    for name, number in numbers.items():
        cells.signal(name, number)
    cells.wait_for_their_ends()
    server.kill()
    found = left(_what_became, cells)
    wrong = {
        name: (became, cells.read(name, "output"))
        for name, became in found.items()
        if not _is_right(name, numbers[name], state, **became)
    }
    assert not wrong, json.dumps(wrong, indent=1, default=repr)


async def _what_became(db: Database, cells: Cells) -> dict[str, dict[str, Any]]:
    became: dict[str, dict[str, Any]] = {}
    for name in cells.names:
        became[name] = {"code": cells.ended(name)}
        if cells.read(name, "reached"):
            run_id = cells.run_id(name)
            done = await task_runs.list(db, run_id, state_types=["COMPLETED"])
            is_kept = "first" in {each.task_name for each in done} or kept_of(run_id) >= 1
            state = (await flow_runs.read(db, run_id)).state_type
            became[name] |= {"run_state": state, "first_is_kept": is_kept}
    return became


def _is_right(
    name: str,
    number: signal.Signals,
    server: str,
    code: int,
    run_state: str | None = None,
    first_is_kept: bool = True,
) -> bool:
    phase = name.partition("-")[0]
    by_signal = code in (128 + number, -number)
    if phase == "starting":  # the signal comes before, in or after the start: it ends, whatever it was at
        return by_signal or server == "gone"
    if not (by_signal and first_is_kept):
        return False
    if server != "up":
        return run_state == ("PAUSED" if phase == "paused" else "RUNNING")
    if phase == "settling":
        return run_state == "COMPLETED"
    return run_state == ("CANCELLED" if number == signal.SIGINT else "CRASHED")


@pytest.mark.parametrize("away", ["frozen", "gone"])
def test_a_run_whose_server_is_gone_parks_and_is_resumed_from_what_it_kept(
    server: Server,
    cells_of: Callable[[list[str]], Cells],
    run_script: Callable[..., Any],
    left: Any,
    away: str,
) -> None:
    server.start(HELIOSTAT_LEASE_S="3")
    cells = cells_of(["running-A", "waiting-A", "paused-A"])
    server.freeze() if away == "frozen" else server.kill()
    cells.tell("set")
    cells.wait_for_their_ends()
    assert {cells.ended(name) for name in cells.names} == {75}
    for name in cells.names:
        output = cells.read(name, "output") or ""
        assert "has not answered for" in output and "heliostat flow-run resume" in output, output
        assert "Traceback" not in output, output
    server.kill()
    run_id = cells.run_id("running-A")
    assert left(flow_runs.read, run_id).state_type == "RUNNING"
    assert kept_of(run_id) >= 1  # of the second call nobody could tell the server
    cells.tell("running-A.go")
    environment = {"HELIOSTAT_TASK_RUNNER": "threads", "CELL": "running-A"}
    if away == "gone":  # resumed at the server, which is back; else in its database
        server.start()
        environment["HELIOSTAT_API_URL"] = server.url
    resumed = run_script("flow-run", "resume", str(run_id), **environment)
    assert resumed.ended(PATIENCE_S) == 0, resumed.output
    assert left(flow_runs.read, run_id).state_type == "COMPLETED"
    assert (cells.read("running-A", "effects") or "").split() == ["first", "second"]
    assert kept_of(run_id) == 0
    if away == "gone":  # the process that a paused run waited in is gone: who resumes it goes on with it
        paused = str(cells.run_id("paused-A"))
        again = run_script("flow-run", "resume", paused, **(environment | {"CELL": "paused-A"}))
        assert again.ended(PATIENCE_S) == 0, again.output
        assert left(flow_runs.read, cells.run_id("paused-A")).state_type == "COMPLETED"
