"""How fast routes answer with many runs: p95 of the requests of the pages, and writes per second.

    python benchmarks/api.py --task-runs 1000000 --logs 5000000

Postgres only: the database itself makes the rows, of runs over the last seven days.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from load import pour
from measuring import arguments, fresh_home
from sqlalchemy import text

_TASKS_A_RUN = 1_000
_DAYS = 7

# Ids as the engine makes them: 48 bits of the run's time, then bits that make them unique.
_RUN_ID = """CAST(lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || '7' ||
  substr(md5('r' || i), 1, 3) || '8' || substr(md5('r' || i), 4, 15) AS uuid)"""
_FILL = (
    """INSERT INTO flow (id, name, tags, labels, created, updated)
       SELECT CAST(md5('f' || f) AS uuid), 'flow-' || f, '[]', '{}', now(), now()
       FROM generate_series(0, 9) f""",
    f"""CREATE TEMP TABLE made AS SELECT i, at, {_RUN_ID} AS id FROM (
          SELECT i, now() - make_interval(secs => (:runs - i) * {_DAYS} * 86400.0 / :runs) AS at
          FROM generate_series(1, :runs) i) t""",
    """INSERT INTO flow_run (id, flow_id, name, created, updated, version, state_id, state_type, state_name,
         state_timestamp, run_count, total_run_time, expected_start_time, start_time, end_time, parameters,
         context, tags, labels, empirical_policy, auto_scheduled)
       SELECT id, CAST(md5('f' || i % 10) AS uuid), 'run-' || i, at, at, 1, CAST(md5('s' || i) AS uuid),
         CASE WHEN i % 9 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
         CASE WHEN i % 9 = 0 THEN 'Failed' ELSE 'Completed' END, at + interval '60 s', 1, 60, at, at,
         at + interval '60 s', '{}', '{}', '["nightly"]', '{}', '{}', false
       FROM made""",
    """INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, details)
       SELECT CAST(md5('s' || i) AS uuid), id, 'COMPLETED', 'Completed', at, '{}' FROM made""",
    """INSERT INTO task_run (id, flow_run_id, expected_start_time, start_time, end_time, epoch, seq,
         run_count, task_key, dynamic_key, task_name, state_type, state_name)
       SELECT CAST(substr(replace(CAST(id AS text), '-', ''), 1, 16) || '8' ||
           substr(md5(i || 't' || k), 1, 15) AS uuid),
         id, at + k * interval '50 ms', at + k * interval '50 ms', at + k * interval '50 ms' + interval '1 s',
         1, k + 1, 1, 'clean-1a2b3c4d', CAST(k AS text), 'clean',
         CASE WHEN k % 50 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
         CASE WHEN k % 50 = 0 THEN 'Failed' ELSE 'Completed' END
       FROM made, generate_series(0, :tasks - 1) k ORDER BY i, k""",
    """INSERT INTO log (flow_run_id, timestamp, level, name, message)
       SELECT id, at + k * interval '10 ms', 20, 'heliostat.flow', 'line ' || k || ' of a log like many'
       FROM made, generate_series(0, :lines - 1) k ORDER BY i, k""",
    "ANALYZE",
)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.set_defaults(database="postgres")
    parser.add_argument("--task-runs", type=int, default=1_000_000)
    parser.add_argument("--logs", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=40, help="how often each route is asked")
    parser.add_argument("--writes", type=int, default=3_000, help="runs that are made and set to a state")
    words = parser.parse_args()
    with fresh_home("postgres") as url:
        figures = asyncio.run(_measured(url, words))
    if words.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:62} {value:>10.1f}")


async def _measured(url: str, words: Any) -> dict[str, float]:
    run_ids = await _filled(url, words)
    began = os.getloadavg()[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "heliostat", "server", "start", "--port", port, "--no-services"]
    server = subprocess.Popen([*command, "--api-workers", "2"], stdout=subprocess.DEVNULL)
    try:
        limits = httpx.Limits(max_connections=32)
        base = f"http://127.0.0.1:{port}/api"
        async with httpx.AsyncClient(base_url=base, timeout=60, limits=limits) as client:
            await _until_ready(client)
            figures: dict[str, float] = {}
            for name, ask in _routes(run_ids).items():
                took = await _times_ms(client, ask, words.rounds)
                figures[f"p95 ms {name}"] = statistics.quantiles(took, n=20, method="inclusive")[-1]
                figures[f"median ms {name}"] = statistics.median(took)
            loads = {"load before": began, "load after": os.getloadavg()[0]}
            return {**figures, **await _writes_per_s(client, int(port), words.writes), **loads}
    finally:
        server.terminate()
        server.wait()


async def _filled(url: str, words: Any) -> list[UUID]:
    from heliostat.runtime.store.database.database import Database

    runs = max(words.task_runs // _TASKS_A_RUN, 1)
    facts = {"runs": runs, "tasks": _TASKS_A_RUN, "lines": words.logs // runs}
    db = await Database.open(url)
    try:
        async with db.write() as connection:
            for statement in _FILL:
                names = {name: value for name, value in facts.items() if f":{name}" in statement}
                await connection.execute(text(statement), names)
        async with db.engine.connect() as connection:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM ANALYZE"))
            rows = await connection.execute(text("SELECT id FROM flow_run ORDER BY id DESC LIMIT 200"))
            return [row[0] for row in rows]
    finally:
        await db.close()


def _routes(run_ids: list[UUID]) -> dict[str, tuple[str, Any]]:
    """The requests of the pages, each as path and body (None: GET)."""
    now = datetime.now(UTC)
    day, week = (now - timedelta(days=1)).isoformat(), (now - timedelta(days=_DAYS)).isoformat()
    today = {"flow_runs": {"start_time": {"after_": day}}}
    tasks_today = {"task_runs": {"start_time": {"after_": day}}}
    span = {"history_start": day, "history_end": now.isoformat(), "history_interval_seconds": 3600}
    run, ids = str(run_ids[0]), [str(each) for each in run_ids]
    of_run = {"flow_runs": {"id": {"any_": [run]}}}
    newest = {"sort": "START_TIME_DESC", "limit": 50}
    return {
        "dashboard: flow_runs/filter": ("/flow_runs/filter", {**today, **newest}),
        "dashboard: flow_runs/count": ("/flow_runs/count", today),
        "dashboard: flow_runs/lateness": ("/flow_runs/lateness", today),
        "dashboard: flow_runs/history": ("/flow_runs/history", {**today, **span}),
        "dashboard: ui/flow_runs/count-task-runs (20)": (
            "/ui/flow_runs/count-task-runs",
            {"flow_run_ids": ids[:20]},
        ),
        "dashboard: task_runs/count": ("/task_runs/count", tasks_today),
        "dashboard: task_runs/history": ("/task_runs/history", {**tasks_today, **span}),
        "dashboard: ui/task_runs/dashboard/counts": ("/ui/task_runs/dashboard/counts", tasks_today),
        "dashboard: ui/task_runs/count": ("/ui/task_runs/count", tasks_today),
        "runs: flow_runs/paginate": (
            "/flow_runs/paginate",
            {"flow_runs": {"start_time": {"after_": week}}, **newest},
        ),
        "runs: ui/flow_runs/history": ("/ui/flow_runs/history", {"limit": 1_000}),
        "runs: task_runs/paginate": (
            "/task_runs/paginate",
            {**tasks_today, "sort": "EXPECTED_START_TIME_DESC", "limit": 50},
        ),
        "runs: task_runs/paginate, all there are": (
            "/task_runs/paginate",
            {"sort": "EXPECTED_START_TIME_DESC", "limit": 50},
        ),
        "runs: task_runs/filter, all there are": (
            "/task_runs/filter",
            {"sort": "EXPECTED_START_TIME_DESC", "limit": 50},
        ),
        "runs: flow_runs/count": ("/flow_runs/count", {"flow_runs": {"start_time": {"after_": week}}}),
        "run: flow_runs/ID": (f"/flow_runs/{run}", None),
        "run: flow_runs/count, sub-flow runs": (
            "/flow_runs/count",
            {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}},
        ),
        "run: artifacts/filter": ("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}}),
        "run: graph-v2 (1,000 tasks)": (f"/flow_runs/{run}/graph-v2", None),
        "run: logs/filter": ("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}),
        "run: logs/filter, far": (
            "/logs/filter",
            {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200, "offset": 4_000},
        ),
        "run: task_runs/paginate": (
            "/task_runs/paginate",
            {**of_run, "sort": "EXPECTED_START_TIME_DESC", "limit": 50},
        ),
        "run: task_runs/count": ("/task_runs/count", of_run),
        "flows: flows/paginate": ("/flows/paginate", {"limit": 50}),
    }


async def _times_ms(client: httpx.AsyncClient, ask: tuple[str, Any], rounds: int) -> list[float]:
    path, body = ask
    took: list[float] = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        answer = await (client.get(path) if body is None else client.post(path, json=body))
        took.append((time.perf_counter() - began) * 1e3)
        assert answer.status_code == 200, (path, answer.text)
    return took[2:]


async def _writes_per_s(client: httpx.AsyncClient, port: int, count: int) -> dict[str, float]:
    """Runs made, and states proposed, per second by 32 clients at once."""
    flow = (await client.post("/flows/", json={"name": "written"})).json()["id"]
    new = {"flow_id": flow, "state": {"type": "PENDING"}}
    await pour(port, [("/api/flow_runs/", new)] * 100)  # warm up
    made = await pour(port, [("/api/flow_runs/", new)] * count)
    runs = [json.loads(answer)["id"] for answer in made.answers]
    running = {"state": {"type": "RUNNING"}}
    moved = await pour(port, [(f"/api/flow_runs/{run}/set_state", running) for run in runs])
    accepted = [json.loads(answer)["status"] for answer in moved.answers].count("ACCEPT")
    counted = {"flow_runs": {"id": {"any_": runs[:200]}, "state": {"type": {"any_": ["RUNNING"]}}}}
    recorded = (await client.post("/flow_runs/count", json=counted)).json()
    assert (accepted, recorded) == (count, min(count, 200)), "not every request was accepted and recorded"
    return {"per s POST /flow_runs/": made.per_s, "per s POST /flow_runs/ID/set_state": moved.per_s}


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            if (await client.get("/ready")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not answer within a minute")


if __name__ == "__main__":
    main()
