"""`heliostat dashboard open` and `--web`: the page's address, and a browser where there is one."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliostat.api import page_addresses
from heliostat.runtime.foundation import settings

API = "http://jobs.example.com/team/api"
ROUTES = Path(__file__).resolve().parents[2] / "api" / "ui" / "src" / "shell"


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser was asked to open."""
    seen: list[str] = []

    def open_it(address: str) -> bool:
        seen.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    monkeypatch.setenv("DISPLAY", ":0")
    return seen


@pytest.fixture
def server_is_set(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Runs are read from this machine's database; only then a server is named, which nobody asks anything."""

    def name_it(*_: object) -> str:
        return API

    monkeypatch.setattr("heliostat.api.cli.web.api_url", name_it)
    return settings.reload_settings


def test_the_pages_are_opened_and_their_address_is_data(heliostat, server_is_set, opened: list[str]) -> None:
    shown = heliostat("dashboard", "open")
    assert (shown.exit_code, shown.stdout) == (0, "http://jobs.example.com/team/\n")
    assert opened == ["http://jobs.example.com/team/"] and shown.stderr == ""


def test_without_a_browser_the_address_is_written(
    heliostat, server_is_set, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    shown = heliostat("flow-run", "ls", "--web")
    assert shown.stdout == "http://jobs.example.com/team/runs\n" and "no browser" in shown.stderr
    assert opened == []


def test_without_a_server_the_reason_is_said(heliostat, opened: list[str]) -> None:
    refused = heliostat("dashboard", "open")
    assert refused.exit_code == 7 and "heliostat server start" in refused.stderr
    assert opened == []


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (("flow", "ls"), "/flows"),
        (("flow-run", "inspect", "quiet-heron"), "/runs/{run}"),
        (("flow-run", "logs", "quiet-heron"), "/runs/{run}?tab=logs"),
        (("task-run", "inspect", "clean-1", "--flow-run", "quiet-heron"), "/task-runs/{task}"),
    ],
)
def test_web_opens_the_page_of_the_thing(
    heliostat, recorded, server_is_set, opened: list[str], words: tuple[str, ...], page: str
) -> None:
    shown = heliostat(*words, "--web")
    assert shown.exit_code == 0, shown.stderr
    address = "http://jobs.example.com/team" + page.format(run=recorded.good, task=recorded.task(1))
    assert opened == [address] and shown.stdout == f"{address}\n"


@pytest.mark.parametrize(
    ("api_url", "prefix", "beside_stock", "base"),
    [
        ("http://127.0.0.1:4200/api", "", False, "http://127.0.0.1:4200"),
        ("http://127.0.0.1:4200/api/", "/team", False, "http://127.0.0.1:4200/team"),
        ("https://example.com/team/api", "/team", False, "https://example.com/team"),
        ("http://127.0.0.1:4200/api", "", True, "http://127.0.0.1:4200/ui"),
    ],
)
def test_the_pages_are_beside_the_api(api_url: str, prefix: str, beside_stock: bool, base: str) -> None:
    assert page_addresses.base_of(api_url, prefix, beside_stock=beside_stock) == base


def test_names_in_addresses_are_encoded() -> None:
    assert page_addresses.work_pool("gpu/a b?") == "/work-pools/gpu%2Fa%20b%3F"
    assert page_addresses.of_kind("work_pool", {"name": "a b"}) == "/work-pools/a%20b"
    assert page_addresses.of_kind("flow_run", {"id": 7}) == "/runs/7"
    assert page_addresses.of_kind("nothing", {}) == ""


@pytest.mark.skipif(not ROUTES.exists(), reason="not run from a checkout")
def test_the_pages_answer_the_addresses_of_lists() -> None:
    known = "".join(path.read_text(encoding="utf-8") for path in ROUTES.glob("*.ts*"))
    lists = {
        value for name, value in vars(page_addresses).items() if name.isupper() and isinstance(value, str)
    }
    assert [each for each in lists if not re.search(rf'"{each}"', known)] == []
