"""What it costs a server to tell changes, beside polling: 20 watchers of a run while its 10,000 tasks run.

    python benchmarks/live.py --watchers 20 --tasks 10000

One API process serves the watchers; another process records the tasks in the database, as a journal does,
at a steady pace. Printed are the server's processor time without watchers, with streams and with polling,
and how long a change takes until all watchers have heard of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

_FLOWS = 20  # short runs that begin and end beside the long one


async def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--watchers", type=int, default=20)
    words.add_argument("--tasks", type=int, default=10_000)
    words.add_argument("--seconds", type=float, default=20.0)
    words.add_argument("--poll-every", type=float, default=1.0)
    asked = words.parse_args()
    url = os.environ.get("HELIOSTAT_DATABASE_URL")
    found: dict[str, dict[str, float]] = {}
    for way in ("nobody", "streams", "polling"):
        with tempfile.TemporaryDirectory() as home:
            found[way] = await _measured(way, url or f"sqlite:///{home}/live.db", asked)
        print(json.dumps({"way": way} | {name: round(value, 3) for name, value in found[way].items()}))
    own = {way: found[way]["cpu_share"] - found["nobody"]["cpu_share"] for way in ("streams", "polling")}
    print(json.dumps({f"{way}_cost_of_a_core": round(value, 3) for way, value in own.items()}))
    print(json.dumps({"polling_over_streams": round(own["polling"] / max(own["streams"], 0.001), 1)}))


async def _measured(way: str, url: str, asked: argparse.Namespace) -> dict[str, float]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    code = (
        "import uvicorn; from heliostat.api.app import create_app; "
        f"uvicorn.run(create_app({url!r}), port={port}, log_level='critical', timeout_graceful_shutdown=1)"
    )
    server = subprocess.Popen([sys.executable, "-c", code])
    api = f"http://127.0.0.1:{port}/api"
    limits = httpx.Limits(max_connections=200)
    try:
        async with httpx.AsyncClient(base_url=api, timeout=30, limits=limits) as client:
            await _up(client)
            flow = (await client.post("/flows/", json={"name": "long"})).json()["id"]
            new = {"flow_id": flow, "state": {"type": "RUNNING"}}
            run = (await client.post("/flow_runs/", json=new)).json()["id"]
            seen: dict[str, list[float]] = {}
            watching = [
                asyncio.create_task(
                    _stream(api, run, seen) if way == "streams" else _poll(client, run, asked.poll_every)
                )
                for _ in range(0 if way == "nobody" else asked.watchers)
            ]
            await asyncio.sleep(1)
            before, begun = _cpu_s(server.pid), time.monotonic()
            writer = await asyncio.create_subprocess_exec(
                sys.executable, __file__, "--write", url, run, flow, str(asked.tasks), str(asked.seconds),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await writer.communicate()
            took = time.monotonic() - begun
            share = (_cpu_s(server.pid) - before) / took
            await asyncio.sleep(1)
            for each in watching:
                each.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    finally:
        server.terminate()
        server.wait(20)
    result = {"cpu_share": share, "took_s": took}
    if way == "streams":
        at: dict[str, float] = json.loads(out)
        late = sorted(heard - at[each] for each in at for heard in seen.get(each, []))
        result |= {
            "changes_heard": float(len(late)),
            "changes_expected": float(len(at) * asked.watchers),
            "late_p50_s": statistics.median(late),
            "late_p95_s": late[int(len(late) * 0.95)],
        }
    return result


async def _stream(api: str, run: str, seen: dict[str, list[float]]) -> None:
    topics = ["flow_runs", "setup", f"flow_run:{run}", f"task_runs:{run}", f"logs:{run}"]
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("GET", f"{api}/heliostat/live", params={"topic": topics}) as answer,
    ):
        event, known = "", set[str]()
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "flow_runs":
                for row in json.loads(value)["runs"]:
                    if row["state_type"] == "COMPLETED" and row["id"] not in known:
                        known.add(row["id"])
                        seen.setdefault(row["id"], []).append(time.time())


async def _poll(client: httpx.AsyncClient, run: str, every_s: float) -> None:
    of_run = {"flow_runs": {"id": {"any_": [run]}}}
    while True:
        await client.post("/flow_runs/filter", json={"limit": 200, "sort": "START_TIME_DESC"})
        await client.get(f"/flow_runs/{run}")
        await client.post("/ui/task_runs/count", json=of_run)
        logs = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_DESC", "limit": 200}
        await client.post("/logs/filter", json=logs)
        await asyncio.sleep(every_s)


async def _up(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            if (await client.get("/ready")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit("the server did not start")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _write(url: str, run: str, flow: str, tasks: int, seconds: float) -> None:
    """Record tasks and log lines in groups of 50, and short flow runs; print when each of these ended."""
    from uuid import UUID

    from sqlalchemy import insert, update

    from heliostat.runtime.foundation.ids import uuid7
    from heliostat.runtime.records import LogLine
    from heliostat.runtime.states import Completed, Running
    from heliostat.runtime.store import flow_run_changes, logs
    from heliostat.runtime.store.database.database import Database
    from heliostat.runtime.store.database.rows import NewFlowRun
    from heliostat.runtime.store.database.tables import run_lease, task_run

    db, run_id, ended = await Database.open(url), UUID(run), dict[str, float]()
    async with db.write() as connection:
        lease: dict[str, Any] = {"run_id": run_id, "epoch": 1, "until": time.time() + 600, "last_seq": 0}
        await connection.execute(insert(run_lease).values(**lease))
    groups, begun = tasks // 50, time.monotonic()
    for group in range(groups):
        await asyncio.sleep(max(begun + seconds * group / groups - time.monotonic(), 0))
        now = time.time()
        rows = [
            {
                "id": uuid7(), "flow_run_id": run_id, "expected_start_time": now, "start_time": now,
                "end_time": now, "epoch": 1, "seq": group * 50 + each, "run_count": 1, "task_key": "clean",
                "dynamic_key": str(group * 50 + each), "task_name": "clean", "state_type": "COMPLETED",
                "state_name": "Completed",
            }
            for each in range(50)
        ]  # fmt: skip
        async with db.write() as connection:
            await connection.execute(insert(task_run), rows)
            last = update(run_lease).where(run_lease.c.run_id == run_id).values(last_seq=group * 50 + 50)
            await connection.execute(last)
        await logs.create(db, [(run_id, LogLine(now, 20, "flow", f"line {each}")) for each in range(50)])
        if group % max(groups // _FLOWS, 1) == 0:
            new = NewFlowRun(uuid7(), "long", f"short-{group}", [])
            short, _ = await flow_run_changes.create(db, UUID(flow), new, Running())
            await flow_run_changes.propose(db, short.run.id, Completed())
            ended[str(short.run.id)] = time.time()
    await db.close()
    print(json.dumps(ended))


if __name__ == "__main__":
    if "--write" in sys.argv:
        _, _, database, long_run, of_flow, count, within = sys.argv
        asyncio.run(_write(database, long_run, of_flow, int(count), float(within)))
    else:
        asyncio.run(main())
