"""Runs on Ray, watched as they go on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

FLOW = """
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


async def test_logs_come_as_they_are_written(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    (live.home / "writing.py").write_text(FLOW)
    command = [sys.executable, "-m", "heliostat", "flow", "run", "writing.py:writing"]
    with (live.home / "writing.txt").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=live.home,
            env=live.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
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
    finally:
        (live.home / "go-on").touch()
        process.kill()
        process.wait()
