"""Strangers at the doors of real processes: pages of other sites, and other users of the machine.

The story: a page that somebody visited could make and start a deployment with shell commands on that person's
server, and another user of the machine could read the home folder and have a resume unpickle a file. None of
them gets in now; who belongs there still does, with and without a password.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from waiting import wait_for
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

EVIL = "https://evil.example"
PASSWORD = "ann:s3cret"
STOCK = "HELIOSTAT_TEST_STOCK_PYTHON"
STRANGER = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")


@dataclass
class Server:
    """A running server, asked as a browser or a program would."""

    port: int
    home: Path
    output: Path
    password: str | None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        known: bool = True,
    ) -> tuple[int, bytes]:
        """`known`: as somebody who knows the password, if there is one."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if known and self.password:
            sent["Authorization"] = f"Basic {base64.b64encode(self.password.encode()).decode()}"
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def environment(self, home: Path) -> dict[str, str]:
        """Of a process of the same person's that is told where the server is."""
        told = {"HELIOSTAT_API_URL": f"{self.origin}/api", "PREFECT_API_URL": f"{self.origin}/api"}
        told |= {"HELIOSTAT_HOME": str(home), "PREFECT_HOME": str(home / "stock"), "COLUMNS": "200"}
        if self.password:
            told |= {"HELIOSTAT_API_AUTH_STRING": self.password, "PREFECT_API_AUTH_STRING": self.password}
        return {**os.environ, **told}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that other users reach."""
    folder = Path(tempfile.mkdtemp(prefix="heliostat-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=[None, PASSWORD], ids=["without a password", "with a password"])
def server(request: pytest.FixtureRequest, place: Path) -> Iterator[Server]:
    """A server over a home folder that was open to everybody before."""
    home = place / f"home-{'closed' if request.param else 'open'}"
    (home / "servers").mkdir(parents=True)
    (home / "results").mkdir()
    for name in ("heliostat.db", "profiles.toml"):
        (home / name).touch(0o644)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["server", "start", "--no-services", "--port", str(port)]
    python = os.environ.get(STOCK)
    if python:
        words += [
            "--stock-ui",
            str(next(Path(python).parent.parent.glob("lib/python3*/site-packages/prefect"))),
        ]
    environment = {**os.environ, "HELIOSTAT_HOME": str(home), "RAY_AUTH_MODE": "disabled"}
    if request.param:
        environment["HELIOSTAT_SERVER_AUTH_STRING"] = request.param
    output = place / f"{home.name}.txt"
    with output.open("wb") as file:
        command = [sys.executable, "-m", "heliostat", *words]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    wait_for(output.read_text, lambda text: " is up (process " in text or process.poll() is not None)
    assert process.poll() is None, output.read_text()
    yield Server(port, home, output, request.param)
    process.terminate()
    assert process.wait(30) == 0


def as_stranger(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of another user of this machine."""
    become = "import os, pickle, struct, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    command = [sys.executable, "-c", become + script, *words]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)


