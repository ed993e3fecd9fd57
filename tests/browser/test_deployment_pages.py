"""Deployments, their schedules, runs with changes, and the calendar of what is going to start."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest_asyncio
from axe_checks import AXE, findings_in_both_themes

from heliostat.runtime.projects.code_packages import pack

if TYPE_CHECKING:
    from playwright.async_api import Page

FLOW = """
from enum import Enum
from heliostat import flow, task

class Mode(str, Enum):
    full = "full"
    repair = "repair"

@task
def load(region: str, number: int) -> int:
    return number

@flow
def orders(region: str = "eu", rows: int = 2, mode: Mode = Mode.full) -> int:
    print(f"{mode.value} of {region}")
    return sum(load.map(region, range(rows)).result())
"""

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "enum": ["eu", "us"], "default": "eu"},
        "most": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "rates": {"type": "object", "additionalProperties": {"type": "number"}, "default": {"USD": 0.94}},
        "skip": {"type": "array", "items": {"type": "string"}, "default": ["test"]},
        "token": {"type": "string", "format": "password", "default": "s3cret"},
    },
}


class Deployments:
    """Deployments as a client of the standard API makes them."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def make(self, name: str = "daily", **fields: Any) -> str:
        flow = await self.post("/flows/", {"name": "orders-etl"})
        body = {"flow_id": flow["id"], "name": name, "parameter_openapi_schema": SCHEMA, **fields}
        return (await self.post("/deployments/", body))["id"]

    async def read(self, id: str) -> dict[str, Any]:
        return (await self.api.get(f"/deployments/{id}")).json()

    async def runs(self, id: str) -> list[dict[str, Any]]:
        return await self.post("/flow_runs/filter", {"deployments": {"id": {"any_": [id]}}})

    async def past(self, id: str, *states: str) -> None:
        for state in states:
            run = await self.post(f"/deployments/{id}/create_flow_run", {})
            for each in ("PENDING", "RUNNING", state):
                body = {"state": {"type": each}, "force": True}
                await self.post(f"/flow_runs/{run['id']}/set_state", body)


@pytest_asyncio.fixture(loop_scope="session")
async def deployments(served: Any) -> AsyncIterator[Deployments]:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as api:
        yield Deployments(api)


def daily(**fields: Any) -> dict[str, Any]:
    return {"schedule": {"cron": "30 6 * * *", "timezone": "Europe/Berlin"}, **fields}


