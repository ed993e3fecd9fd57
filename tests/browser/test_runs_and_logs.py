"""The lists of runs and the search of log lines, on the API without Ray."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from axe_checks import AXE, findings_in_both_themes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Page

NATIVE = """
from heliostat import flow, task

@task
def load(n):
    if n == 2:
        raise KeyError("currency")
    return n

@flow(name="native-etl")
def etl():
    print("connected to the broker")
    for n in (1, 3, 2):
        load(n)

etl()
"""


class Api(httpx.Client):
    """Records runs as a remote client does."""

    def run(
        self, name: str, state: str = "RUNNING", flow: str = "orders-etl", **fields: Any
    ) -> dict[str, Any]:
        flow_id = self.post("/flows/", json={"name": flow}).json()["id"]
        body = {"flow_id": flow_id, "name": name, "state": {"type": "PENDING"}, **fields}
        run = self.post("/flow_runs/", json=body).json()
        for each in ("RUNNING", *([state] if state != "RUNNING" else [])):
            message = "ConnectionError: broker refused" if each == "FAILED" else None
            wanted = {"state": {"type": each, "message": message}, "force": True}
            self.post(f"/flow_runs/{run['id']}/set_state", json=wanted).raise_for_status()
        return run

    def log(self, run: dict[str, Any], *lines: tuple[int, str]) -> None:
        now = datetime.now(UTC)
        body = [
            {
                "name": "flow_runs",
                "level": level,
                "message": message,
                "timestamp": (now + timedelta(milliseconds=place)).isoformat(),
                "flow_run_id": run["id"],
            }
            for place, (level, message) in enumerate(lines)
        ]
        self.post("/logs/", json=body).raise_for_status()


@pytest.fixture
def api(served: Any) -> Iterator[Api]:
    with Api(base_url=served.url) as client:
        yield client


def rows(page: Page) -> Any:
    return page.get_by_role("table").locator(".vt-row")


async def test_runs_are_found_by_the_text_of_a_query_which_is_the_address(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    api.run("eu-run", "FAILED", tags=["prod"], parameters={"region": "eu"})
    api.run("us-run", "COMPLETED", parameters={"region": "us"})
    api.run("other", "COMPLETED", flow="train")
    await page.goto("/runs")
    await expect(rows(page)).to_have_count(3)
    await page.keyboard.press("/")
    await page.keyboard.type("flow:orders-* -state:completed param.region:eu")
    await page.keyboard.press("Enter")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("ConnectionError: broker refused")
    address = page.url
    await page.get_by_label("Clear the filter").click()
    await expect(rows(page)).to_have_count(3)
    await page.goto(address)
    await expect(rows(page)).to_have_count(1)
    await page.get_by_label("Filter runs").fill("weather:fine")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("there is no such field")


async def test_counts_by_state_are_switches_and_completions_come_from_the_server(
    page: Page, api: Api
) -> None:
    from playwright.async_api import expect

    api.run("bad", "FAILED")
    api.run("good", "COMPLETED")
    await page.goto("/runs")
    await page.get_by_role("button", name="1 failed").click()
    await expect(rows(page)).to_have_count(1)
    await expect(page).to_have_url(re.compile("state"))
    await page.get_by_label("Filter runs").fill("flow:ord")
    await page.get_by_role("option", name="flow:orders-etl").click()
    await expect(page.get_by_label("Filter runs")).to_have_value("flow:orders-etl ")
    await expect(rows(page)).to_have_count(2)


async def test_all_runs_that_match_are_cancelled_in_one_go(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    runs = [api.run(f"run-{number}") for number in range(12)]
    other = api.run("another", flow="train")
    await page.goto("/runs?q=flow:orders-etl")
    await expect(rows(page)).to_have_count(12)
    await page.get_by_label("Choose row 1", exact=True).click()
    bar = page.get_by_role("toolbar", name="Chosen runs")
    await bar.get_by_role("button", name="all 12 that match").click()
    await bar.get_by_role("button", name="Cancel 12").click()
    await expect(page.get_by_text("Cancelling 12 runs").first).to_be_visible()
    await expect(rows(page).filter(has_text=re.compile("Cancel"))).to_have_count(12, timeout=30_000)
    states = {api.get(f"/flow_runs/{run['id']}").json()["state_type"] for run in runs}
    assert states <= {"CANCELLED", "CANCELLING"}
    assert api.get(f"/flow_runs/{other['id']}").json()["state_type"] == "RUNNING"


async def test_what_was_asked_of_many_runs_can_be_taken_back(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    run = api.run("kept")
    await page.goto("/runs")
    await page.get_by_label("Choose row 1", exact=True).click()
    await page.get_by_role("button", name="Cancel 1").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Taken back")).to_be_visible()
    assert api.get("/heliostat/jobs").json()[0]["status"] == "cancelled"
    assert api.get(f"/flow_runs/{run['id']}").json()["state_type"] == "RUNNING"


async def test_runs_are_removed_once_it_is_said_what_is_lost(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    api.run("lost", "FAILED")
    api.run("kept", "COMPLETED")
    await page.goto("/runs?q=state:failed")
    await page.get_by_label("Choose row 1", exact=True).click()
    await page.get_by_role("button", name="Delete…").click()
    await expect(page.get_by_role("dialog")).to_contain_text("1 run, with states, task runs")
    await page.get_by_role("button", name="Delete 1 run").click()
    await expect(page.get_by_text("No run fits this filter")).to_be_visible(timeout=30_000)
    assert [run["name"] for run in api.post("/flow_runs/filter", json={}).json()] == ["kept"]


async def test_a_view_is_saved_under_a_name_and_opened_again(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    api.run("bad", "FAILED", tags=["prod"])
    await page.goto("/runs?q=tag:prod")
    await page.get_by_role("button", name="Save this view").click()
    await page.get_by_label("Name").fill("Production")
    await page.get_by_role("button", name="Save view").click()
    await expect(page.get_by_role("button", name="Production", exact=True)).to_be_visible()
    await page.goto("/runs")
    await page.get_by_role("button", name="Production").click()
    await expect(page.get_by_label("Filter runs")).to_have_value("tag:prod")
    await expect(rows(page)).to_have_count(1)


async def test_a_native_run_stands_beside_one_of_a_remote_client(
    page: Page, api: Api, served: Any, sqlite_url: str
) -> None:
    from playwright.async_api import expect

    environment = {**os.environ, "HELIOSTAT_DATABASE_URL": sqlite_url, "HELIOSTAT_API_URL": ""}
    subprocess.run(
        [sys.executable, "-c", NATIVE], env=environment, capture_output=True, timeout=120, check=False
    )
    api.run("remote-run", "COMPLETED", flow="remote-etl")
    await page.goto("/runs")
    await expect(rows(page)).to_have_count(2)
    native = rows(page).filter(has_text="native-etl")
    await expect(native).to_contain_text("KeyError: 'currency'")
    await expect(rows(page).filter(has_text="remote-etl")).to_contain_text("Completed")
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save as CSV: Flow runs").click()
    saved = await saving.value
    assert saved.suggested_filename == "flow-runs.csv"
    kept = list(csv.DictReader((await saved.path()).open()))
    assert {each["flow_name"]: each["state_name"] for each in kept} == {
        "native-etl": "Failed",
        "remote-etl": "Completed",
    }
    await page.get_by_role("button", name=re.compile("^Task runs")).click()
    await expect(rows(page)).to_have_count(3)
    await page.goto("/logs?q=broker")
    await expect(page.get_by_role("log")).to_contain_text("connected to the broker")


async def test_new_runs_appear_by_themselves(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    api.run("first", "COMPLETED")
    await page.goto("/runs")
    await expect(rows(page)).to_have_count(1)
    api.run("second", "COMPLETED")
    await expect(rows(page)).to_have_count(2, timeout=30_000)


async def test_log_lines_of_all_runs_are_searched_and_an_opened_line_can_be_linked(
    page: Page, api: Api
) -> None:
    from playwright.async_api import expect

    one, two = api.run("one-run"), api.run("two-run", flow="train")
    api.log(one, (20, "connected in 12 ms"), (40, "connection 7 refused"), (20, "gave up"))
    api.log(two, (30, "connection 8 is slow"), (20, "step 3 of 9"))
    await page.goto("/logs")
    lines = page.get_by_role("log", name="Log lines").locator(".log-row")
    await expect(lines).to_have_count(5)
    await page.get_by_label("Search log lines").fill(r"/connection \d/")
    await page.keyboard.press("Enter")
    await expect(lines).to_have_count(2)
    await page.get_by_label("error", exact=True).check()
    await expect(lines).to_have_count(1)
    await lines.first.get_by_role("button").first.click()
    await expect(page.get_by_text("gave up")).to_be_visible()
    await page.goto(page.url)
    await expect(page.get_by_text("gave up")).to_be_visible()
    await page.get_by_role("button", name="Only this run").click()
    await expect(page).to_have_url(re.compile("run"))
    await page.get_by_role("button", name="All", exact=True).click()
    await lines.filter(has_text="connection 7").get_by_role("button").first.click()
    await page.get_by_role("button", name="Hide lines like this").click()
    await expect(lines.filter(has_text="connection 7")).to_have_count(0)
    await expect(lines).to_have_count(4)


async def test_lines_that_are_written_later_are_followed(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    run = api.run("run")
    api.log(run, (20, "the first line"))
    await page.goto("/logs?follow=on")
    await expect(page.get_by_text("the first line")).to_be_visible()
    api.log(run, (20, "a line that came later"))
    await expect(page.get_by_text("a line that came later")).to_be_visible(timeout=30_000)


async def test_what_a_run_writes_cannot_become_part_of_the_page(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    nasty = "<img src=x onerror=\"document.title='broken'\">"
    run = api.run(nasty, "FAILED", flow="plain")
    api.log(run, (40, nasty + "\x1b[31mred\x07" + "y" * 1_000_000))
    await page.goto("/logs")
    await expect(page.get_by_role("log")).to_contain_text("<img src=x")
    await page.goto("/runs")
    await expect(rows(page)).to_contain_text("<img src=x")
    await expect(page).to_have_title("Runs · Heliostat")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in api/ui")
async def test_axe_finds_nothing_serious_on_the_lists_of_runs_and_logs(page: Page, api: Api) -> None:
    from playwright.async_api import expect

    run = api.run("bad", "FAILED", tags=["prod"])
    api.log(run, (40, "connection 7 refused"), (20, "gave up"))
    await page.goto("/runs?q=state:failed")
    await page.get_by_label("Choose row 1", exact=True).click()
    await expect(page.get_by_role("toolbar", name="Chosen runs")).to_be_visible()
    found = await findings_in_both_themes(page)
    await page.goto("/logs")
    await page.get_by_role("log").get_by_role("button").first.click()
    await expect(page.get_by_role("button", name="Only this run")).to_be_visible()
    found += await findings_in_both_themes(page)
    assert "\n".join(found) == ""
