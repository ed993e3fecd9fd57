"""Work pools, the cluster and concurrency limits, seen and steered in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from axe_checks import AXE, findings_in_both_themes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Page

_WORKER_WITHIN_MS = 60_000


@pytest.fixture
def api(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


def made(api: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, json=body)
    assert answer.status_code in (200, 201, 204), answer.text
    return answer.json() if answer.content else {}


def with_runs(api: httpx.Client, running: int = 2) -> list[dict[str, Any]]:
    """A pool with two queues, a run that has ended, some that hold slots, and one that waits."""
    made(api, "/work_pools/", {"name": "hall", "type": "process", "concurrency_limit": running})
    made(api, "/work_pools/hall/queues", {"name": "urgent", "concurrency_limit": 4})
    made(api, "/work_pools/hall/workers/heartbeat", {"name": "rack-a1 7"})
    flow = made(api, "/flows/", {"name": "etl"})
    place = {"work_pool_name": "hall", "work_queue_name": "urgent"}
    row = made(
        api, "/deployments/", {"flow_id": flow["id"], "name": "daily", "concurrency_limit": 9, **place}
    )
    runs = [made(api, f"/deployments/{row['id']}/create_flow_run", {}) for _ in range(running + 2)]
    for number, run in enumerate(runs[:-1]):
        for state in ("PENDING", "RUNNING", *(["COMPLETED"] if number == 0 else [])):
            made(api, f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}})
    return runs


async def test_the_command_of_a_new_pool_starts_its_worker(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto("/work-pools")
    await page.get_by_role("link", name="New work pool").click()
    await page.get_by_role("link", name="Process needs a worker").click()
    await page.get_by_label("Name", exact=True).fill("edge hosts")
    await page.get_by_label("Limit").fill("3")
    await page.get_by_role("button", name="Make pool edge hosts").click()
    await expect(page.get_by_text("listening for it")).to_be_visible()
    assert api.get("/work_pools/edge hosts").json()["concurrency_limit"] == 3
    await page.get_by_role("button", name="Copy all").click()
    copied = await page.evaluate("navigator.clipboard.readText()")
    # The program of this checkout answers to its name.
    script = f'heliostat() {{ exec {sys.executable} -m heliostat "$@"; }}\n{copied}'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOSTAT_")}
    environment["HELIOSTAT_HOME"] = str(tmp_path)
    with subprocess.Popen(["bash", "-c", script], env=environment, cwd=tmp_path) as worker:
        try:
            heard = page.get_by_role("status").filter(has_text="heard")
            await expect(heard).to_be_visible(timeout=_WORKER_WITHIN_MS)
            await page.get_by_role("link", name="Open edge hosts").click()
            workers = page.get_by_role("region", name="Workers")
            await expect(workers.get_by_text("Online")).to_be_visible()
            await expect(page.get_by_text("1 of 1 worker online")).to_be_visible()
        finally:
            worker.terminate()


async def test_a_pool_that_exists_is_refused_beside_its_field(
    page: Page, api: httpx.Client, watch: Any
) -> None:
    from playwright.async_api import expect

    watch.mean(409, 422)
    made(api, "/work_pools/", {"name": "hall", "type": "process"})
    await page.goto("/work-pools/new?type=process")
    await page.get_by_label("Name", exact=True).fill("hall")
    await page.get_by_role("button", name="Make pool hall").click()
    await expect(page.get_by_role("alert")).to_contain_text("hall")
    await page.get_by_label("Name", exact=True).fill("gate")
    await page.get_by_label("Limit").fill("-2")
    await page.get_by_role("button", name="Make pool gate").click()
    await expect(page.locator(".field", has_text="Limit").get_by_role("alert")).to_be_visible()


async def test_queues_are_ordered_and_a_pool_is_paused_and_resumed(page: Page, api: httpx.Client) -> None:
    from playwright.async_api import expect

    runs = with_runs(api)
    await page.goto("/work-pools/hall")
    queues = page.get_by_role("region", name="Queues")
    await expect(queues.locator("tbody tr").first).to_contain_text("default")
    await queues.get_by_role("button", name="Make urgent more urgent").click()
    await expect(queues.locator("tbody tr").first).to_contain_text("urgent")
    assert api.get("/work_pools/hall/queues/urgent").json()["priority"] == 1
    await queues.get_by_role("button", name="Change queue urgent").click()
    await page.get_by_role("dialog").get_by_label("Priority").fill("7")
    await page.get_by_role("button", name="Save queue").click()
    await expect(queues.locator("tbody tr").last).to_contain_text("urgent")
    assert api.get("/work_pools/hall/queues/urgent").json()["priority"] == 7
    waiting = page.get_by_role("region", name="Waiting line")
    await expect(waiting.get_by_role("link", name=runs[-1]["name"])).to_be_visible()
    await expect(waiting.get_by_text("pool limit 2 of 2, held by")).to_be_visible()
    await expect(waiting.get_by_role("link", name=runs[1]["name"])).to_be_visible()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_text("hall is paused").first).to_be_visible()
    assert api.get("/work_pools/hall").json()["is_paused"] is True
    await page.get_by_role("button", name="Resume", exact=True).first.click()
    await expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    assert api.get("/work_pools/hall").json()["is_paused"] is False


async def test_a_pool_is_deleted_only_when_its_name_is_typed(page: Page, api: httpx.Client) -> None:
    from playwright.async_api import expect

    made(api, "/work_pools/", {"name": "hall", "type": "process"})
    await page.goto("/work-pools/hall")
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name="Delete").click()
    doing = page.get_by_role("button", name="Delete pool hall")
    await expect(doing).to_be_disabled()
    await page.get_by_label("Type hall to go on").fill("hall")
    await doing.click()
    await page.wait_for_url("**/work-pools")
    await expect(page.get_by_text("Work pool hall is deleted")).to_be_visible()
    assert "hall" not in [pool["name"] for pool in api.post("/work_pools/filter", json={}).json()]


async def test_defaults_of_job_variables_are_edited_as_a_form(page: Page, api: httpx.Client) -> None:
    made(api, "/work_pools/", {"name": "hall", "type": "process"})
    await page.goto("/work-pools/hall/edit")
    await page.locator("[data-field=command] input").fill("uv run python")
    await page.get_by_role("button", name="Save hall").click()
    await page.wait_for_url("**/work-pools/hall")
    properties = api.get("/work_pools/hall").json()["base_job_template"]["variables"]["properties"]
    assert properties["command"]["default"] == "uv run python"
    assert properties["stream_output"]["default"] is True and "default" not in properties["env"]


async def test_the_holder_of_a_limit_is_released(page: Page, api: httpx.Client) -> None:
    from playwright.async_api import expect

    run = with_runs(api)[1]
    await page.goto("/concurrency")
    await page.get_by_role("button", name="New limit").first.click()
    await page.get_by_role("textbox", name="Name").fill("database")
    await page.get_by_role("textbox", name="Limit").fill("3")
    await page.get_by_role("button", name="Make limit").click()
    await expect(page.get_by_role("button", name="database", exact=True)).to_be_visible()
    holder = {"type": "flow_run", "id": run["id"]}
    body = {"names": ["database"], "slots": 2, "lease_duration": 600, "holder": holder}
    made(api, "/v2/concurrency_limits/increment-with-lease", body)
    await page.get_by_role("button", name="Open database").click()
    holders = page.get_by_role("table", name="Holders of database")
    await expect(holders.get_by_role("link", name=run["name"])).to_be_visible()
    await holders.get_by_role("button", name=f"Release {run['name']}").click()
    await page.get_by_role("dialog").get_by_role("button", name=f"Release {run['name']}").click()
    await expect(holders.get_by_text("nobody holds a slot")).to_be_visible()
    assert api.get("/v2/concurrency_limits/database").json()["active_slots"] == 0


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in api/ui")
async def test_axe_finds_nothing_serious(page: Page, api: httpx.Client) -> None:
    with_runs(api)
    made(api, "/v2/concurrency_limits/", {"name": "database", "limit": 3})
    made(api, "/concurrency_limits/", {"tag": "gpu", "concurrency_limit": 60})
    addresses = {
        "/work-pools": "hall",
        "/work-pools/hall": "rack-a1",
        "/work-pools/hall?tab=details": "Default queue",
        "/work-pools/default": "started by Heliostat",
        "/work-pools/new": "no worker needed",
        "/work-pools/new?type=process": "Job variables",
        "/work-pools/hall/edit": "Job variables",
        "/cluster": "No server has seen Ray yet",
        "/concurrency": "database",
    }
    found: dict[str, list[str]] = {}
    for address, text in addresses.items():
        await page.goto(address)
        await page.get_by_text(text).first.wait_for()
        if findings := await findings_in_both_themes(page):
            found[address] = findings
    assert found == {}


async def test_the_cluster_of_a_server_is_seen_with_its_nodes_and_actors(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    await page.goto("/cluster")
    await expect(page.get_by_text("Connected")).to_be_visible(timeout=_WORKER_WITHIN_MS)
    nodes = page.get_by_role("region", name="Nodes")
    cpus = httpx.get(f"{live.url}/heliostat/cluster").json()["picture"]["nodes"][0]["cpus"]
    await expect(nodes.get_by_text(f" of {cpus:g}", exact=False).first).to_be_visible()
    actors = page.get_by_role("region", name="Control actors")
    await expect(actors.get_by_text("pool:default")).to_be_visible()
    await expect(page.get_by_role("navigation").first.get_by_text(f"of {cpus:g} CPU")).to_be_visible()
    await page.goto("/work-pools/default")
    about = page.get_by_role("complementary")
    await expect(about.get_by_text("Free CPUs")).to_be_visible()
    await expect(about.get_by_text("no worker is needed")).to_be_visible()