async def test_a_run_with_changed_parameters_is_watched_until_it_ends(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    (live.home / "orders_flow.py").write_text(FLOW)
    live.heliostat("deploy", "orders_flow.py:orders", "--name", "by-hand", "--pool", "default")
    await page.goto("/deployments")
    await page.get_by_role("link", name="by-hand").click()
    await page.get_by_role("link", name="with changes…").click()
    await expect(page.get_by_text("All values fit")).to_be_visible()
    await page.get_by_label("region").fill("us")
    await page.get_by_label("rows").fill("3")
    await page.get_by_role("group", name="mode").get_by_role("button", name="repair").click()
    await expect(page.get_by_text("3 values differ from the deployment")).to_be_visible()
    await expect(page.get_by_label("The same as a command")).to_contain_text("--param rows=3")
    await expect(page.get_by_role("button", name=re.compile("^Run"))).to_be_enabled()
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/runs/*")
    await expect(page.get_by_text("Completed").first).to_be_visible(timeout=90_000)
    run = page.url.rsplit("/", 1)[1].partition("?")[0]
    async with httpx.AsyncClient(base_url=live.url) as api:
        made = (await api.get(f"/flow_runs/{run}")).json()
    assert made["parameters"] == {"region": "us", "rows": 3, "mode": "repair"}


async def test_a_bad_value_is_refused_beside_its_field_and_nothing_is_made(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make()
    await page.goto(f"/deployments/{id}/run")
    await expect(page.get_by_text("All values fit")).to_be_visible()
    await page.get_by_label("most").fill("2,400")
    field = page.locator("[data-field=most]")
    await expect(field.get_by_role("alert")).to_have_text("'2,400' is not of type 'integer'")
    await page.get_by_label("rates").fill('{"USD": "dear"}')
    await expect(page.locator("[data-field=rates]")).to_contain_text("'dear' is not of type 'number'")
    run = page.get_by_role("button", name=re.compile("^Run"))
    await expect(run).to_be_disabled()
    await page.keyboard.press("Control+Enter")
    assert await deployments.runs(id) == []
    await page.get_by_text("2 fields to mend").get_by_role("button", name="most").click()
    await expect(page.get_by_label("most")).to_be_focused()
    await page.get_by_role("button", name="Back to none").click()
    await page.get_by_role("button", name="All back to defaults").click()
    await expect(run).to_be_enabled()


async def test_a_run_is_put_together_as_text_and_keeps_its_secrets_dotted(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make()
    await page.goto(f"/deployments/{id}/run")
    await expect(page.get_by_label("token")).to_have_attribute("type", "password")
    await page.get_by_label("skip").fill("legacy")
    await page.get_by_label("skip").press("Enter")
    await page.get_by_role("button", name="YAML").click()
    editor = page.get_by_role("textbox", name="Parameters")
    await expect(editor).to_contain_text("- legacy")
    await editor.press("Control+A")
    await page.keyboard.insert_text("region: us\nskip: [")
    await expect(page.locator("#page").get_by_role("alert")).to_be_visible()
    await editor.press("Control+A")
    await page.keyboard.insert_text("region: us")
    await page.get_by_role("button", name="Form").click()
    await expect(page.get_by_role("button", name="us", exact=True)).to_have_attribute("aria-pressed", "true")


async def test_a_range_of_dates_becomes_a_run_for_each(deployments: Deployments, page: Page) -> None:
    from playwright.async_api import expect

    schema = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}}
    id = await deployments.make(parameter_openapi_schema=schema)
    await page.goto(f"/deployments/{id}/run")
    await page.get_by_role("button", name="Backfill").click()
    await page.get_by_label("From").fill("2026-03-01T00:00")
    await page.get_by_label("To, included").fill("2026-03-03T00:00")
    await page.get_by_role("button", name="Make 3 runs").click()
    await expect(page.get_by_text("3 runs made")).to_be_visible()
    days = sorted(each["parameters"]["day"] for each in await deployments.runs(id))
    assert days == ["2026-03-01", "2026-03-02", "2026-03-03"]


async def test_a_schedule_is_made_with_a_preview_and_a_wrong_one_is_told(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make()
    await page.goto(f"/deployments/{id}")
    await page.get_by_role("button", name="Add").click()
    panel = page.get_by_role("complementary", name="Schedules")
    await panel.get_by_label("Time zone").fill("Europe/Berlin")
    await panel.get_by_label("minute").fill("61")
    await expect(panel.get_by_role("alert")).to_contain_text("61")
    await expect(panel.get_by_role("button", name="Save")).to_be_disabled()
    await panel.get_by_label("minute").fill("15")
    await panel.get_by_label("hour").fill("2")
    await expect(panel.get_by_role("status")).to_contain_text("At 02:15")
    await expect(panel.get_by_text("clock goes forward")).to_be_visible()
    await expect(panel.get_by_text("Adds 7 runs a week")).to_be_visible()
    await panel.get_by_role("button", name="Save").click()
    await expect(panel.get_by_role("switch")).to_be_checked()
    [schedule] = (await deployments.read(id))["schedules"]
    assert schedule["schedule"] == {"cron": "15 2 * * *", "timezone": "Europe/Berlin", "day_or": True}


async def test_a_paused_schedule_leaves_the_calendar_and_comes_back(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make(schedules=[daily()])
    await page.goto(f"/deployments/{id}")
    switch = page.get_by_role("complementary", name="Schedules").get_by_role("switch")
    await expect(page.get_by_role("button", name="Skip").first).to_be_visible()
    await switch.click()
    await expect(page.get_by_text("Nothing is planned")).to_be_visible()
    await page.get_by_role("navigation").first.get_by_role("link", name="Upcoming").click()
    await expect(page.get_by_text("none in 7 days").or_(page.get_by_text("0 runs in 7 days"))).to_be_visible()
    beside = page.get_by_role("complementary", name="Next, clashes and paused")
    await beside.get_by_role("button", name="Resume").click()
    # Today counts until half past six in Berlin.
    await expect(page.get_by_text(re.compile("^[67] runs in 7 days"))).to_be_visible()
    await expect(
        page.get_by_role("link", name=re.compile("orders-etl . daily, 0[5-7]:30"))
    ).not_to_have_count(0)


async def test_a_date_is_skipped_by_a_key_taken_back_and_moved(deployments: Deployments, page: Page) -> None:
    from playwright.async_api import expect

    id = await deployments.make(schedules=[daily()])
    await page.goto("/upcoming")
    block = page.get_by_role("link", name=re.compile("^orders-etl . daily, ")).last
    await block.focus()
    await page.keyboard.press("Delete")
    await expect(page.get_by_role("link", name=re.compile("skipped"))).to_have_count(1)
    [run] = await deployments.runs(id)
    assert (run["state_type"], run["state_name"]) == ("CANCELLED", "Skipped")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name=re.compile("skipped"))).to_have_count(0)
    await page.get_by_role("link", name=re.compile("^orders-etl . daily, ")).last.focus()
    await page.keyboard.press("m")
    later = datetime.now(UTC) + timedelta(days=2)
    await page.get_by_role("textbox", name="Runs at").fill(later.strftime("%Y-%m-%dT23:05:00"))
    await page.get_by_role("button", name="Move it").click()
    await expect(page.get_by_role("link", name=re.compile("23:05.*moved"))).to_be_visible()


async def test_a_date_is_dragged_to_another_hour(deployments: Deployments, page: Page) -> None:
    from playwright.async_api import expect

    id = await deployments.make(schedules=[daily()])
    await page.goto("/upcoming")
    block = page.get_by_role("link", name=re.compile("^orders-etl . daily, ")).nth(3)
    box = await block.bounding_box()
    assert box is not None
    x, y = box["x"] + 20, box["y"] + 6
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x, y + 40, steps=4)
    await page.mouse.move(x, y + 4 * 29, steps=4)
    await page.mouse.up()
    await expect(page.get_by_role("link", name=re.compile("moved"))).to_have_count(1)
    [run] = await deployments.runs(id)
    due = datetime.fromisoformat(run["next_scheduled_start_time"])
    assert run["state_type"] == "SCHEDULED"
    assert due.minute % 5 == 0 and due.hour not in (4, 5)
    assert "/upcoming" in page.url


async def test_a_deployment_is_edited_duplicated_and_deleted_after_asking(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make(schedules=[daily()], tags=["prod"], concurrency_limit=2)
    await page.goto(f"/deployments/{id}/edit")
    await page.get_by_label("Description").fill("Loads **orders**.")
    await page.get_by_role("group", name="region").get_by_role("button", name="us").click()
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(f"**/deployments/{id}")
    changed = await deployments.read(id)
    assert (changed["description"], changed["parameters"]) == ("Loads **orders**.", {"region": "us"})

    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Duplicate…").click()
    await page.get_by_label("Name of the new one").fill("daily")
    await page.get_by_role("button", name="Make daily").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("already")
    await page.get_by_label("Name of the new one").fill("nightly")
    await page.get_by_role("button", name="Make nightly").click()
    await expect(page.get_by_role("heading", name="nightly", level=1)).to_be_visible()
    copied = await deployments.read(page.url.rsplit("/", 1)[1])
    assert (copied["tags"], copied["global_concurrency_limit"]["limit"]) == (["prod"], 2)
    assert [each["active"] for each in copied["schedules"]] == [False]

    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 schedule of it")
    await expect(dialog).to_contain_text("past runs, their logs and results stay")
    await dialog.get_by_role("button", name="Keep it").click()
    assert (await deployments.read(copied["id"]))["name"] == "nightly"
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Delete…").click()
    await dialog.get_by_role("button", name="Delete nightly").click()
    await page.wait_for_url("**/deployments")
    await expect(page.get_by_role("link", name="daily")).to_be_visible()
    await expect(page.get_by_role("link", name="nightly")).to_have_count(0)


async def test_a_deployment_is_paused_in_the_list_and_that_can_be_taken_back(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    id = await deployments.make(schedules=[daily()])
    await page.goto("/deployments?q=daily")
    switch = page.get_by_role("switch", name="Schedules of daily")
    await expect(switch).to_be_checked()
    await switch.click()
    await expect(switch).not_to_be_checked()
    assert (await deployments.read(id))["paused"]
    await page.get_by_role("button", name="Undo").click()
    await expect(switch).to_be_checked()


async def test_these_pages_are_made_for_everybody_in_both_themes(
    deployments: Deployments, page: Page
) -> None:
    from playwright.async_api import expect

    if not AXE.exists():
        import pytest

        pytest.skip("axe-core is not installed: npm ci in api/ui")
    await deployments.post("/work_pools/", {"name": "yard", "type": "process"})
    id = await deployments.make(
        schedules=[daily(), {"schedule": {"interval": 300}}],
        work_pool_name="yard",
        tags=["prod"],
        description="Text.",
    )
    await deployments.past(id, "COMPLETED", "FAILED", "CRASHED")
    flow = (await deployments.read(id))["flow_id"]
    for path, text in (
        ("/deployments", "daily"),
        (f"/deployments/{id}", "Latest runs"),
        (f"/deployments/{id}?tab=configuration", "Entrypoint"),
        (f"/deployments/{id}/edit", "Where it runs"),
        (f"/deployments/{id}/run", "All values fit"),
        ("/flows", "orders-etl"),
        (f"/flows/{flow}", "Last 3 runs"),
        (f"/flows/{flow}?tab=deployments", "Schedules"),
        ("/upcoming", "Clashes"),
        ("/upcoming?view=list", "Clashes"),
        ("/upcoming?view=month", "Clashes"),
    ):
        await page.goto(path)
        await expect(page.locator("#page").get_by_text(text).first).to_be_visible()
        assert await findings_in_both_themes(page) == [], path


async def test_the_versions_that_ran_and_the_source_of_each_are_shown(
    deployments: Deployments, page: Page, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    packed = []
    for number in (1, 2):
        project = tmp_path / str(number)
        (project / "jobs").mkdir(parents=True)
        (project / "jobs" / "etl.py").write_text(f"# this is edition {number}\n{FLOW}")
        (project / "readme.txt").write_text("<b>words</b> of the author")
        packed.append(pack(project))
    id = await deployments.make(version="1", entrypoint="jobs/etl.py:orders")
    for number, package in enumerate(packed, 1):
        path = f"/heliostat/code-packages/{package.revision}"
        assert (await deployments.api.put(path, content=package.content)).is_success
        steps = [{"heliostat.code_package": {"revision": package.revision}}]
        body = {"version": str(number), "pull_steps": steps}
        assert (await deployments.api.patch(f"/deployments/{id}", json=body)).is_success
        await deployments.past(id, "COMPLETED", "FAILED")
    await page.goto(f"/deployments/{id}?tab=code")
    rows = page.get_by_role("table", name="Versions that ran").get_by_role("row")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("deployed now")
    await expect(rows.nth(2)).to_contain_text("1, 50 %")
    source = page.get_by_role("region", name="Source")
    await expect(source.get_by_text("# this is edition 2")).to_be_visible()
    await rows.nth(2).get_by_role("button").click()
    await expect(source.get_by_text("# this is edition 1")).to_be_visible()
    await source.get_by_role("button", name="readme.txt").click()
    await expect(source.get_by_text("<b>words</b> of the author")).to_be_visible()
    address = page.url
    await page.goto("/flows")
    await page.goto(address)
    await expect(source.get_by_text("<b>words</b> of the author")).to_be_visible()
    if AXE.exists():
        assert await findings_in_both_themes(page) == []
