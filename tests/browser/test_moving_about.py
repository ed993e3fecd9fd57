"""First steps, keys, the palette, and pages that stay true while things change or the server is away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest_asyncio

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page


@pytest_asyncio.fixture(loop_scope="session")
async def api(served: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as api:
        yield api


async def made_run(api: httpx.AsyncClient, name: str) -> str:
    flow = (await api.post("/flows/", json={"name": "orders-etl"})).json()
    body = {"flow_id": flow["id"], "name": name, "state": {"type": "PENDING"}}
    return (await api.post("/flow_runs/", json=body)).json()["id"]


async def propose(api: httpx.AsyncClient, run: str, state: str) -> None:
    answer = await api.post(f"/flow_runs/{run}/set_state", json={"state": {"type": state}, "force": True})
    assert answer.json()["status"] == "ACCEPT"


async def test_an_empty_server_tells_the_first_steps_and_its_address_is_copied(
    page: Page, context: BrowserContext, served: Any
) -> None:
    from playwright.async_api import expect

    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto("/")
    steps = page.get_by_role("region", name="First steps")
    await expect(steps.get_by_role("heading", name="Run a flow")).to_be_visible()
    await steps.get_by_role("button", name="Copy: heliostat config set").click()
    await expect(page.get_by_text("Command copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == f"heliostat config set api_url={served.url}"


async def test_keys_lead_to_pages_and_the_palette_opens_a_run_by_its_name(
    page: Page, api: httpx.AsyncClient
) -> None:
    from playwright.async_api import expect

    run = await made_run(api, "amber-kestrel")
    await page.goto("/")
    await expect(page.locator("#page h1")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("r")
    await page.wait_for_url("**/runs")
    html = page.locator("html")
    before = await html.get_attribute("data-theme")
    await page.keyboard.press("t")
    await expect(html).not_to_have_attribute("data-theme", before or "")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Search or run a command")).to_be_focused()
    await page.keyboard.type("kestrel")
    await expect(page.get_by_role("option", name="amber-kestrel")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/runs/{run}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("amber-kestrel")


async def test_the_tab_key_goes_through_a_page_in_reading_order(page: Page, api: httpx.AsyncClient) -> None:
    from playwright.async_api import expect

    await made_run(api, "amber-kestrel")
    await page.goto("/runs")
    await expect(page.get_by_text("amber-kestrel").first).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.querySelector('#page').contains(document.activeElement)")
    table = page.get_by_role("table", name=re.compile("runs", re.IGNORECASE))
    await table.focus()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("amber-kestrel")


async def test_a_change_is_seen_on_the_list_without_a_reload(page: Page, api: httpx.AsyncClient) -> None:
    from playwright.async_api import expect

    run = await made_run(api, "amber-kestrel")
    await page.goto("/runs")
    row = page.get_by_role("row").filter(has_text="amber-kestrel")
    await expect(row.get_by_text("Pending")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.evaluate("window.wasHere = true")
    await propose(api, run, "RUNNING")
    await expect(row.get_by_text("Running")).to_be_visible()
    await made_run(api, "brisk-heron")
    await expect(page.get_by_role("row").filter(has_text="brisk-heron")).to_be_visible()
    await propose(api, run, "COMPLETED")
    await expect(row.get_by_text("Completed")).to_be_visible()
    assert await page.evaluate("window.wasHere") is True


async def test_a_lost_connection_is_told_and_heals_by_itself(
    page: Page, served: Any, api: httpx.AsyncClient, watch: Any
) -> None:
    from playwright.async_api import expect

    run = await made_run(api, "amber-kestrel")
    await page.goto("/runs")
    row = page.get_by_role("row").filter(has_text="amber-kestrel")
    await expect(row.get_by_text("Pending")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    served.stop()
    await expect(page.get_by_text("Reconnecting")).to_be_visible()
    await expect(page.get_by_text("Connection lost")).to_be_visible()
    await expect(row).to_be_visible()
    served.start()
    await propose(api, run, "RUNNING")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(row.get_by_text("Running")).to_be_visible()
    await expect(page.get_by_text("Connection lost")).to_have_count(0)


async def test_an_open_page_loads_itself_anew_when_the_server_was_updated(page: Page, watch: Any) -> None:
    """The files of a page bear other names after an update: an open page asked for old ones and broke."""
    from playwright.async_api import expect

    watch.mean(404)
    gone: list[str] = []

    async def answer(route: Any) -> None:
        if gone:
            await route.continue_()
        else:
            gone.append(route.request.url)
            await route.fulfill(status=404, body="")

    await page.route("**/assets/VariablesPage-*.js", answer)
    await page.goto("/runs")
    await page.evaluate("window.wasHere = true")
    await page.get_by_role("navigation").first.get_by_role("link", name="Variables").click()
    await expect(page.get_by_text("No variables yet")).to_be_visible()
    assert len(gone) == 1 and await page.evaluate("window.wasHere") is None
    # The page that went away may have told which file it missed.
    watch.errors[:] = [each for each in watch.errors if "dynamically imported module" not in each]
