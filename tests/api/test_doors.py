"""Who may ask a server: pages of its own, by names of its own, with bodies of JSON.

The story: a page on any site could send requests to a server on the loopback address of whoever visited it.
Its preflight was answered with `*`, its name in `Host` was never looked at, and forms and plain texts reached
the routes that take no body: so it could make a deployment with shell commands in its pull steps and run it
as the server's user. Now a request that tells of another page is refused, whatever its method, and so is a
name that could be somebody else's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from heliostat.api.app import create_app
from heliostat.runtime.foundation.errors import BadSetting
from heliostat.runtime.foundation.settings import override_settings

FLOW = {"name": "etl"}
PREFECT = [Subprotocol("prefect")]
EVIL = "https://evil.example"
OWN = "http://127.0.0.1:4200"


@asynccontextmanager
async def serving(
    database_url: str, host: str | None = "127.0.0.1", at: str = OWN, **settings: Any
) -> AsyncGenerator[httpx.AsyncClient]:
    with override_settings(**settings):
        app = create_app(database_url, host=host, public_url="http://gate.example.org:4200/api")
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=at) as client,
        ):
            yield client


async def flows(client: httpx.AsyncClient) -> int:
    return (await client.post("/api/flows/count", json={})).json()


FOREIGN: list[dict[str, str]] = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8000"},
    {"Origin": "http://localhost:4200.evil.example"},
    {"Origin": "http://[::1"},
    {"Origin": "file://127.0.0.1:4200"},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": EVIL, "Content-Type": "text/plain"},
]


async def test_a_foreign_page_is_refused_before_a_route_sees_it(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        for headers in FOREIGN:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = await client.request(method, "/api/flows/", json=FLOW, headers=headers)
                assert answer.status_code == 403, headers
                assert "HELIOSTAT_SERVER_CORS_ALLOWED_ORIGINS" in answer.json()["detail"]
                assert "access-control-allow-origin" not in answer.headers
            read = await client.get("/api/health", headers=headers)
            assert read.status_code == (403 if "Origin" in headers else 200), headers
        assert await flows(client) == 0


async def test_preflights_of_foreign_pages_and_of_public_networks_are_refused(sqlite_url: str) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    async with serving(sqlite_url) as client:
        answer = await client.options("/api/flows/", headers={"Origin": EVIL, **asks})
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
        own = {"Origin": OWN, **asks}
        answer = await client.options("/api/flows/", headers=own)
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == OWN
        private = {"Access-Control-Request-Private-Network": "true"}
        assert (await client.options("/api/flows/", headers=own | private)).status_code == 403
    async with serving(sqlite_url, server_cors_allowed_origins=EVIL) as client:
        answer = await client.options("/api/flows/", headers={"Origin": EVIL, **asks, **private})
        assert answer.status_code == 403 and "access-control-allow-private-network" not in answer.headers


OWN_PAGES: list[dict[str, str]] = [
    {},
    {"Origin": OWN},
    {"Origin": "http://localhost", "Host": "localhost"},
    {"Origin": "https://gate.example.org", "Host": "gate.example.org"},
    {"Origin": "https://gate.example.org", "Host": "gate.example.org:443"},
    {
        "Origin": "http://localhost:5173",
        "Host": "localhost:5173",
    },  # a development server passes on what it got
    {"Origin": "https://gate.example.org", "X-Forwarded-Host": "gate.example.org"},
    {"Origin": "https://gate.example.org", "Sec-Fetch-Site": "same-origin"},  # the proxy names us otherwise
    {"Origin": "http://[::1]:4200", "Host": "[::1]:4200"},
    {"Sec-Fetch-Site": "same-origin"},
]


async def test_pages_of_the_server_itself_and_programs_are_served(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        for number, headers in enumerate(OWN_PAGES):
            answer = await client.post("/api/flows/", json={"name": f"etl-{number}"}, headers=headers)
            assert answer.status_code == 201, headers


async def test_settings_name_more_origins_with_their_methods_and_headers(sqlite_url: str) -> None:
    listed = f"https://b.example, {EVIL}"
    chosen = {"server_cors_allowed_methods": "POST", "server_cors_allowed_headers": "x-mine"}
    async with serving(sqlite_url, server_cors_allowed_origins=listed, **chosen) as client:
        answer = await client.post("/api/flows/", json=FLOW, headers={"Origin": EVIL})
        assert answer.status_code == 201 and answer.headers["access-control-allow-origin"] == EVIL
        assert (await client.get("/api/health", headers={"Origin": "https://c.example"})).status_code == 403
        for method, header, status in (
            ("POST", "x-mine", 200),
            ("PUT", "x-mine", 400),
            ("POST", "x-other", 400),
        ):
            asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": header}
            answer = await client.options("/api/flows/", headers={"Origin": EVIL, **asks})
            assert answer.status_code == status
    async with serving(sqlite_url, server_cors_allowed_origins="*") as client:
        answer = await client.post("/api/flows/", json=FLOW, headers={"Origin": EVIL})
        assert answer.headers["access-control-allow-origin"] == "*"
    for bad in ("evil.example", "https://evil.example/"):
        with pytest.raises(BadSetting):
            async with serving(sqlite_url, server_cors_allowed_origins=bad):
                pass


@pytest.mark.parametrize(
    ("host", "at", "good", "bad"),
    [
        (
            "127.0.0.1",
            OWN,
            [
                "localhost:4200",
                "LOCALHOST.",
                "ui.localhost",
                "127.0.0.1",
                "[::1]:4200",
                "10.1.2.3:80",
                "gate.example.org",
            ],
            [
                "evil.example",
                "evil.example:4200",
                "localhost.evil.example",
                "yard",
                "yard.local",
                "",
                "a b",
                "[::1",
                "x:y",
            ],
        ),
        (
            "0.0.0.0",
            "http://10.1.2.3:4200",
            [
                "localhost",
                "10.1.2.3:4200",
                "yard",
                "yard.local",
                "api.jobs.svc.cluster.local",
                "host.docker.internal:1",
            ],
            ["evil.example", "10.1.2.3.evil.example", "evil.example.", "local.evil.example"],
        ),
        ("0.0.0.0", OWN, ["yard:80", "gate.example.org"], ["evil.example"]),
        ("yard.example.org", "http://10.1.2.3:4200", ["yard.example.org"], ["evil.example"]),
        ("0.0.0.0", "http://93.184.216.34", ["whatever.example"], []),  # reached from the internet anyway
    ],
)
async def test_a_name_that_could_be_somebody_elses_is_refused(
    sqlite_url: str, host: str, at: str, good: list[str], bad: list[str]
) -> None:
    async with serving(sqlite_url, host, at) as client:
        for name in good:
            assert (await client.get("/api/health", headers={"Host": name})).status_code == 200, name
        for name in bad:
            answer = await client.post("/api/flows/", json=FLOW, headers={"Host": name})
            assert answer.status_code == 403, name
            assert "HELIOSTAT_SERVER_ALLOWED_HOSTS" in answer.json()["detail"]
        assert await flows(client) == 0
    settings = {
        "server_allowed_hosts": "evil.example, *.wide.example",
        "public_api_url": "https://far.example/api",
    }
    async with serving(sqlite_url, host, at, **settings) as client:
        for name in ("evil.example:4200", "a.b.wide.example", "far.example"):
            assert (await client.get("/api/health", headers={"Host": name})).status_code == 200, name
    async with serving(sqlite_url, host, at, server_allowed_hosts="*") as client:
        assert (await client.get("/api/health", headers={"Host": "any.example"})).status_code == 200


async def test_the_machines_own_names_are_known(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Yard1")
    monkeypatch.setattr("heliostat.api.doors._full_name", lambda: "yard1.corp.example")
    async with serving(sqlite_url, "0.0.0.0", "http://10.1.2.3:4200") as client:
        for name, status in (("yard1", 200), ("yard1.corp.example:80", 200), ("yard1.evil.example", 403)):
            assert (await client.get("/api/health", headers={"Host": name})).status_code == status


FORMS = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain;application/json",
    "",
)


async def test_bodies_of_other_types_change_nothing(sqlite_url: str) -> None:
    """Routes that take no body were open to forms; those with one left it to the parser's mood."""
    asked = (("POST", "/flows/"), ("DELETE", "/work_pools/yard"), ("POST", "/admin/database/clear"))
    async with serving(sqlite_url) as client:
        made = (await client.post("/api/work_pools/", json={"name": "yard", "type": "process"})).json()
        for kind, (method, path), content in product(FORMS, asked, (b'{"name": "etl"}', b"")):
            headers = {"Content-Type": kind}
            answer = await client.request(method, f"/api{path}", content=content, headers=headers)
            assert answer.status_code == 415 and "application/json" in answer.json()["detail"], headers
        assert (await client.get("/api/work_pools/yard")).json()["id"] == made["id"]
        assert await flows(client) == 0


