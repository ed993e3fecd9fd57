"""The pages of a run and of a task run: what failed, why it waits, and the clicks that cure it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from axe_checks import AXE, findings_in_both_themes

if TYPE_CHECKING:
    from playwright.async_api import Page

HOSTILE = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>"


class Runs:
    """Runs as a client of the standard API records them."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def state(self, id: str, type: str, kind: str = "flow_runs", **fields: Any) -> None:
        await self.post(f"/{kind}/{id}/set_state", {"state": {"type": type, **fields}, "force": True})

    async def now(self, id: str) -> str:
        return (await self.api.get(f"/flow_runs/{id}")).json()["state_name"]

    async def of_deployment(self, name: str = "amber-kestrel", *, paused: bool = False) -> str:
        """A run of a deployment with a work pool, which waits for a worker."""
        await self.post("/work_pools/", {"name": "yard", "type": "process"})
        if paused:
            await self.api.patch("/work_pools/yard", json={"is_paused": True})
        flow = await self.post("/flows/", {"name": "orders-etl"})
        body = {"flow_id": flow["id"], "name": "daily", "work_pool_name": "yard"}
        deployment = await self.post("/deployments/", body)
        run = await self.post(f"/deployments/{deployment['id']}/create_flow_run", {"name": name})
        return run["id"]

    async def begun(self, name: str = "amber-kestrel") -> str:
        run = await self.of_deployment(name)
        await self.state(run, "PENDING")
        await self.state(run, "RUNNING")
        return run

    async def task(self, run: str, site: str, index: int, *states: str, **fields: Any) -> str:
        message = fields.pop("message", None)
        body = {
            "flow_run_id": run,
            "task_key": f"{site}-1a2b3c4d",
            "dynamic_key": str(index),
            "name": f"{site}-{index}",
            "state": {"type": "PENDING"},
            **fields,
        }
        task = (await self.post("/task_runs/", body))["id"]
        for state in states:
            name = {"SCHEDULED": "AwaitingRetry"}.get(state)
            told = message if state in ("FAILED", "SCHEDULED") else None
            await self.state(task, state, "task_runs", name=name, message=told)
        return task

    async def log(self, run: str, *messages: str, task: str | None = None, level: int = 20) -> None:
        at = datetime.now(UTC)
        lines = [
            {
                "flow_run_id": run,
                "task_run_id": task,
                "level": level,
                "name": "prefect.flow_runs",
                "timestamp": (at + timedelta(milliseconds=place)).isoformat(),
                "message": message,
            }
            for place, message in enumerate(messages)
        ]
        await self.post("/logs/", lines)


@pytest_asyncio.fixture(loop_scope="session")
async def runs(served: Any) -> AsyncIterator[Runs]:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as api:
        yield Runs(api)


async def _failed(runs: Runs) -> tuple[str, str]:
    """A failed run, and the one of its task runs that failed after a retry."""
    run = await runs.begun()
    parsed = await runs.task(run, "parse", 1, "RUNNING", "COMPLETED")
    source = {"table": [{"input_type": "task_run", "id": parsed}]}
    await runs.task(run, "check", 0, "RUNNING", "COMPLETED")
    failed = await runs.task(
        run,
        "check",
        1,
        *("RUNNING", "SCHEDULED", "RUNNING", "FAILED"),
        message="KeyError: 'currency'",
        task_inputs=source,
        empirical_policy={"retries": 1, "retry_delay": 2},
    )
    trace = 'Traceback (most recent call last):\n  File "/home/a/checks.py", line 41, in check\n    go()\n'
    await runs.log(run, f"Task run failed\n{trace}KeyError: 'currency'", task=failed, level=40)
    await runs.state(run, "FAILED", message="1 part could not be checked")
    return run, failed


async def test_a_failed_run_is_retried_and_that_is_undone(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run, _ = await _failed(runs)
    await page.goto(f"/runs/{run}")
    await expect(page.get_by_text("1 check failed")).to_be_visible()
    await expect(page.get_by_text("KeyError: 'currency'").first).to_be_visible()
    await page.get_by_role("button", name="Retry 1").click()
    await expect(page.get_by_text("amber-kestrel is tried again")).to_be_visible()
    await expect(page.locator("header.title .st")).to_have_text("Awaiting retry")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("header.title .st")).to_have_text("Failed")
    assert await runs.now(run) == "Failed"
    await page.keyboard.press("r")
    await expect(page.locator("header.title .st")).to_have_text("Awaiting retry")