def test_a_foreign_page_gets_nothing_done(server: Server) -> None:
    """Even one that knows the password: the browser would send what the person typed."""
    made = json.dumps({"name": "theirs"}).encode()
    flows_before = json.loads(server.ask("POST", "/api/flows/count", {})[1])  # of other tests of the server
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    private = {**preflight, "Access-Control-Request-Private-Network": "true"}
    assert server.ask("OPTIONS", "/api/flows/", headers={"Origin": EVIL, **preflight})[0] == 403
    assert server.ask("OPTIONS", "/api/flows/", headers={"Origin": server.origin, **private})[0] == 403
    for headers in (
        {"Origin": EVIL},
        {"Origin": EVIL, "Content-Type": "text/plain"},
        {"Origin": "null", "Content-Type": "application/x-www-form-urlencoded"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
        {"Host": f"evil.example:{server.port}"},
        {"Host": f"evil.example:{server.port}", "Origin": f"http://evil.example:{server.port}"},
    ):
        status, told = server.ask("POST", "/api/flows/", made, headers)
        assert status == 403 and b"HELIOSTAT_SERVER_" in told, headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert server.ask("POST", "/api/flows/", made, {"Content-Type": kind})[0] == 415
        assert server.ask("POST", "/api/admin/database/clear", made, {"Content-Type": kind})[0] == 415
    for origin, names in ((Origin(EVIL), {}), (None, {"Host": "evil.example"})):
        with pytest.raises(InvalidStatus):
            url = f"ws://127.0.0.1:{server.port}/api/events/in"
            connect(url, subprotocols=[Subprotocol("prefect")], origin=origin, additional_headers=names)
    assert json.loads(server.ask("POST", "/api/flows/count", {})[1]) == flows_before
    if server.password:
        assert server.ask("POST", "/api/flows/", made, known=False)[0] == 401


def test_who_belongs_there_is_served(server: Server, tmp_path: Path) -> None:
    """Our own pages, the command line, the SDK, and the stock client where it is installed."""
    page = {"Origin": server.origin, "Sec-Fetch-Site": "same-origin"}
    assert server.ask("POST", "/api/flows/filter", {}, page)[0] == 200
    assert server.ask("GET", "/api/health", known=False)[0] == 200
    (tmp_path / "script.py").write_text(
        "from heliostat import flow, task, ThreadTaskRunner\n"
        "@task\ndef one(x): return x + 1\n"
        "@flow(task_runner=ThreadTaskRunner())\ndef ours(): return one.map([1, 2]).result()\n"
        "if __name__ == '__main__': print(ours())\n"
    )
    environment = server.environment(tmp_path / "home")

    def told_by(*words: str) -> str:
        pipe = subprocess.PIPE
        ran = subprocess.run(words, env=environment, stdout=pipe, stderr=pipe, timeout=120, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr.decode()
        return ran.stdout.decode()

    assert "[2, 3]" in told_by(sys.executable, "script.py")
    assert "ours" in told_by(sys.executable, "-m", "heliostat", "flow", "ls")
    python = os.environ.get(STOCK)
    if python is None:
        return
    for path in ("/", "/v2/", "/flows", "/ui-settings"):
        assert server.ask("GET", path, headers={"Sec-Fetch-Site": "none"}, known=False)[0] in (200, 307)
    script = "from prefect import flow\n@flow\ndef stock(): return 1\nprint(stock())"
    assert "1\n" in told_by(python, "-c", script)
    assert "stock" in told_by(str(Path(python).with_name("prefect")), "flow", "ls")


@as_root
def test_another_user_of_the_machine_reads_nothing(server: Server) -> None:
    assert "could read the home folder" in server.output.read_text()
    for path in (server.home, *server.home.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    for script in (
        "print(os.listdir(sys.argv[1]))",
        "print(open(sys.argv[1] + '/heliostat.db', 'rb').read(9))",
        "open(sys.argv[1] + '/profiles.toml', 'a')",
    ):
        tried = as_stranger(script, str(server.home))
        assert tried.returncode != 0 and "PermissionError" in tried.stderr


RUNS = """
import os
from heliostat import ThreadTaskRunner, flow, task

@task
def once(x):
    return x

@flow(task_runner=ThreadTaskRunner())
def survey():
    kept = once(1)
    if not os.path.exists("again"):
        os._exit(9)
    return kept

if __name__ == "__main__":
    survey()
"""
PLANTS = """
class Runs:
    def __reduce__(self):
        return os.mkdir, (sys.argv[3],)
folder, run = sys.argv[1:3]
own = folder + "/theirs"
os.makedirs(own + "/spool")
blob = pickle.dumps(Runs())
entry = struct.pack("<IIQ", 0, len(blob), 0) + blob
with open(own + "/spool/" + run + ".pack", "wb") as file:
    file.write(struct.pack("<Ii16s", 24 + len(entry), -1, bytes(16)) + entry)
os.symlink(own, folder + "/heliostat-0")
"""


@as_root
def test_a_resume_runs_nothing_that_another_user_left(
    place: Path, tmp_path: Path, run_script: Callable[..., Any], heliostat_home: Path
) -> None:
    """The link is there before us, and the file in it bears the name of the run."""
    temporary = place / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    (tmp_path / "flows.py").write_text(RUNS)
    script = run_script("flows.py", TMPDIR=str(temporary))
    assert script.ended() == 9, script.output
    listed = run_script("flow-run", "ls", "--output", "json")
    assert listed.ended() == 0
    [run] = json.loads(listed.output)
    marker = temporary / "marker"
    planted = as_stranger(PLANTS, str(temporary), UUID(run["id"]).hex, str(marker))
    assert planted.returncode == 0, planted.stderr
    (tmp_path / "again").touch()
    resumed = run_script("flow-run", "resume", run["id"], TMPDIR=str(temporary))
    assert resumed.ended() == 0, resumed.output
    assert not marker.exists()
    assert (temporary / "theirs").stat().st_uid == STRANGER
    assert [path.name for path in (temporary / "theirs" / "spool").iterdir()] == [
        f"{UUID(run['id']).hex}.pack"
    ]
