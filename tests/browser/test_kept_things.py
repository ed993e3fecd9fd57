"""What people keep on a server: variables, blocks, automations, notifications, artifacts, settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from life import block

from heliostat.actors.loops.triggers import Triggers
from heliostat.api.actions.loop import ActionPerformer
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.store import flow_run_events
from heliostat.runtime.store.database.database import Database

if TYPE_CHECKING:
    from playwright.async_api import Page

SECRET = "open-s3same-4711"


@pytest_asyncio.fixture(loop_scope="session")
async def api(served: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as api:
        yield api


class Listener:
    """Another server, which notes what it is asked."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(f"{self.command} {self.path}")
                self.do_POST()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                heard.append(self.rfile.read(length).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = Thread(target=listener.server.serve_forever)
    thread.start()
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


async def test_a_variable_is_made_changed_and_deleted_and_a_bad_name_is_refused_beside_its_field(
    page: Page, api: httpx.AsyncClient, watch: Any
) -> None:
    from playwright.async_api import expect

    watch.mean(422)
    await page.goto("/variables")
    await page.get_by_role("button", name="New variable").first.click()
    dialog = page.get_by_role("dialog", name="New variable")
    name, value = dialog.get_by_label("name"), dialog.get_by_label("value")
    await name.fill("Bad Name")
    await value.fill('{"rows": 12}')
    await dialog.get_by_role("button", name="Create variable").click()
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(dialog.get_by_text("pattern")).to_be_visible()
    await name.fill("limits")
    await dialog.get_by_role("button", name="Create variable").click()
    table = page.get_by_role("table", name="Variables")
    await expect(table.get_by_text('{"rows":12}')).to_be_visible()
    await page.get_by_role("button", name="Change limits").click()
    await page.get_by_role("dialog").get_by_label("value").fill("twelve")
    await page.get_by_role("button", name="Save variable").click()
    await expect(table.get_by_text('"twelve"')).to_be_visible()
    assert (await api.get("/variables/name/limits")).json()["value"] == "twelve"
    await page.get_by_role("button", name="Delete limits").click()
    asked = page.get_by_role("dialog", name="Delete variable limits?")
    await asked.get_by_role("button", name="Keep it").click()
    await expect(table.get_by_text("limits")).to_be_visible()
    await page.get_by_role("button", name="Delete limits").click()
    await asked.get_by_role("button", name="Delete variable").click()
    await expect(page.get_by_text("No variables yet")).to_be_visible()


async def test_a_secret_is_kept_in_a_block_and_shown_nowhere(page: Page, api: httpx.AsyncClient) -> None:
    from playwright.async_api import expect

    answers: list[str] = []

    async def keep(route: Any) -> None:
        if "/live" in route.request.url:  # a stream without an end
            await route.continue_()
            return
        answer = await route.fetch()
        answers.append(await answer.text())
        await route.fulfill(response=answer)

    await page.route("**/api/**", keep)
    await page.goto("/blocks/new")
    await page.get_by_role("button", name="secret").first.click()
    await page.get_by_label("Name of the block").fill("vault")
    await page.locator("input[type=password]").fill(SECRET)
    await page.get_by_role("button", name="Save block").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("vault")
    document = page.url.rsplit("/", 1)[1]
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("vault")
    await page.goto("/blocks")
    await expect(page.get_by_text("vault").first).to_be_visible()
    await page.unroute_all(behavior="ignoreErrors")
    assert len(answers) > 5 and not any(SECRET in each for each in answers)
    assert SECRET not in await page.content()
    kept = await api.get(f"/block_documents/{document}?include_secrets=true")
    assert kept.json()["data"]["value"] == SECRET


async def test_an_automation_made_by_its_form_fires_and_the_firing_is_listed(
    page: Page, api: httpx.AsyncClient, sqlite_url: str
) -> None:
    from playwright.async_api import expect

    await page.goto("/automations/new")
    await page.get_by_label("Name", exact=True).fill("Porter")
    await page.get_by_role("checkbox", name="Crashed").uncheck()
    await expect(page.get_by_text("a flow run is Failed, then")).to_be_visible()
    await page.get_by_role("button", name="Create automation").click()
    await expect(page.get_by_text("It has not fired")).to_be_visible()
    flow = (await api.post("/flows/", json={"name": "orders-etl"})).json()
    run = {"flow_id": flow["id"], "name": "amber-kestrel", "state": {"type": "RUNNING"}}
    id = (await api.post("/flow_runs/", json=run)).json()["id"]
    await api.post(f"/flow_runs/{id}/set_state", json={"state": {"type": "FAILED"}, "force": True})
    db = await Database.open(sqlite_url)
    try:
        while await flow_run_events.make(db):
            pass
        await Triggers(db).step()
        await ActionPerformer(db).step()
    finally:
        await db.close()
    await expect(page.get_by_text("fired", exact=True)).to_be_visible()
    await expect(page.get_by_text("acted", exact=True)).to_be_visible()


async def test_a_notification_is_made_and_its_test_message_arrives(
    page: Page, api: httpx.AsyncClient, listener: Listener
) -> None:
    from playwright.async_api import expect

    data = {"name": "hall", "url": listener.url, "method": "POST", "json_data": {"said": "{{subject}}"}}
    await block(api, "custom-webhook", "hall", data)
    await page.goto("/notifications")
    await page.get_by_role("button", name="New notification").first.click()
    form = page.get_by_role("form", name="New notification")
    await form.get_by_label("Over").select_option(label="hall (Custom Webhook)")
    await form.get_by_role("button", name="Create notification").click()
    await expect(page.get_by_role("link", name="Failed, Crashed")).to_be_visible()
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.get_by_text("A test was sent over hall")).to_be_visible()
    assert "said" in listener.heard[0]
    await page.get_by_role("button", name="Delete Failed").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete notification").click()
    await expect(page.get_by_text("No notifications yet")).to_be_visible()


