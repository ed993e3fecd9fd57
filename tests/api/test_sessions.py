"""Signing in with a browser: the cookie, what it opens, and when it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from heliostat.api import sessions
from heliostat.api.app import create_app
from heliostat.runtime.foundation.settings import override_settings

PATH = "/api/heliostat/session"
GIVEN = {"user": "ann", "password": "s3cret:x"}
OWN = {"Origin": "http://test"}


@asynccontextmanager
async def serving(
    database_url: str, auth: str | None = "ann:s3cret:x", base: str = "http://test", **settings: Any
) -> AsyncGenerator[httpx.AsyncClient]:
    with override_settings(server_auth_string=auth, **settings):
        app = create_app(database_url)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=base) as client,
        ):
            yield client


async def test_a_page_learns_that_a_password_is_wanted_and_signs_in_and_out(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        before = {"password_wanted": True, "signed_in": False, "user": None, "csrf_wanted": False}
        assert (await client.get(PATH)).json() == before
        refused = await client.post("/api/flows/filter", json={}, headers=OWN)
        assert refused.status_code == 401 and "www-authenticate" not in refused.headers
        answer = await client.post(PATH, json=GIVEN, headers=OWN)
        assert answer.json() == {**before, "signed_in": True, "user": "ann"}
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
        assert "Secure" not in cookie and "s3cret" not in cookie
        assert (await client.get(PATH)).json()["signed_in"] is True
        assert (await client.post("/api/flows/filter", json={}, headers=OWN)).json() == []
        assert (await client.delete(PATH, headers=OWN)).status_code == 204
        assert (await client.get(PATH)).json() == before
        assert (await client.post("/api/flows/filter", json={}, headers=OWN)).status_code == 401


@pytest.mark.parametrize(("user", "password"), [("ann", "s3cret"), ("bob", "s3cret:x"), ("ann:s3cret", "x ")])
async def test_a_wrong_password_is_said_to_be_wrong(sqlite_url: str, user: str, password: str) -> None:
    async with serving(sqlite_url) as client:
        answer = await client.post(PATH, json={"user": user, "password": password}, headers=OWN)
        assert (answer.status_code, answer.json()) == (401, {"detail": "The user or the password is wrong."})
        assert "set-cookie" not in answer.headers


async def test_a_server_without_a_password_lets_everybody_in(sqlite_url: str) -> None:
    async with serving(sqlite_url, auth=None) as client:
        assert (await client.get(PATH)).json()["signed_in"] is True
        answer = await client.post(PATH, json=GIVEN, headers=OWN)
        assert answer.json()["password_wanted"] is False and "set-cookie" not in answer.headers
        assert (await client.delete(PATH, headers=OWN)).status_code == 204


async def test_another_password_ends_every_session(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        await client.post(PATH, json=GIVEN, headers=OWN)
        [value] = client.cookies.values()
    async with serving(sqlite_url, auth="ann:other") as client:
        client.cookies.set(sessions.cookie_name("ann:other"), value)
        assert (await client.get(PATH)).json()["signed_in"] is False


async def test_a_session_ends_by_itself(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "VALID", timedelta(seconds=-1))
    old = sessions.new_value("ann:s3cret:x")
    async with serving(sqlite_url) as client:
        client.cookies.set(sessions.cookie_name("ann:s3cret:x"), old)
        assert (await client.get("/api/version")).status_code == 401


@pytest.mark.parametrize(
    "forged", ["", "x", "1.2.3", "9" * 40 + ".a.b", "²." + "a" * 64, "99999999999.a." + "0" * 64]
)
async def test_forged_cookies_open_nothing(sqlite_url: str, forged: str) -> None:
    async with serving(sqlite_url) as client:
        name = sessions.cookie_name("ann:s3cret:x")
        answer = await client.get("/api/version", headers={"Cookie": f"{name}={forged}".encode()})
        assert answer.status_code == 401


async def test_a_session_is_of_use_to_pages_of_this_server_only(sqlite_url: str) -> None:
    """Browsers take every port of a host for one site, and would send the cookie along."""
    async with serving(sqlite_url, server_cors_allowed_origins="http://test:3000") as client:
        await client.post(PATH, json=GIVEN, headers=OWN)
        foreign: list[dict[str, str]] = [
            {"Origin": "http://test:3000"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
            {},
        ]
        for headers in foreign:
            answer = await client.post("/api/flows/filter", json={}, headers=headers)
            assert answer.status_code in (401, 403), headers
        for headers in ({"Sec-Fetch-Site": "same-origin"}, OWN):
            assert (await client.post("/api/flows/filter", json={}, headers=headers)).status_code == 200
        assert (await client.get("/api/version")).status_code == 200
        assert (await client.get("/api/version", headers={"Sec-Fetch-Site": "same-site"})).status_code == 401


async def test_signing_in_works_where_writes_need_a_token(sqlite_url: str) -> None:
    async with serving(sqlite_url, server_csrf_protection=True) as client:
        assert (await client.get(PATH)).json()["csrf_wanted"] is True
        assert (await client.post(PATH, json=GIVEN, headers=OWN)).status_code == 403
        token = (await client.get("/api/csrf-token", params={"client": "me"})).json()["token"]
        headers = {**OWN, "Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "me"}
        assert (await client.post(PATH, json=GIVEN, headers=headers)).json()["signed_in"] is True
        assert (await client.post("/api/flows/filter", json={}, headers=headers)).status_code == 200


async def test_behind_a_proxy_the_cookie_is_for_its_path_and_for_tls_alone(sqlite_url: str) -> None:
    async with serving(sqlite_url, server_path_prefix="/team/heliostat") as client:
        headers = {**OWN, "X-Forwarded-Proto": "https"}
        cookie = (await client.post(f"/team/heliostat{PATH}", json=GIVEN, headers=headers)).headers[
            "set-cookie"
        ]
        assert "Path=/team/heliostat" in cookie and "Secure" in cookie


async def test_a_signed_in_page_may_open_sockets(served: Any) -> None:
    with override_settings(server_auth_string="ann:s3cret:x"):
        name, value = sessions.cookie_name("ann:s3cret:x"), sessions.new_value("ann:s3cret:x")
        own = served.url.replace("ws://", "http://").removesuffix("/api")

        async def first_answer(**more: str) -> str | bytes:
            headers = {"Cookie": f"{name}={value}", **more}
            address, spoken = f"{served.url}/events/out", [Subprotocol("prefect")]
            async with connect(address, subprotocols=spoken, additional_headers=headers) as line:
                await line.send(json.dumps({"type": "auth", "token": None}))
                return await line.recv()

        assert json.loads(await first_answer(Origin=own)) == {"type": "auth_success"}
        with pytest.raises(ConnectionClosed):
            await first_answer()
