"""The server's own pages: which file answers which path, and what browsers are told about it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from heliostat.api import pages
from heliostat.api.app import create_app
from heliostat.runtime.foundation.errors import BadSetting
from heliostat.runtime.foundation.setting_table import check_value
from heliostat.runtime.foundation.settings import override_settings

FRONT = '<html><head><base href="/" /></head></html>'


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(FRONT)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc123.js").write_text("let answer = 42;" * 200)
    (folder / "assets" / "plex-abc123.woff2").write_bytes(b"w" * 3_000)
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(pages, "FOLDER", folder)
    return folder


@asynccontextmanager
async def serving(database_url: str, **settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
    with override_settings(**settings):
        app = create_app(database_url)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            yield client


async def test_every_address_of_a_page_is_answered_with_the_front_page(sqlite_url: str, bundle: Path) -> None:
    async with serving(sqlite_url) as client:
        for path in (
            "/",
            "/runs",
            "/runs/0198c6d2-7f3a-7c11-9d4e-0c1a5b6d7e8f",
            "/work-pools/a%2Fb",
            "/apiary",
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (200, FRONT), path
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["cache-control"] == "no-cache"


async def test_files_are_kept_by_browsers_and_sent_compressed(sqlite_url: str, bundle: Path) -> None:
    async with serving(sqlite_url) as client:
        script = await client.get("/assets/index-abc123.js")
        assert script.text.startswith("let answer") and "immutable" in script.headers["cache-control"]
        assert script.headers["content-encoding"] == "gzip"
        assert script.headers["content-type"].startswith("text/javascript")
        plain = await client.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers and plain.text == script.text
        font = await client.get("/assets/plex-abc123.woff2")
        assert font.headers["content-type"] == "font/woff2" and "content-encoding" not in font.headers
        assert (await client.get("/favicon.svg")).headers["cache-control"] == "no-cache"


async def test_what_is_known_is_not_sent_again_and_head_has_no_body(sqlite_url: str, bundle: Path) -> None:
    async with serving(sqlite_url) as client:
        for path in ("/runs", "/assets/index-abc123.js"):
            first = await client.get(path)
            again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["cache-control"] == first.headers["cache-control"]
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["etag"] == first.headers["etag"]
        (bundle / "index.html").write_text(FRONT + "<!-- new -->")
        assert "new" in (await client.get("/runs")).text


async def test_paths_that_are_no_pages_stay_what_they_were(sqlite_url: str, bundle: Path) -> None:
    async with serving(sqlite_url) as client:
        for path in (
            "/api",
            "/api/",
            "/api/nothing",
            "/api/flows/not-a-uuid",
            "/assets/gone.js",
            "/docs-assets/x",
        ):
            answer = await client.get(path)
            assert answer.status_code == 404 and answer.headers["content-type"] == "application/json", path
        assert (await client.post("/runs")).status_code == 404
        assert (await client.put("/api/health")).status_code == 405
        assert (await client.get("/api/health")).json() is True
        assert "swagger" in (await client.get("/docs")).text


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/..%5csecret.txt", "/%00"],
)
async def test_no_path_leads_out_of_the_folder(sqlite_url: str, bundle: Path, path: str) -> None:
    async with serving(sqlite_url) as client:
        assert "secret" not in (await client.get(path)).text


async def test_no_link_leads_out_of_the_folder(sqlite_url: str, bundle: Path) -> None:
    (bundle / "link.txt").symlink_to(bundle.parent / "secret.txt")
    async with serving(sqlite_url) as client:
        assert (await client.get("/link.txt")).text == FRONT


async def test_browsers_are_told_to_load_and_run_nothing_else(sqlite_url: str, bundle: Path) -> None:
    async with serving(sqlite_url) as client:
        headers = (await client.get("/")).headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert "unsafe-eval" not in str(policy) and "http" not in str(policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


async def test_a_proxy_may_show_the_server_under_any_path(sqlite_url: str, bundle: Path) -> None:
    """Some proxies take the path off, others pass it on."""
    async with serving(sqlite_url, server_path_prefix="/team/heliostat") as client:
        for path in ("/runs", "/team/heliostat/", "/team/heliostat/runs/1"):
            assert '<base href="/team/heliostat/" />' in (await client.get(path)).text
        assert (await client.get("/team/heliostat")).headers["location"] == "/team/heliostat/"
        for path in ("/api/health", "/team/heliostat/api/health"):
            assert (await client.get(path)).json() is True
        assert (await client.get("/team/heliostat/assets/index-abc123.js")).status_code == 200
        assert (await client.get("/team/heliostat/api/nothing")).status_code == 404
        assert '"/team/heliostat/openapi.json"' in (await client.get("/docs")).text.replace("'", '"')
        described = (await client.get("/team/heliostat/openapi.json")).json()
        assert described["servers"] == [{"url": "/team/heliostat"}]


@pytest.mark.parametrize(
    ("given", "kept"), [("", ""), ("/", ""), ("team/", "/team"), ("/a/b-c_d", "/a/b-c_d")]
)
def test_a_path_prefix_is_read_however_it_is_written(given: str, kept: str) -> None:
    assert check_value("server_path_prefix", given, "a test") == kept


@pytest.mark.parametrize("given", ["/a b", '/"><script>', "/a/../b", "https://x/y", "/a//b"])
def test_a_path_prefix_that_is_no_path_is_refused(given: str) -> None:
    with pytest.raises(BadSetting, match="SERVER_PATH_PREFIX"):
        check_value("server_path_prefix", given, "a test")


async def test_without_a_build_a_page_says_what_to_do(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "nowhere")
    async with serving(sqlite_url) as client:
        answer = await client.get("/runs")
        assert answer.status_code == 404 and "pip install ." in answer.text
        assert "script" not in answer.headers["content-security-policy"]
        assert (await client.get("/api/health")).json() is True


async def test_beside_pages_of_a_stock_package_ours_have_a_path_of_their_own(
    sqlite_url: str, bundle: Path, tmp_path: Path
) -> None:
    stock = tmp_path / "prefect" / "server" / "ui"
    stock.mkdir(parents=True)
    (stock / "index.html").write_text("stock at /PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/")
    async with serving(sqlite_url, stock_ui=str(tmp_path), server_path_prefix="/p") as client:
        assert (await client.get("/")).text == (await client.get("/p/runs")).text == "stock at /p/"
        assert '<base href="/p/ui/" />' in (await client.get("/ui/runs/1")).text
        assert (await client.get("/ui")).headers["location"] == "/p/ui/"
        assert (await client.get("/p/ui/api/health")).json() is True
        assert (await client.get("/ui/api/nothing")).status_code == 404
        assert (await client.get("/ui/assets/index-abc123.js")).status_code == 200
        assert (await client.get("/ui-settings")).json()["api_url"] == "/p/api"
