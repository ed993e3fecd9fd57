"""What a person sees first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from heliostat.runtime.foundation.settings import override_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Page


async def test_an_empty_server_shows_the_frame_and_its_pages(page: Page, watch: Any) -> None:
    from playwright.async_api import expect

    await page.goto("/")
    navigation = page.get_by_role("navigation").first
    await expect(navigation).to_be_visible()
    await expect(page.locator("#page")).to_be_visible()
    await expect(page).to_have_title(re.compile("Heliostat"))
    await navigation.get_by_role("link", name="Runs").first.click()
    await page.wait_for_url("**/runs")
    assert any("/api/heliostat/session" in each for each in watch.asked)


@pytest.fixture
def prefix() -> Iterator[str]:
    with override_settings(server_path_prefix="/team/heliostat"):
        yield "/team/heliostat"


async def test_pages_work_under_the_path_of_a_proxy(prefix: str, page: Page, watch: Any) -> None:
    from playwright.async_api import expect

    await page.goto(f"{prefix}/runs")
    await page.get_by_role("navigation").first.get_by_role("link", name="Flows").first.click()
    await page.wait_for_url(f"**{prefix}/flows")
    await expect(page.locator("#page")).to_be_visible()
    assert [each for each in watch.asked if f"{prefix}/" not in each] == []


@pytest.fixture
def password() -> Iterator[None]:
    with override_settings(server_auth_string="ann:s3cret"):
        yield


async def test_a_password_is_asked_for_once_and_signing_out_ends_it(
    password: None, page: Page, watch: Any
) -> None:
    from playwright.async_api import expect

    watch.mean(401)
    await page.goto("/runs")
    await page.get_by_label("User").fill("ann")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("The user or the password is wrong.")).to_be_visible()
    await page.get_by_label("Password").fill("s3cret")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("navigation").first).to_be_visible()
    assert page.url.endswith("/runs")
    await page.reload()
    await expect(page.get_by_role("navigation").first).to_be_visible()
    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "s3cret" not in kept and "heliostat_session" not in kept
    await page.goto("/settings?tab=access")
    await expect(page.get_by_text("set, one for everybody")).to_be_visible()
    await expect(page.get_by_text("ann", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Sign out of this browser").click()
    # Exactly: the settings name a command that holds a PASSWORD.
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()
    assert await page.context.cookies() == []


async def test_the_stream_of_changes_is_let_in_by_the_cookie_of_who_signed_in(
    password: None, page: Page, watch: Any, served: Any
) -> None:
    from playwright.async_api import expect

    watch.mean(401)
    await page.goto("/flows")
    await page.get_by_label("User").fill("ann")
    await page.get_by_label("Password").fill("s3cret")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("status").get_by_text("Live", exact=True)).to_be_visible()
    [cookie] = await page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] in ("Lax", "Strict")
    async with httpx.AsyncClient(base_url=served.url, auth=("ann", "s3cret")) as api:
        flow = (await api.post("/flows/", json={"name": "made-elsewhere"})).json()["id"]
        await api.post("/flow_runs/", json={"flow_id": flow, "state": {"type": "PENDING"}})
        await page.goto("/runs")
        await expect(page.get_by_role("row").filter(has_text="Pending")).to_have_count(1)
        await expect(page.get_by_role("status").get_by_text("Live", exact=True)).to_be_visible()
        await api.post(
            "/flow_runs/", json={"flow_id": flow, "name": "brisk-heron", "state": {"type": "PENDING"}}
        )
    await expect(page.get_by_role("row").filter(has_text="brisk-heron")).to_be_visible()
    streams = [each for each in watch.asked if "/api/heliostat/live" in each]
    assert streams and not any("s3cret" in each for each in watch.asked)
