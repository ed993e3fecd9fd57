"""Runs on Ray, watched as they go on."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

WRITING = """
import time
from pathlib import Path
from heliostat import flow, get_run_logger, task

@task
def part(number: int) -> int:
    get_run_logger().info("part %s is there", number)
    return number

@flow(flow_run_name="watched-as-it-writes", log_prints=True)
def writing() -> int:
    total = sum(part.map(range(3)).result())
    print("the first words")
    while not Path("go-on").exists():
        time.sleep(0.05)
    print("the last words")
    return total
"""


CANCELLED = """
import time
from pathlib import Path
from heliostat import flow, task

@task
def item(number: int) -> int:
    while number >= 900 and not Path("end-all").exists():
        time.sleep(0.05)
    return number

@flow(flow_run_name="with-a-thousand-tasks")
def thousand() -> int:
    return sum(item.map(range(1000)).result())
"""
# Both flows bear the same name: the pages tell their runs apart by who recorded them, not by what they are.
STOCK = """
from prefect import flow, task

@task
def add(number):
    return number + 1

@flow(name="both-kinds", flow_run_name="by-the-stock-client", log_prints=True)
def both(count=3):
    print("written by the stock client")
    return sum(each.result() for each in add.map(range(count)))

both()
"""
NATIVE = """
from heliostat import flow, task

@task
def add(number: int) -> int:
    return number + 1

@flow(name="both-kinds", flow_run_name="by-the-native-engine", log_prints=True)
def both(count: int = 3) -> int:
    print("written by the native engine")
    return sum(add.map(range(count)).result())
"""
# What the graph says of itself, each time that it says something else.
HEARD = """() => { window.heard = []; const hear = () => {
  const said = document.querySelector('#graph-said')?.textContent;
  if (said && said !== window.heard.at(-1)) window.heard.push(said);
  requestAnimationFrame(hear); }; hear(); }"""


async def test_logs_come_as_they_are_written(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    (live.home / "writing.py").write_text(WRITING)
    with live.going("flow", "run", "writing.py:writing") as process:
        await page.goto("/runs")
        row = page.get_by_text("watched-as-it-writes").first
        await expect(row).to_be_visible(timeout=60_000)
        await row.click()
        log = page.get_by_role("log")
        await expect(log.get_by_text("the first words")).to_be_visible(timeout=60_000)
        await expect(log.get_by_text("part 2 is there")).to_be_visible()
        await expect(page.locator("header.title .st")).to_have_text("Running")
        await expect(log.get_by_text("the last words")).to_have_count(0)
        (live.home / "go-on").touch()
        await expect(log.get_by_text("the last words")).to_be_visible()
        await expect(page.locator("header.title .st")).to_have_text("Completed")
        await page.get_by_role("link", name="Results and artifacts").click()
        await expect(page.get_by_text("int, ")).to_be_visible()
        await page.get_by_role("link", name="Tasks", exact=False).first.click()
        await page.get_by_role("table", name="Task runs").get_by_text("part-1").click()
        await expect(page.get_by_text("part 1 is there")).to_be_visible()
        assert process.wait(60) == 0


async def test_the_demo_is_seen_growing(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    await page.goto("/runs?q=flow:survey+state:running")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.evaluate(HEARD)
    with live.going("demo", "--no-progress", "--files", "1500") as process:
        await page.get_by_role("table").locator(".vt-row").first.click(timeout=60_000)
        await expect(page.locator("#graph-said")).to_contain_text("task run", timeout=60_000)
        await expect(page.locator("header.title .st")).to_have_text("Completed", timeout=90_000)
        assert await asyncio.to_thread(process.wait, 60) == 0
    heard = [int(re.sub(r"\D", "", each.partition(" ")[0])) for each in await page.evaluate("window.heard")]
    assert len(heard) > 2 and heard == sorted(heard), heard
    async with httpx.AsyncClient(base_url=live.url) as api:
        run = page.url.rsplit("/", 1)[1].partition("?")[0]
        graph = (await api.get(f"/heliostat/flow_runs/{run}/graph")).json()
    assert heard[-1] == len(graph["columns"]["group"]) > 1_500


async def test_a_run_with_a_thousand_tasks_is_cancelled_by_a_click(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    (live.home / "thousand.py").write_text(CANCELLED)
    with live.going("flow", "run", "thousand.py:thousand") as process:
        await page.goto("/runs?q=flow:thousand+state:running")
        await page.get_by_role("table").get_by_text("with-a-thousand-tasks").click(timeout=60_000)
        # The last ones hold all workers, so that most have ended, and the others wait for a worker.
        await expect(page.get_by_text(re.compile(r"^[89]\d\d of \d+ tasks"))).to_be_visible(timeout=180_000)
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_text("with-a-thousand-tasks is being cancelled")).to_be_visible()
        await expect(page.locator("header.title .st")).to_have_text("Cancelled", timeout=60_000)
        assert await asyncio.to_thread(process.wait, 60) != 0
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        await expect(page.get_by_text("1,000 tasks", exact=True)).to_be_visible()
        await expect(page.get_by_role("img", name="100 cancelled, 900 completed").first).to_be_visible()
        # Nothing of it goes on: what has not ended was cancelled with the run.
        await page.get_by_role("link", name="Tasks", exact=False).first.click()
        await expect(page.get_by_role("table", name="Task runs").get_by_text("Running")).to_have_count(0)


async def test_a_run_of_the_stock_client_stands_beside_a_native_one(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    python = os.environ.get("HELIOSTAT_TEST_STOCK_PYTHON")
    if not python:
        pytest.skip("HELIOSTAT_TEST_STOCK_PYTHON names no environment with the stock client")
    (live.home / "native.py").write_text(NATIVE)
    live.heliostat("flow", "run", "native.py:both")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELIOSTAT_", "PYTHON"))
    }
    done = subprocess.run(
        [python, "-c", STOCK],
        env={**kept, "PREFECT_API_URL": live.url, "PREFECT_HOME": str(live.home / "stock")},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    await page.goto("/runs?q=flow:both-kinds")
    rows = page.get_by_role("table").locator(".vt-row")
    await expect(rows).to_have_count(2)
    for kind in ("by-the-stock-client", "by-the-native-engine"):
        row = rows.filter(has_text=kind)
        await expect(row).to_contain_text("Completed")
        await row.get_by_text(kind).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(kind)
        words = f"written by the {kind.removeprefix('by-the-').replace('-', ' ')}"
        await expect(page.get_by_role("log").get_by_text(words)).to_be_visible()
        await expect(page.get_by_text("3 tasks", exact=True)).to_be_visible()
        await expect(page.locator("#graph-said")).to_contain_text("3 task runs in 1 group")
        await page.go_back()