async def test_a_retry_that_is_refused_says_why(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run, _ = await _failed(runs)
    await page.goto(f"/runs/{run}")
    retry = page.get_by_role("button", name="Retry 1")
    await expect(retry).to_be_visible()
    await page.route("**/set_state", lambda route: route.abort())
    await retry.click()
    await expect(page.get_by_text("was not retried. The server does not answer.")).to_be_visible()
    await page.unroute("**/set_state")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("header.title .st")).to_have_text("Awaiting retry")


async def test_why_a_run_waits_is_told_and_a_click_cures_it(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run = await runs.of_deployment(paused=True)
    await page.goto(f"/runs/{run}")
    await expect(page.get_by_text("work pool 'yard' is paused").first).to_be_visible()
    await page.get_by_role("button", name="Why").click()
    await page.get_by_role("button", name="Resume pool yard").click()
    await expect(page.get_by_text("Pool yard goes on")).to_be_visible()
    await expect(page.get_by_text("heliostat worker start --pool yard").first).to_be_visible()
    assert (await runs.api.get("/work_pools/yard")).json()["is_paused"] is False


async def test_a_paused_run_takes_its_answer_and_goes_on(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run = await runs.begun()
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string", "minLength": 3}},
        "required": ["reason"],
    }
    await runs.post(f"/flow_runs/{run}/input", {"key": "p-schema", "value": json.dumps(schema)})
    details = {
        "pause_timeout": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "run_input_keyset": {"schema": "p-schema", "response": "p-response", "description": "p-about"},
    }
    await runs.state(run, "PAUSED", name="Paused", state_details=details)
    await page.goto(f"/runs/{run}")
    await page.get_by_role("button", name="Why").click()
    await page.get_by_role("button", name="Answer").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("A value is required.")).to_be_visible()
    await dialog.get_by_label("reason").fill("all is well")
    await dialog.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("amber-kestrel goes on")).to_be_visible()
    await expect(page.locator("header.title .st")).to_have_text("Running")
    answer = (await runs.api.get(f"/flow_runs/{run}/input/p-response")).json()
    assert answer["reason"] == "all is well"