async def test_what_clients_send_is_taken(sqlite_url: str) -> None:
    """Bodies without a type, empty ones, types with parameters; own pages that name a type for nothing."""
    async with serving(sqlite_url) as client:
        path, body = "/api/flows/", b'{"name": "etl"}'
        assert (await client.post(path, content=body)).status_code == 201
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"):
            assert (await client.post(path, content=body, headers={"Content-Type": kind})).status_code == 200
        assert (await client.post("/api/flows/count")).json() == 1
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": OWN}
        assert (await client.post("/api/flows/count", headers=form)).status_code == 200
        assert (await client.post("/api/flows/count", headers=form, content=b"x=1")).status_code == 415


async def test_sockets_are_shut_for_foreign_pages_too(served: Any) -> None:
    """Browsers let every page open a socket anywhere, and ask nobody first."""
    own = served.url.replace("ws://", "http://").removesuffix("/api")
    for path in ("/events/in", "/events/out", "/logs/out"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{served.url}{path}", subprotocols=PREFECT, origin=Origin(EVIL))
        assert refused.value.response.status_code == 403
        assert b"HELIOSTAT_SERVER_CORS_ALLOWED_ORIGINS" in refused.value.response.body
        with pytest.raises(InvalidStatus):
            headers = {"Host": "evil.example"}
            await connect(f"{served.url}{path}", subprotocols=PREFECT, additional_headers=headers)
        async with connect(f"{served.url}{path}", subprotocols=PREFECT, origin=Origin(own)) as line:
            await line.send('{"type": "auth", "token": null}')
            assert await line.recv() == '{"type":"auth_success"}'
