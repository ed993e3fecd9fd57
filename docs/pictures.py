"""Pictures of every page, in both themes and at phone width: `python docs/pictures.py FOLDER`.

A server without Ray is filled with something of each kind, and Debian's Chromium looks at it. The few that
the documents show are written anew, too: `docs/images/`. Needs the built pages and `pip install '.[test]'`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))

ROUTES = HERE.parent / "api" / "ui" / "src" / "shell" / "routes.tsx"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SMALL = {"width": 1080, "height": 680}
LOOKS = (("light", DESK), ("dark", DESK), ("phone", PHONE))
IN_DOCUMENTS = {
    ("/", "light"): "overview.png",
    ("/runs", "dark"): "runs.png",
    ("/runs/$id", "light"): "run.png",
}
RUNS = 80


async def take(folder: Path, home: Path) -> None:
    """Fill a server in that home, and picture its pages."""
    import httpx
    from life import address, live
    from playwright.async_api import async_playwright, expect
    from serving import serving

    from heliostat.runtime.store.database import migrating

    file = home / "heliostat.db"
    await migrating.upgrade(f"sqlite:///{file}")
    patterns = re.findall(r'\["(/[^"]*)", \(\) => import', ROUTES.read_text())
    with serving(f"sqlite:///{file}") as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as api:
            made = await live(api, file, runs=RUNS)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = await browser.new_page(reduced_motion="reduce", locale="en-GB")
            for look, size in LOOKS:
                await page.set_viewport_size(size)  # type: ignore[arg-type]
                await page.emulate_media(color_scheme="dark" if look == "dark" else "light")
                for pattern in patterns:
                    await page.goto(served.url.removesuffix("/api") + address(pattern, made))
                    await page.locator("#page h1").first.wait_for()
                    await expect(page.locator("#page [aria-busy=true]")).to_have_count(0)
                    await page.evaluate("document.fonts.ready.then(() => undefined)")
                    await page.wait_for_timeout(400)  # what is drawn on a canvas comes a frame or two later
                    name = pattern.strip("/").replace("/", "-").replace("$", "") or "overview"
                    await page.screenshot(path=folder / f"{name}-{look}.png")
                    if kept := IN_DOCUMENTS.get((pattern, look)):
                        await page.set_viewport_size(SMALL)  # type: ignore[arg-type]
                        await page.wait_for_timeout(400)
                        await page.screenshot(path=HERE / "images" / kept)
                        await page.set_viewport_size(size)  # type: ignore[arg-type]
            await browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (HERE / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        os.environ["HELIOSTAT_HOME"] = own
        asyncio.run(take(target, Path(own)))