async def test_a_state_is_set_by_hand_and_the_rules_may_refuse_it(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run, _ = await _failed(runs)
    await page.goto(f"/runs/{run}")
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Set state").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("State").select_option("CRASHED")
    await dialog.get_by_role("button", name="Set state").click()
    await expect(dialog.get_by_text("cannot become Crashed")).to_be_visible()
    await dialog.get_by_label("State").select_option("COMPLETED")
    await dialog.get_by_role("button", name="Set state").click()
    await expect(page.locator("header.title .st")).to_have_text("Completed")


async def test_a_failed_item_is_found_by_search_and_its_tries_stand_side_by_side(
    page: Page, runs: Runs
) -> None:
    from playwright.async_api import expect

    run, failed = await _failed(runs)
    await page.goto(f"/runs/{run}")
    await page.get_by_role("button", name="Show the 1").click()
    await expect(page).to_have_url(re.compile("state=failed"))
    row = page.get_by_role("table", name="Task runs").get_by_text("check-1")
    await expect(row).to_be_visible()
    await row.click()
    await page.wait_for_url(f"**/task-runs/{failed}")
    tries = page.get_by_role("group", name="Tries")
    await expect(tries.get_by_text("Try 2")).to_be_visible()
    await expect(tries.get_by_text("no retry left")).to_be_visible()
    await expect(page.get_by_role("group", name="Traceback").get_by_text("checks.py")).to_be_visible()
    around = page.get_by_role("complementary", name="Around this task run")
    await expect(around.get_by_role("link", name="parse-1")).to_be_visible()
    await expect(around.get_by_text("1 failed")).to_be_visible()


async def test_nothing_that_a_run_wrote_can_do_anything(page: Page, runs: Runs, watch: Any) -> None:
    from playwright.async_api import expect

    run = await runs.begun(name=HOSTILE)
    task = await runs.task(run, HOSTILE, 0, "RUNNING", "FAILED", message=HOSTILE)
    await runs.log(
        run,
        HOSTILE,
        "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J \u202egnp.exe \x07",
        "javascript:alert(1) and https://lake.example/part",
        "begins " + "x" * 1_000_000,
        "the last line",
        task=task,
    )
    for kind, data in (
        (
            "markdown",
            f"# Report\n\n{HOSTILE}\n\n[a](javascript:window.hit=1) ![p](https://far.example/p.png)",
        ),
        ("html", f"<p>Sealed</p>{HOSTILE}"),
        ("image", "https://far.example/picture.png"),
        ("table", json.dumps([{"<b>name</b>": HOSTILE}])),
    ):
        body = {"key": f"hostile-{kind}", "type": kind, "data": data, "flow_run_id": run}
        await runs.post("/artifacts/", body)
    await page.goto(f"/runs/{run}")
    await expect(page.get_by_text("the last line")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    log = page.get_by_role("log")
    await expect(log.get_by_text("red", exact=True)).to_be_visible()
    await expect(log.get_by_text("\u27e8U+202E\u27e9gnp.exe")).to_be_visible()
    link = log.get_by_role("link", name="https://lake.example/part")
    assert "noopener" in (await link.get_attribute("rel") or "")
    assert await log.locator("a[href^='javascript']").count() == 0
    shown = await log.inner_text()
    assert len(shown) < 20_000, "a line of 1 MB is cut"
    await log.get_by_role("button", name="Show more").click()
    assert len(await log.inner_text()) < 120_000
    await page.get_by_role("link", name="Results and artifacts").click()
    await expect(page.get_by_role("heading", name="Report")).to_be_visible()
    await expect(page.frame_locator("iframe").get_by_text("Sealed")).to_be_visible()
    await page.goto(f"/task-runs/{task}")
    await expect(page.get_by_text("the last line")).to_be_visible()
    assert await page.evaluate("window.hit") is None
    assert await page.locator("script:not([src])").count() == 0
    refusals = [each for each in watch.errors if "document's frame is sandboxed" in each]
    assert refusals, "the browser says that it runs no script of the sealed frame"
    watch.errors = [each for each in watch.errors if each not in refusals]


async def test_lines_are_searched_linked_and_hidden(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run = await runs.begun()
    await runs.log(run, *(f"upserted {n} rows" for n in range(300)), "pool: waited for a connection")
    await runs.state(run, "COMPLETED")
    await page.goto(f"/runs/{run}")
    log = page.get_by_role("log")
    await expect(log.get_by_text("upserted 0 rows")).to_be_visible()
    await page.get_by_label("Search these lines").fill("connection")
    await expect(log.locator("mark")).to_have_text("connection")
    await log.get_by_role("button").first.click()
    await expect(page).to_have_url(re.compile("line="))
    address = page.url
    await page.get_by_label("Search these lines").fill("")
    await page.goto(address.replace("lq=connection", ""))
    await expect(log.get_by_text("pool: waited for a connection")).to_be_visible()
    await page.goto(f"/runs/{run}")
    await log.get_by_role("button").first.click()
    await page.get_by_role("button", name="Hide lines like this").click()
    await expect(page.get_by_text("Hidden:")).to_be_visible()
    await expect(log.get_by_text("upserted 0 rows")).to_have_count(0)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in api/ui")
async def test_axe_finds_nothing_serious_on_the_pages_of_runs(page: Page, runs: Runs) -> None:
    from playwright.async_api import expect

    run, failed = await _failed(runs)
    await page.goto(f"/runs/{run}")
    await expect(page.get_by_role("log")).to_be_visible()
    found = await findings_in_both_themes(page)
    for tab in ("tasks", "results", "waiting", "details"):
        await page.goto(f"/runs/{run}?tab={tab}")
        await expect(page.get_by_text("1 check failed")).to_be_visible()
        found += [f"{tab}, {each}" for each in await findings_in_both_themes(page)]
    await page.goto(f"/task-runs/{failed}")
    await expect(page.get_by_role("log")).to_be_visible()
    found += await findings_in_both_themes(page)
    assert "\n".join(found) == ""
