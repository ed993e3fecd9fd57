"""How fast the pages are in a browser: the graph of a large run, from its data to frames while it is moved.

    python benchmarks/ui.py --tasks 10000 --large 100000

Needs Debian's chromium, the built pages and Python's playwright. Prints each measure with its target and how
much of it is used: below 1 is within. Another measure is a function that gives rows of `Measure`.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from measuring import arguments, fresh_home

_MOVES = 120
_FRAMES = """() => { window.frames_ = []; let last = performance.now();
  const on = (now) => {
    window.frames_.push(now - last); last = now; window.going_ = requestAnimationFrame(on); };
  window.going_ = requestAnimationFrame(on); }"""
_FIRST_PAINT = """() => new Promise((done) => { const look = () => {
  const canvas = document.querySelector('.graph canvas');
  const loaded = performance.getEntriesByType('resource').find((each) => each.name.includes('/graph'));
  if (canvas && canvas.width > 300 && loaded) {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let at = 0; at < pixels.length; at += 4) if (Math.abs(pixels[at] - pixels[at + 1]) > 60)
      return done([performance.now() - loaded.responseEnd, performance.now()]);
  }
  requestAnimationFrame(look); }; look(); })"""


class Measure(NamedTuple):
    name: str
    value: float
    target: float
    unit: str = "ms"


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=100_000)
    words = parser.parse_args()
    with fresh_home(words.database) as url:
        runs = {size: asyncio.run(_seeded(url, size)) for size in (words.tasks, words.large)}
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        code = (
            "import uvicorn; from heliostat.api.app import create_app; "
            f"uvicorn.run(create_app({url!r}), port={port}, log_level='critical')"
        )
        server = subprocess.Popen([sys.executable, "-c", code])
        found: list[Measure] = []
        try:
            for each in _measured(f"http://127.0.0.1:{port}", runs):
                found.append(each)
                if not words.json:
                    ratio = each.value / each.target
                    print(
                        f"{each.name:48} {each.value:9.1f} {each.unit} of {each.target:5.0f}  {ratio:5.2f}",
                        flush=True,
                    )
        finally:
            server.terminate()
            server.wait()
    if words.json:
        print(json.dumps([each._asdict() for each in found]))


def _measured(server: str, runs: dict[int, UUID]) -> Iterator[Measure]:
    from playwright.sync_api import sync_playwright

    _until_ready(server)
    options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox", "--disable-gpu"]}
    with sync_playwright() as play:
        browser = play.chromium.launch(**options)
        (small, run), (large, big) = runs.items()
        for view in ("timeline", "dependency", "radar"):
            yield from _graph(browser, f"{server}/runs/{run}?view={view}", f"{small:,} tasks, {view}", 20, 50)
        # How smooth a graph of this size has to be is not set: it is told beside three times the targets.
        for view in ("timeline", "dependency", "radar"):
            yield from _graph(
                browser, f"{server}/runs/{big}?view={view}", f"{large:,} tasks, {view}", 60, 150
            )
        browser.close()


def _graph(browser: Any, address: str, name: str, median: float, p95: float) -> Iterator[Measure]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".graph canvas")
    after_data, opened = page.evaluate(_FIRST_PAINT)
    yield Measure(f"{name}: paint after data", after_data, 1_000)
    yield Measure(f"{name}: open", opened, 3_000)
    box = page.locator(".graph canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.evaluate(_FRAMES)
    page.mouse.down()
    for at in range(_MOVES):
        page.mouse.move(x + 160 * math.sin(at / 9), y + 60 * math.cos(at / 7))
    page.mouse.up()
    for at in range(_MOVES):
        page.mouse.wheel(0, -60 if at % 40 < 20 else 60)
    frames = page.evaluate("() => { cancelAnimationFrame(window.going_); return window.frames_; }")[1:]
    yield Measure(f"{name}: median frame", statistics.median(frames), median)
    yield Measure(f"{name}: p95 frame", statistics.quantiles(frames, n=20)[-1], p95)
    page.close()


def _until_ready(server: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{server}/api/health").raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


async def _seeded(url: str, size: int) -> UUID:
    """A run that goes on, with a chain of four maps of `size` / 4 items, and what gathers them."""
    from heliostat.api.app import create_app
    from heliostat.runtime.store.database.database import Database
    from heliostat.runtime.store.database.tables import flow_run, task_run

    app = create_app(url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api") as client:
            flow = (await client.post("/flows/", json={"name": "orders-etl"})).json()
            body = {"flow_id": flow["id"], "state": {"type": "RUNNING"}}
            run = UUID((await client.post("/flow_runs/", json=body)).json()["id"])
    began = datetime.now(UTC) - timedelta(seconds=192)
    rows = list(_rows(run, size, began))
    db = await Database.open(url)
    try:
        async with db.write() as connection:
            for first in range(0, len(rows), 1_000):
                await connection.execute(task_run.insert(), rows[first : first + 1_000])
            await connection.execute(flow_run.update().where(flow_run.c.id == run).values(start_time=began))
    finally:
        await db.close()
    return run


def _rows(run: UUID, size: int, began: datetime) -> Iterator[dict[str, Any]]:
    from heliostat.runtime.foundation.ids import task_run_base, task_run_id

    dice, seq = random.Random(5), 0
    items = size // 4
    stages = (("fetch", 0.0, 1.0), ("parse", 20.0, 0.8), ("check_schema", 40.0, 0.3), ("load", 100.0, 1.5))
    above: int | None = None
    for task, lag, length in stages:
        key = f"{task}-1a2b3c4d"
        base = task_run_base(run, "", key)
        for item in range(items):
            seq += 1
            at = lag + item * 90 / items
            state = "COMPLETED"
            if task == "check_schema" and item % 1_187 == 1_186:
                state = "FAILED"
            elif task == "load" and item > items * 0.8:
                state = "PENDING"
            start = None if state == "PENDING" else began + timedelta(seconds=at)
            took = timedelta(seconds=length * dice.lognormvariate(0, 0.45))
            yield {
                "id": task_run_id(base, item),
                "flow_run_id": run,
                "expected_start_time": began + timedelta(seconds=at),
                "start_time": start,
                "end_time": None if start is None else start + took,
                "epoch": 1,
                "seq": seq,
                "run_count": 0 if start is None else 1,
                "task_key": key,
                "dynamic_key": str(item),
                "task_name": task,
                "state_type": state,
                "state_name": state.capitalize(),
                "node": f"cpu-{item % 4}",
                "message": "KeyError: 'currency'" if state == "FAILED" else None,
                "task_inputs": None
                if above is None
                else {"x": [{"input_type": "task_run", "id": str(task_run_id(above, item))}]},
            }
        above = base


if __name__ == "__main__":
    main()
