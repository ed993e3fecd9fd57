"""Many active schedules: how late their runs are claimed, and how much CPU the scheduler's process takes.

    python benchmarks/schedules.py --schedules 10000 --database postgres --json

The scheduler runs in a process of its own, as in `heliostat server start`; another process claims due runs,
as a work pool does. Lateness is the time from the run's scheduled start to its claim.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import measuring
import psutil

_SCHEDULES_EACH = 10  # of one deployment
_CLAIM_EVERY_S = 0.02
_SERVICE = [sys.executable, "-m", "heliostat.api.server.services_process", "--services", "scheduler"]


def main() -> None:
    parser = measuring.arguments(__doc__ or "")
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--interval-s", type=float, default=1800.0, help="between two runs of a schedule")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    options = parser.parse_args()
    with measuring.fresh_home(options.database) as url:
        figures = asyncio.run(measure(url, options.schedules, options.interval_s, options.seconds))
    facts = {"database": options.database, "schedules": options.schedules, "interval_s": options.interval_s}
    measuring.report(facts | figures, options.json)


async def measure(url: str, schedules: int, interval_s: float, seconds: float) -> dict[str, Any]:
    from heliostat.runtime.store.database.database import Database

    db = await Database.open(url)
    pool_id = await set_up(db, schedules, interval_s)
    alive = subprocess.PIPE
    started = time.perf_counter()
    process = subprocess.Popen([*_SERVICE, "--alive-fd", "0"], stdin=alive)
    try:
        await until_made(db, schedules)
        first_fill_s = time.perf_counter() - started
        scheduler = psutil.Process(process.pid)
        before, begun = scheduler.cpu_times(), time.perf_counter()
        lateness = await claim_for(db, pool_id, seconds)
        wall_s = time.perf_counter() - begun
        after = scheduler.cpu_times()
    finally:
        process.terminate()
        process.wait()
        await db.close()
    lateness.sort()
    busy_s = (after.user + after.system) - (before.user + before.system)
    return {
        "first runs of all made within (s)": round(first_fill_s, 1),
        "runs claimed": len(lateness),
        "lateness p50 (ms)": round(1e3 * lateness[len(lateness) // 2], 1),
        "lateness p99 (ms)": round(1e3 * lateness[len(lateness) * 99 // 100], 1),
        "scheduler's share of a core (%)": round(100 * busy_s / wall_s, 1),
    }


async def set_up(db: Any, schedules: int, interval_s: float) -> Any:
    """Make deployments whose schedules are spread over the interval; returns the id of their pool."""
    from heliostat.runtime.store import deployments, flows, work_pools
    from heliostat.runtime.store.deployment_rows import NewDeployment, NewWorkPool, ScheduleSpec

    pool = await work_pools.create(db, NewWorkPool("bench", "process"))
    flow = await flows.get_or_create(db, "bench")
    anchor = datetime.now(UTC) - timedelta(days=1)
    numbers = range(schedules)
    for first in range(0, schedules, _SCHEDULES_EACH):
        specs = [
            ScheduleSpec(
                {
                    "interval": interval_s,
                    "anchor_date": (anchor + timedelta(seconds=interval_s * n / schedules)).isoformat(),
                    "timezone": "UTC",
                },
                slug=f"s{n}",
            )
            for n in numbers[first : first + _SCHEDULES_EACH]
        ]
        new = NewDeployment(flow.id, f"d{first}", work_pool_name="bench", schedules=specs)
        await deployments.upsert(db, new)
    return pool.id


async def until_made(db: Any, schedules: int) -> None:
    """Wait until no schedule is overdue for a look by the scheduler."""
    from heliostat.runtime.store import flow_runs, slot_runs

    while not await flow_runs.list(db, limit=1) or (await slot_runs.next_look(db) or 0.0) < -0.5:
        await asyncio.sleep(0.2)


async def claim_for(db: Any, pool_id: Any, seconds: float) -> list[float]:
    """Claim due runs for a while; returns by how many seconds each was late."""
    from heliostat.runtime.records import Owner
    from heliostat.runtime.store import scheduled_runs

    owner = Owner(uuid4(), "bench", 1, 1.0)
    lateness: list[float] = []
    from_now_on = datetime.now(UTC)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for run in await scheduled_runs.claim(db, pool_id, 500, owner, 3600.0):
            if run.due_at >= from_now_on:  # earlier runs waited for the measurement to begin
                lateness.append((datetime.now(UTC) - run.due_at).total_seconds())
        await asyncio.sleep(_CLAIM_EVERY_S)
    return lateness


if __name__ == "__main__":
    main()
