"""How long runs of deployments take to recover or end when things go wrong.

A whole server (API process, keeper, local Ray) is started on a fresh database. A supervisor is killed with
-9 in the middle of a run with many tasks. Two runs with many tasks in flight are cancelled: the tasks of one
obey, those of the other swallow every interruption. Other runs ask for more than any node has. The database
says how each run ended, the process table which workers are busy, and the tasks' notes what was executed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from measuring import arguments, fresh_home, machine, report
from run_start import free_port

FLOWS = """
import os, time
from heliostat import flow, task

def note(text):
    file = os.open({notes!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{{time.time()}} {{os.getpid()}} {{text}}\\n".encode())
    os.close(file)

@task
def rescued_work(number):
    note(number)
    time.sleep(0.01)
    return number

@flow
def rescued(count: int = 1):
    note("begins")
    return sum(rescued_work.map(range(count)).result())

@task
def cancelled_work(number, obeys):
    note(f"cancelled-{{number}}")
    until = time.monotonic() + 600
    while time.monotonic() < until:
        try:
            time.sleep(600)
        except BaseException:
            if obeys:
                raise

@flow
def cancelled(count: int = 1, obeys: bool = True):
    cancelled_work.map(range(count), obeys=obeys).result()

@task(num_cpus=1000)
def greedy_work():
    return 1

@flow
def greedy():
    return greedy_work.submit().result()
"""
_LIMIT_S = 240.0


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--tasks", type=int, default=2000, help="tasks of the run whose supervisor is killed")
    parser.add_argument("--in-flight", type=int, default=1000, help="tasks of the runs that are cancelled")
    parser.add_argument("--port", type=int, default=0)
    words = parser.parse_args()
    with fresh_home(words.database):
        folder = Path(os.environ["HELIOSTAT_HOME"])
        port = words.port or free_port()
        with (folder / "server.log").open("wb") as log:
            command = [sys.executable, "-m", "heliostat", "server", "start", "--port", str(port)]
            server = subprocess.Popen(command, stdout=log, stderr=log)
        figures: dict[str, Any] = {}
        try:
            bench = _Bench(port, folder, psutil.Process(server.pid))
            for name, measure in {
                "supervisor killed": lambda: bench.kill(words.tasks),
                "cancel, tasks obey": lambda: bench.cancel(words.in_flight, obeys=True),
                "cancel, tasks do not": lambda: bench.cancel(words.in_flight, obeys=False),
                "no node can run the flow": lambda: bench.ask_too_much("flow"),
                "no node can run a task": lambda: bench.ask_too_much("task"),
            }.items():
                figures[name] = measure()
        except TimeoutError:
            print(figures, (folder / "server.log").read_text(), file=sys.stderr)
            raise
        finally:
            began = time.monotonic()
            server.send_signal(signal.SIGINT)
            server.wait(60)
        ended = {"server_ends_in_s": time.monotonic() - began}
        report({**machine(), "database": words.database, **figures, **ended}, words.json)


class _Bench:
    """A server with a warm pool, and the requests to it."""

    def __init__(self, port: int, folder: Path, server: psutil.Process) -> None:
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=60.0)
        self._server = server
        self._notes = folder / "notes"
        project = folder / "project"
        project.mkdir()
        (project / "flows.py").write_text(FLOWS.format(notes=str(self._notes)))
        self._deployments = {
            "rescued": _deploy(project, "rescued"),
            "cancelled": _deploy(project, "cancelled"),
            "task": _deploy(project, "greedy"),
            "flow": _deploy(project, "greedy", {"num_cpus": 1000}),
        }
        self._until(self._is_up)
        run_id = self._start("rescued", count=4)  # from here on the pool is warm
        self._until(lambda: self._run(run_id)["state_type"] == "COMPLETED")

    def kill(self, tasks: int) -> dict[str, Any]:
        """Kill the supervisor of a run when a third of its tasks is recorded."""
        run_id = self._start("rescued", count=tasks)
        recorded: set[int] = set()

        def is_underway() -> bool:
            recorded.clear()
            recorded.update(_completed(run_id))
            return len(recorded) >= tasks // 3

        self._until(is_underway)
        before = self._noted()
        killed = time.time()
        os.kill(_supervisor(run_id), signal.SIGKILL)
        self._until(lambda: self._run(run_id)["state_type"] in ("COMPLETED", "FAILED", "CRASHED"))
        after = self._noted()[len(before) :]
        begins = next(at for at, _, text in after if text == "begins")
        orphans = {pid for _, pid, _ in before}  # they go on for a moment with the tasks they have
        executed = [(at, int(text)) for at, pid, text in after if pid not in orphans and text != "begins"]
        counts = self._counts(run_id)
        return {
            "body_begins_again_after_s": begins - killed,
            "next_task_executed_after_s": executed[0][0] - killed,
            "ends_as": self._run(run_id)["state_name"],
            "task_runs": ", ".join(f"{count} {state}" for state, count in counts.items()),
            "recorded_before": len(recorded),
            "of_these_executed_again": len(recorded & {number for _, number in executed}),
        }

    def cancel(self, tasks: int, obeys: bool) -> dict[str, Any]:
        """Cancel a run all of whose tasks have been sent."""
        noted = len(self._noted())
        run_id = self._start("cancelled", count=tasks, obeys=obeys)
        cpus = os.cpu_count() or 1
        self._until(lambda: len(self._noted()) - noted >= cpus)
        self._until(lambda: len(self._busy()) >= cpus)
        began = time.monotonic()
        state = {"state": {"type": "CANCELLING"}}
        self._api.post(f"/flow_runs/{run_id}/set_state", json=state).raise_for_status()
        self._until(lambda: not self._busy())
        freed = time.monotonic()
        self._until(lambda: self._run(run_id)["state_type"] in ("CANCELLED", "FAILED", "CRASHED"))
        ended = time.monotonic()
        counts = self._counts(run_id)
        return {
            "workers_free_after_s": freed - began,
            "ends_after_s": ended - began,
            "ends_as": self._run(run_id)["state_name"],
            "task_runs": ", ".join(f"{count} {state}" for state, count in counts.items()),
        }

    def ask_too_much(self, what: str) -> dict[str, Any]:
        """Ask for a thousand CPUs, for the flow's own process or for one of its tasks."""
        run_id = self._start(what)
        began = time.monotonic()

        def explained() -> bool:
            answer = self._api.get(f"/heliostat/flow_runs/{run_id}/explain").json()
            return "asks for CPU 1000" in str(answer["summary"])

        self._until(explained)
        taken = time.monotonic() - began
        message: Any = self._run(run_id)["state"]["message"]
        self._api.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "CANCELLING"}})
        return {"explained_after_s": taken, "state_message": message}

    def _is_up(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self._api.get("/health").is_success
        return False

    def _start(self, name: str, **parameters: Any) -> str:
        path = f"/deployments/{self._deployments[name]}/create_flow_run"
        answer = self._api.post(path, json={"parameters": parameters})
        answer.raise_for_status()
        return answer.json()["id"]

    def _run(self, run_id: str) -> dict[str, Any]:
        return self._api.get(f"/flow_runs/{run_id}").json()

    def _counts(self, run_id: str) -> dict[str, int]:
        from heliostat.runtime.journal.current import current_recording
        from heliostat.runtime.store import task_runs

        return current_recording().call(task_runs.count_by_state, UUID(run_id))

    def _noted(self) -> list[tuple[float, int, str]]:
        """The tasks' notes: time, process, text."""
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        return [(float(at), int(pid), text) for at, pid, text in map(str.split, lines)]

    def _busy(self) -> list[int]:
        """Workers that execute a task of a run to be cancelled, by the names of Ray's processes."""
        busy: list[int] = []
        for process in self._server.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "ray::cancelled" in " ".join(process.cmdline()):
                    busy.append(process.pid)
        return busy

    def _until(self, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + _LIMIT_S
        while not reached():
            if time.monotonic() > until:
                raise TimeoutError("the expected condition was not reached")
            time.sleep(0.02)


def _deploy(project: Path, name: str, job_variables: dict[str, Any] | None = None) -> UUID:
    from heliostat.pools.default_pool import ensure_default_pool
    from heliostat.runtime.journal.current import current_recording
    from heliostat.runtime.store import deployments, flows, work_pools
    from heliostat.runtime.store.deployment_rows import NewDeployment

    recording = current_recording()
    recording.call(ensure_default_pool)
    flow = recording.call(flows.get_or_create, name)
    new = NewDeployment(
        flow.id,
        "greedy" if job_variables else "plain",
        entrypoint=f"flows.py:{name}",
        path=str(project),
        work_pool_name=work_pools.DEFAULT_POOL,
        job_variables=job_variables or {},
        parameter_openapi_schema={"type": "object", "properties": {"count": {}, "obeys": {}}},
    )
    row, _ = recording.call(deployments.upsert, new)
    return row.id


def _completed(run_id: str) -> set[int]:
    """The tasks of a run that the database holds as completed."""
    from heliostat.runtime.journal.current import current_recording

    async def ask(db: Any) -> set[int]:
        from sqlalchemy import select

        from heliostat.runtime.store.database.tables import task_run

        of_run = (task_run.c.flow_run_id == UUID(run_id)) & (task_run.c.state_type == "COMPLETED")
        async with db.read() as connection:
            rows = await connection.execute(select(task_run.c.dynamic_key).where(of_run))
            return {int(key) for (key,) in rows}

    return current_recording().call(ask)


def _supervisor(run_id: str) -> int:
    from heliostat.runtime.journal.current import current_recording
    from heliostat.runtime.store import leases

    lease = current_recording().call(leases.read, UUID(run_id))
    assert lease is not None and lease.pid is not None
    return lease.pid


if __name__ == "__main__":
    main()
