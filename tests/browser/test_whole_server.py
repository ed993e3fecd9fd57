"""The pages of a server in processes of its own, and the commands that lead to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

FLOW = """
from heliostat import flow, task

@task
def double(number: int) -> int:
    return 2 * number

@flow(flow_run_name="seen-from-a-terminal")
def doubled(count: int = 3) -> int:
    return sum(double.map(range(count)).result())
"""


async def test_a_command_opens_the_page_of_a_run(live: Any, page: Page) -> None:
    from playwright.async_api import expect

    output = (live.home / "output.txt").read_text()
    addresses = [line.split()[1] for line in output.splitlines() if "http://" in line]
    assert addresses[0] == live.url.removesuffix("api")
    assert live.heliostat("dashboard", "open") == f"{addresses[0]}\n"
    (live.home / "doubled.py").write_text(FLOW)
    live.heliostat("flow", "run", "doubled.py:doubled", "--runner", "inline")
    address = live.heliostat("flow-run", "inspect", "seen-from-a-terminal", "--web").strip()
    await page.goto(address)
    await expect(page.get_by_text("seen-from-a-terminal").first).to_be_visible()