async def test_hostile_artifacts_execute_nothing_and_ask_nobody(
    page: Page, api: httpx.AsyncClient, listener: Listener, watch: Any
) -> None:
    from playwright.async_api import expect

    beacon = f"{listener.url}/beacon"
    script = f"<script>top.hit=1;fetch('{beacon}')</script><img src='{beacon}' onerror='top.hit=1'>"
    styles = f"<link rel=stylesheet href='{beacon}'><style>@import '{beacon}';</style>"
    moves = f"<meta http-equiv=refresh content='0;url={beacon}'><form action='{beacon}'></form>"
    markdown = f"# Report\n\n{script}{styles}\n\n[link](javascript:top.hit=1) ![p]({beacon})"
    page_of_run = f"<p>Sealed</p>{script}{styles}{moves}<a href='javascript:top.hit=1'>link</a>"
    for key, kind, data, shown in (
        ("report", "markdown", markdown, page.get_by_role("heading", name="Report")),
        ("page", "html", page_of_run, page.frame_locator("iframe").get_by_text("Sealed")),
        ("picture", "image", beacon, page.get_by_text("lies on another server")),
        ("table", "table", f'[{{"<b>x</b>": "{script[:40]}"}}]', page.get_by_role("table").first),
    ):
        await api.post("/artifacts/", json={"key": key, "type": kind, "data": data})
        await page.goto(f"/artifacts/{key}")
        await expect(shown.first).to_be_visible()
        await expect(page.locator("#page [aria-busy=true]")).to_have_count(0)
        assert await page.locator("[href^='javascript:']").count() == 0
        assert await page.evaluate("window.hit") is None
    # The browser begins such requests and drops them by the policy of the page: none leaves it.
    assert listener.heard == []
    watch.foreign = [each for each in watch.foreign if each != beacon]
    watch.errors = [
        each for each in watch.errors if "Security Policy" not in each and "sandboxed" not in each
    ]


async def test_settings_show_no_secret(page: Page, watch: Any) -> None:
    from playwright.async_api import expect

    with override_settings(database_url=f"postgresql://ann:{SECRET}@127.0.0.1:1/heliostat"):
        answers: list[Any] = []
        page.on("response", lambda each: answers.append(each))
        await page.goto("/settings?tab=settings")
        await expect(page.get_by_text("database_url", exact=False).first).to_be_visible()
        for tab in await page.get_by_role("tab").or_(page.locator(".tabs a")).all():
            await tab.click()
        for each in answers:
            if "/api/" in each.url and "/live" not in each.url:
                assert SECRET not in await each.text(), each.url
        assert SECRET not in await page.content()
