"""Passwords, tokens against forged requests, and the pages of a stock package."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from heliostat.api.access import is_valid, new_token
from heliostat.api.app import create_app
from heliostat.runtime.foundation.errors import BadSetting
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.journal.run_passes import pass_of

FLOW = {"name": "etl"}


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


async def test_with_a_password_only_those_who_know_it_are_answered(sqlite_url: str) -> None:
    async with serving(sqlite_url, server_auth_string="ann:s3cret:x") as client:
        wrongs: list[Any] = [None, ("ann", "other"), ("bob", "s3cret:x")]
        for wrong in wrongs:
            answer = await client.post("/api/flows/", json=FLOW, auth=wrong)
            assert (answer.status_code, answer.json()) == (401, {"exception_message": "Unauthorized"})
        for header in ("Basic", "Basic %%%", "Bearer abc"):
            answer = await client.get("/api/version", headers={"Authorization": header})
            assert answer.status_code == 401
        for open_path in ("/api/health", "/api/ready"):
            assert (await client.get(open_path)).status_code == 200
        assert (await client.post("/api/flows/", json=FLOW, auth=("ann", "s3cret:x"))).status_code == 201


async def test_the_process_of_a_run_is_answered_without_the_password(sqlite_url: str) -> None:
    async with serving(sqlite_url, server_auth_string="ann:s3cret:x") as client:
        user, _, signed = pass_of(uuid4(), "ann:s3cret:x").partition(":")
        assert (await client.post("/api/flows/", json=FLOW, auth=(user, signed))).status_code == 201
        assert (await client.post("/api/flows/", json=FLOW, auth=(user, "s3cret:x"))).status_code == 401


async def test_with_csrf_protection_writes_need_a_token_of_this_server(sqlite_url: str) -> None:
    async with serving(sqlite_url, server_csrf_protection=True) as client:
        assert (await client.post("/api/flows/", json=FLOW)).status_code == 403
        given = (await client.get("/api/csrf-token", params={"client": "me"})).json()
        assert given["client"] == "me" and set(given) == {
            "id",
            "created",
            "updated",
            "token",
            "client",
            "expiration",
        }
        headers = {"Prefect-Csrf-Token": given["token"], "Prefect-Csrf-Client": "me"}
        assert (await client.post("/api/flows/", json=FLOW, headers=headers)).status_code == 201
        stolen = {**headers, "Prefect-Csrf-Client": "you"}
        answer = await client.post("/api/flows/", json=FLOW, headers=stolen)
        assert answer.status_code == 403 and "Invalid CSRF token" in answer.json()["detail"]
        assert (await client.post("/api/flows/filter", json={})).status_code == 403
        assert (await client.get("/api/health")).status_code == 200


@pytest.mark.parametrize("token", ["", "1.x", "x.y", "9" * 30 + ".a", "²." + "a" * 64])
def test_other_tokens_are_none(token: str) -> None:
    assert not is_valid(token, "me")
    assert is_valid(new_token("me")[1], "me")


async def test_pages_of_a_stock_package_are_served_under_their_paths(sqlite_url: str, tmp_path: Path) -> None:
    for name in ("ui", "ui-v2"):
        folder = tmp_path / "prefect" / "server" / name
        (folder / "assets").mkdir(parents=True)
        (folder / "index.html").write_text(f"{name} at /PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/assets")
        (folder / "assets" / "app.js").write_text("base='/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER'")
        (folder / "logo.svg").write_text("<svg/>")
    async with serving(sqlite_url, stock_ui=str(tmp_path)) as client:
        assert (await client.get("/v2/runs/flow-run/1")).text == "ui-v2 at /v2/assets"
        front = await client.get("/flows")
        assert front.text == "ui at /assets"
        assert "connect-src 'self'" in front.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in front.headers["content-security-policy"]
        assert (await client.get("/")).headers["location"] == "/v2/"
        script = await client.get("/v2/assets/app.js")
        assert script.text == "base='/v2'" and "javascript" in script.headers["content-type"]
        assert (await client.get("/logo.svg")).headers["content-type"].startswith("image/svg")
        assert (await client.get("/%2e%2e/%2e%2e/%2e%2e/etc/passwd")).text == "ui at /assets"
        assert (await client.get("/ui-settings")).json()["available_uis"] == ["v1", "v2"]
        for path in ("/api/nothing", "/api/flows/not-a-uuid"):
            assert (await client.get(path)).json() == {"detail": "Not Found"}
        assert (await client.get("/api/health")).json() is True
        assert (await client.get("/docs")).status_code == 200
    with pytest.raises(BadSetting):
        async with serving(sqlite_url, stock_ui=str(tmp_path / "nowhere")):
            pass
