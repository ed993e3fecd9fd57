"""A browser for tests of the pages, and a log of everything that the pages ask for.

Tests are async and get `page`, a page of a fresh browser profile. When a test ends, its log must hold no
request to another host, no answer of 4xx or 5xx that the test did not announce (`watch.mean(401)`), and no
error of a script.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from heliostat.api import pages

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import Served, serving  # noqa: E402
from waiting import wait_for  # noqa: E402

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

IS_REQUIRED = os.environ.get("HELIOSTAT_TEST_BROWSER") == "required"
_WITHIN_MS = 15_000
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all of these tests, because one browser serves them all."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if "live" in getattr(item, "fixturenames", ()):
                # The first of them waits for Ray, the last one for its end.
                item.add_marker(pytest.mark.timeout(400))


def missing(what: str) -> None:
    """Skip, or fail where a browser is required."""
    if IS_REQUIRED:
        pytest.fail(f"{what} (HELIOSTAT_TEST_BROWSER=required)")
    pytest.skip(what)


@dataclass
class Watch:
    """What the pages of one test asked for."""

    meant: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def mean(self, *statuses: int) -> None:
        """These statuses are what the test is about."""
        self.meant |= set(statuses)

    def watch(self, context: BrowserContext, server: str) -> None:
        """Log what the pages of a context ask for; `server` is the address they may ask."""
        own = urlsplit(server).netloc

        def asked(request: Any) -> None:
            self.asked.append(f"{request.method} {request.url}")
            place = urlsplit(request.url)
            if place.scheme not in ("data", "blob", "about") and place.netloc != own:
                self.foreign.append(request.url)

        def answered(response: Any) -> None:
            if response.status >= 400:
                self.refused.append((response.status, f"{response.request.method} {response.url}"))

        def said(message: Any) -> None:
            # What a server refused is in `refused` already.
            if message.type == "error" and not message.text.startswith("Failed to load resource"):
                self.errors.append(message.text)

        context.on("request", asked)
        context.on("response", answered)
        context.on("console", said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def check(self) -> None:
        """Fail when something happened that the test did not mean."""
        assert self.foreign == [], "requests to other hosts"
        assert [each for each in self.refused if each[0] not in self.meant] == [], "refused requests"
        assert self.errors == [], "errors of scripts"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, for the session."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("there is no chromium: apt-get install chromium")
    if not (pages.FOLDER / "index.html").exists():
        missing("the pages are not built: npm run build in api/ui")
    try:
        from playwright.async_api import async_playwright, expect
    except ImportError:
        missing("playwright is not installed: pip install '.[test]'")
        raise
    expect.set_options(timeout=_WITHIN_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def served(sqlite_url: str) -> Iterator[Served]:
    """The API and the pages on an empty database of the test's own, without Ray."""
    with serving(sqlite_url) as api:
        yield api


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """The address of the pages: of `live` if the test uses it, else of `served`."""
    name = "live" if "live" in request.fixturenames else "served"
    return request.getfixturevalue(name).url.removesuffix("/api")


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, watch: Watch, root: str) -> AsyncIterator[BrowserContext]:
    """A fresh browser profile, in which addresses are relative to `root`."""
    context = await browser.new_context(
        base_url=f"{root}/", viewport={"width": 1440, "height": 900}, reduced_motion="reduce", locale="en-GB"
    )
    context.set_default_timeout(_WITHIN_MS)
    watch.watch(context, root)
    yield context
    await context.close()
    watch.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


@dataclass(frozen=True)
class Live:
    """A whole server with Ray in processes of its own."""

    url: str
    home: Path
    environment: dict[str, str]

    def heliostat(self, *words: str, timeout_s: float = 120.0) -> str:
        """Run a command against it; gives what it writes to stdout. Fails when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "heliostat", *words],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home,
            timeout=timeout_s,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def going(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command that goes on while its pages are looked at; what is left of it at the end is killed."""
        name = re.sub(r"[^\w.]", "-", words[-1])  # a colon cannot be sent with a project, and this may be one
        with (self.home / f"{name}.txt").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "heliostat", *words],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """A server with Ray, for all tests that need runs: it takes long to start, so they share it."""
    home = Path(tempfile.mkdtemp(prefix="heliostat-ui-"))  # short: a socket's path may have 107 characters
    # Commands of the tests open no browser of the person who runs them.
    left_out = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HELIOSTAT_") and name not in left_out
    }
    environment |= {"HELIOSTAT_HOME": str(home), "HELIOSTAT_RAY_DASHBOARD": "false", "PYTHONUNBUFFERED": "1"}
    output = home / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "heliostat", "server", "start", "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            cwd=home,
        )
    try:

        def up() -> bool:
            assert process.poll() is None, output.read_text(errors="replace")
            return "Ray is up" in output.read_text(errors="replace")

        wait_for(up, within_s=200.0, tell=lambda: output.read_text(errors="replace"))
        url = next(line.split()[1] for line in output.read_text().splitlines() if line.startswith("  API  "))
        yield Live(url, home, {**environment, "HELIOSTAT_API_URL": url})
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)
