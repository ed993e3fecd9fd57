"""Whether people with other senses and hands can use a page: axe's findings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

_MODULES = Path(__file__).parents[2] / "api" / "ui" / "node_modules"
AXE = Path(os.environ.get("HELIOSTAT_TEST_AXE") or _MODULES / "axe-core" / "axe.min.js")
_RUN = """async () => {
  const moving = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(moving.map((each) => each.finished));
  return (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => each.id + ": " + each.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | "));
}"""


async def serious_findings(page: Page) -> list[str]:
    """What axe calls serious or critical on the page as it is now, a line a rule."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(AXE.read_text())
    return await page.evaluate(_RUN)


async def findings_in_both_themes(page: Page) -> list[str]:
    """The findings of the light and of the dark theme."""
    found: list[str] = []
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        await page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        found += [f"{theme}: {each}" for each in await serious_findings(page)]
    return found
