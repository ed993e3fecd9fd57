"""Every page there is, opened by its address: whole, quiet, and usable by all.

The list of pages is that of the router, so a new page is among them by itself. One server has something of
each kind in its database and stands under the path of a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from axe_checks import AXE, findings_in_both_themes, serious_findings
from life import address, live

from heliostat.runtime.foundation.settings import override_settings

if TYPE_CHECKING:
    from playwright.async_api import Page

ROUTES = Path(__file__).parents[2] / "api" / "ui" / "src" / "shell" / "routes.tsx"
PREFIX = "/team/heliostat"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
_IS_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def prefix() -> Iterator[str]:
    with override_settings(server_path_prefix=PREFIX):
        yield PREFIX


async def show(page: Page, url: str) -> None:
    """Open a page by its address and wait until nothing on it is on its way."""
    from playwright.async_api import expect

    await page.goto(url)
    await expect(page.locator("#page h1").first).to_be_visible()
    await expect(page.locator("#page [aria-busy=true]")).to_have_count(0)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in api/ui")
async def test_every_page_opens_by_its_address_and_axe_finds_nothing_serious(
    prefix: str, served: Any, tmp_path: Path, page: Page, watch: Any
) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as api:
        made = await live(api, tmp_path / "heliostat.db", runs=12)
    patterns = re.findall(r'\["(/[^"]*)", \(\) => import', ROUTES.read_text())
    assert len(patterns) > 25
    wrong: list[str] = []
    for pattern in patterns:
        await page.set_viewport_size(DESK)
        await show(page, prefix + address(pattern, made))
        told = await page.locator("#page [role=alert], #page .empty .bb").all_inner_texts()
        wrong += [
            f"{pattern} says: {each}" for each in told if "could not be read" in each or "no such" in each
        ]
        wrong += [f"{pattern}, {each}" for each in await findings_in_both_themes(page)]
        await page.set_viewport_size(PHONE)
        wrong += [f"{pattern}, phone: {each}" for each in await serious_findings(page)]
        if (more := await page.evaluate(_IS_WIDER)) > 0:
            wrong.append(f"{pattern}, phone: {more} px wider than the screen")
        # What was refused or said on this page is told with its address.
        wrong += [f"{pattern}: {each}" for each in (*watch.refused, *watch.errors, *watch.foreign)]
        watch.refused, watch.errors, watch.foreign = [], [], []
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert [each for each in watch.asked if f"{prefix}/" not in each] == []


async def test_the_pages_about_routes_load_nothing_from_elsewhere(page: Page, watch: Any) -> None:
    from playwright.async_api import expect

    await page.goto("/docs")
    await expect(page.locator(".info .title")).to_be_visible()
    await page.goto("/redoc")
    # It draws all routes before it shows anything, which a busy machine takes long for.
    await expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=60_000)
    assert len(watch.asked) > 4
