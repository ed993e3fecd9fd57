"""The time from the API call to the first line of the flow, and how many ad hoc runs end per second.

A whole server (API process, keeper, local Ray) is started on a fresh database. Latency: calls of
`create_flow_run` one after the other on a warm pool; the flow's first line notes the time. Throughput: many
runs at once, until the database shows all of them as COMPLETED, for each isolation in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from load import pour
from measuring import arguments, fresh_home, machine, report

FLOW = """
import time
from heliostat import flow

@flow
def note():
    with open({notes!r}, "a") as file:
        file.write(f"{{time.time()}}\\n")
"""
_TOGETHER = 16  # calls of the API under way at a time
_LIMIT_S = 300.0


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--starts", type=int, default=200, help="runs started one after the other")
    parser.add_argument("--runs", type=int, default=400, help="runs of each isolation for the throughput")
    parser.add_argument("--port", type=int, default=0)
    words = parser.parse_args()
    with fresh_home(words.database) as url:
        folder = Path(os.environ["HELIOSTAT_HOME"])
        port = words.port or free_port()
        with (folder / "server.log").open("wb") as log:
            command = [sys.executable, "-m", "heliostat", "server", "start", "--port", str(port)]
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            figures = asyncio.run(_measure(url, port, folder, words.starts, words.runs))
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
        report({**machine(), "database": words.database, **figures}, words.json)


async def _measure(url: str, port: int, folder: Path, starts: int, runs: int) -> dict[str, Any]:
    from heliostat.runtime.store.database.database import Database

    notes = folder / "notes"
    project = folder / "project"
    project.mkdir()
    (project / "flows.py").write_text(FLOW.format(notes=str(notes)))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=60.0) as api:
        await _until_ray_is_up(port)
        db = await Database.open(url)
        try:
            ids = {kind: await _deploy(db, project, kind) for kind in ("pooled", "shared")}
            for deployment_id in ids.values():  # one run of each warms the pool up
                await _finished(db, [await _start(api, deployment_id)])
            latencies = await _latencies(api, db, ids["pooled"], notes, starts)
            figures: dict[str, Any] = {
                "api_call_to_first_line": {
                    "p50_ms": statistics.median(latencies),
                    "p99_ms": sorted(latencies)[int(len(latencies) * 0.99)],
                    "runs": len(latencies),
                }
            }
            for kind, deployment_id in ids.items():
                figures[f"{kind}_runs_per_s"] = await _throughput(port, db, deployment_id, runs)
            return figures
        finally:
            await db.close()


async def _latencies(api: Any, db: Any, deployment_id: Any, notes: Path, count: int) -> list[float]:
    taken: list[float] = []
    for _ in range(count):
        began = time.time()
        run_id = await _start(api, deployment_id)
        await _finished(db, [run_id])
        noted = float(notes.read_text().split()[-1])
        taken.append((noted - began) * 1000)
    return taken


async def _throughput(port: int, db: Any, deployment_id: Any, count: int) -> float:
    began = time.perf_counter()
    asked = [(f"/api/deployments/{deployment_id}/create_flow_run", {})] * count
    made = await pour(port, asked, _TOGETHER)
    await _finished(db, [json.loads(answer)["id"] for answer in made.answers])
    return count / (time.perf_counter() - began)


async def _start(api: Any, deployment_id: Any) -> str:
    answer = await api.post(f"/deployments/{deployment_id}/create_flow_run", json={})
    answer.raise_for_status()
    return answer.json()["id"]


async def _finished(db: Any, run_ids: list[str]) -> None:
    """Wait until the database shows these runs as COMPLETED."""
    from sqlalchemy import func, select

    from heliostat.runtime.store.database.tables import flow_run

    last = run_ids[-1] if len(run_ids) == 1 else None
    everything = select(func.count()).where(flow_run.c.state_type != "COMPLETED")
    statement = everything if last is None else everything.where(flow_run.c.id == UUID(last))
    until = time.monotonic() + _LIMIT_S
    while True:
        async with db.read() as connection:
            if not await connection.scalar(statement):
                return
        if time.monotonic() > until:
            raise TimeoutError("not all runs have completed")
        await asyncio.sleep(0.005 if last is not None else 0.05)


async def _deploy(db: Any, project: Path, isolation: str) -> Any:
    from heliostat.runtime.store import deployments, flows, work_pools
    from heliostat.runtime.store.deployment_rows import NewDeployment

    flow = await flows.get_or_create(db, "note")
    new = NewDeployment(
        flow.id,
        isolation,
        entrypoint="flows.py:note",
        path=str(project),
        work_pool_name=work_pools.DEFAULT_POOL,
        job_variables={"isolation": isolation},
        parameter_openapi_schema={"type": "object", "properties": {}},
    )
    row, _ = await deployments.upsert(db, new)
    return row.id


async def _until_ray_is_up(port: int) -> None:
    from heliostat.actors import keeper_state

    until = time.monotonic() + _LIMIT_S
    while time.monotonic() < until:
        state = keeper_state.read(str(port))
        if state is not None and state.is_up and len(state.supervisors) >= 2:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("Ray did not come up")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
