"""The graph of a run with 10,000 task runs: unfolded, searched, saved as a picture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest_asyncio

from heliostat.runtime.foundation.ids import task_run_base, task_run_id
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.tables import flow_run, task_run

if TYPE_CHECKING:
    from playwright.async_api import Page

ITEMS, FAILED = 5_000, 4_321
BROKEN = "KeyError: 'currency'"


@pytest_asyncio.fixture(loop_scope="session")
async def large(served: Any, sqlite_url: str) -> str:
    """A run of two maps over the same items, one of which failed; its rows go straight into the store."""
    async with httpx.AsyncClient(base_url=served.url) as api:
        flow = (await api.post("/flows/", json={"name": "orders-etl"})).json()["id"]
        body = {"flow_id": flow, "name": "amber-kestrel", "state": {"type": "RUNNING"}}
        run = UUID((await api.post("/flow_runs/", json=body)).json()["id"])
    began = datetime.now(UTC) - timedelta(seconds=120)
    rows, above = [], None
    for place, task in enumerate(("fetch", "check")):
        base = task_run_base(run, "", f"{task}-1a2b3c4d")
        for item in range(ITEMS):
            at = began + timedelta(seconds=place * 5 + item / 100)
            is_bad = task == "check" and item == FAILED
            rows.append(
                {
                    "id": task_run_id(base, item),
                    "flow_run_id": run,
                    "expected_start_time": at,
                    "start_time": at,
                    "end_time": at + timedelta(milliseconds=400),
                    "epoch": 1,
                    "seq": len(rows) + 1,
                    "run_count": 1,
                    "task_key": f"{task}-1a2b3c4d",
                    "dynamic_key": str(item),
                    "task_name": task,
                    "state_type": "FAILED" if is_bad else "COMPLETED",
                    "state_name": "Failed" if is_bad else "Completed",
                    "node": f"cpu-{item % 4}",
                    "message": BROKEN if is_bad else None,
                    "task_inputs": above
                    and {"x": [{"input_type": "task_run", "id": str(task_run_id(above, item))}]},
                }
            )
        above = base
    db = await Database.open(sqlite_url)
    try:
        async with db.write() as connection:
            for first in range(0, len(rows), 1_000):
                await connection.execute(task_run.insert(), rows[first : first + 1_000])
            await connection.execute(flow_run.update().where(flow_run.c.id == run).values(start_time=began))
    finally:
        await db.close()
    return str(run)


async def test_one_failed_item_of_ten_thousand_is_found_in_its_unfolded_group(page: Page, large: str) -> None:
    from playwright.async_api import expect

    await page.goto(f"/runs/{large}")
    said = page.locator("#graph-said")
    await expect(said).to_have_text("10,000 task runs in 2 groups")
    tools = page.get_by_role("toolbar", name="The graph")
    await tools.get_by_label("Find task runs").fill("failed")
    await expect(tools.get_by_text("1", exact=True)).to_be_visible()
    await tools.get_by_label("Find task runs").press("Enter")
    inspector = page.get_by_role("complementary", name="What is selected")
    await expect(inspector).to_contain_text(BROKEN)
    await inspector.get_by_role("button", name="Unfold").click()
    await expect(inspector.get_by_role("button", name="Fold", exact=True)).to_be_visible()
    for view in ("Dependency", "Radar", "Timeline"):
        await tools.get_by_role("button", name=view).click()
        await expect(page.get_by_role("img", name=re.compile(f"^{view} of the run", re.I))).to_be_visible()
        await expect(said).to_contain_text(f"check[{FAILED}], Failed")
    # What is chosen, unfolded and zoomed stands in the address: whoever opens it sees the same.
    await tools.get_by_role("button", name="Zoom in").click()
    await expect(page).to_have_url(re.compile("look="))
    address = page.url
    await page.goto("/runs")
    await page.goto(address)
    await expect(said).to_contain_text(f"check[{FAILED}], Failed")
    await expect(inspector.get_by_role("button", name="Fold", exact=True)).to_be_visible()
    await expect(tools.get_by_label("Find task runs")).to_have_value("failed")
    await tools.get_by_role("button", name="Fit").click()
    await expect(page).not_to_have_url(re.compile("look="))
    await inspector.get_by_role("button", name="Open task run").click()
    await page.wait_for_url("**/task-runs/*")
    await expect(page.get_by_text(BROKEN).first).to_be_visible()


async def test_the_graph_is_saved_as_a_picture_and_fills_the_screen(
    page: Page, large: str, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    await page.goto(f"/runs/{large}")
    await expect(page.locator("#graph-said")).to_contain_text("10,000 task runs")
    tools = page.get_by_role("toolbar", name="The graph")
    for view in ("Timeline", "Dependency", "Radar"):
        await tools.get_by_role("button", name=view).click()
        await expect(page.get_by_role("img", name=re.compile(f"^{view} of the run", re.I))).to_be_visible()
        for kind, begins in (("PNG", b"\x89PNG"), ("SVG", b"<svg ")):
            await tools.get_by_role("button", name="Save the picture").click()
            async with page.expect_download() as saving:
                await page.get_by_role("menuitem", name=kind).click()
            saved = await saving.value
            assert saved.suggested_filename == f"amber-kestrel.{kind.lower()}"
            await saved.save_as(tmp_path / saved.suggested_filename)
            content = (tmp_path / saved.suggested_filename).read_bytes()
            assert content.startswith(begins) and len(content) > 5_000, content[:200]
        assert b"fetch" in content and b"check" in content
    canvas = page.locator(".graph canvas")
    before = await canvas.bounding_box()
    await tools.get_by_role("button", name="Full screen").click()
    await page.wait_for_function("document.fullscreenElement?.classList.contains('graph-box')")
    await page.wait_for_function(
        "height => document.querySelector('.graph canvas').clientHeight > height",
        arg=before["height"] if before else 0,
    )
    await tools.get_by_role("button", name="Full screen").click()
    await page.wait_for_function("document.fullscreenElement === null")
