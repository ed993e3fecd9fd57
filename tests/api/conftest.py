"""The API in this process, on a database of each kind."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from heliostat import HeliostatClient
from heliostat.api.app import create_app
from heliostat.api.server.api_process import StreamEndingServer
from heliostat.api.sockets.pings import HeldPings
from heliostat.runtime.events.filters import EventFilter
from heliostat.runtime.store import event_search
from heliostat.runtime.store.database.database import Database


class Client(httpx.AsyncClient):
    """Asks the API in this process; paths are those below /api."""

    async def flow(self, name: str = "etl", **fields: Any) -> dict[str, Any]:
        return (await self.post("/flows/", json={"name": name, **fields})).json()

    async def flow_run(
        self, state: str | None = "PENDING", flow: str = "etl", **fields: Any
    ) -> dict[str, Any]:
        flow_id = (await self.flow(flow))["id"]
        first = {"type": state} if state else None
        answer = await self.post("/flow_runs/", json={"flow_id": flow_id, "state": first, **fields})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def pool(self, name: str = "yard", kind: str = "process", **fields: Any) -> dict[str, Any]:
        answer = await self.post("/work_pools/", json={"name": name, "type": kind, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def deployment(self, name: str = "daily", flow: str = "etl", **fields: Any) -> dict[str, Any]:
        body = {"flow_id": (await self.flow(flow))["id"], "name": name, **fields}
        answer = await self.post("/deployments/", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def run_of(self, deployment: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = await self.post(f"/deployments/{deployment['id']}/create_flow_run", json=fields)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def propose(
        self, run: dict[str, Any], state: str, kind: str = "flow_runs", force: bool = False, **fields: Any
    ) -> httpx.Response:
        body = {"state": {"type": state, **fields}, "force": force}
        return await self.post(f"/{kind}/{run['id']}/set_state", json=body)

    async def task_run(
        self, flow_run: dict[str, Any] | None, key: str = "0", **fields: Any
    ) -> dict[str, Any]:
        body = {
            "flow_run_id": flow_run["id"] if flow_run else None,
            "task_key": "clean-1a2b",
            "dynamic_key": key,
            **fields,
        }
        answer = await self.post("/task_runs/", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[HeliostatClient]:
    """The SDK's client of an API in this process."""
    app = create_app(database_url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with HeliostatClient("http://test/api", transport=transport) as client:
            yield client


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Client]:
    app = create_app(database_url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with Client(transport=transport, base_url="http://test/api") as client:
            yield client


@dataclass
class Served:
    """An API on a port, and the database behind it as another process would open it."""

    url: str
    db: Database
    server: uvicorn.Server

    async def open(self, path: str, first: Any = None) -> ClientConnection:
        line = await connect(f"{self.url}{path}", subprotocols=[Subprotocol("prefect")])
        await line.send(json.dumps(first or {"type": "auth", "token": None}))
        return line

    async def admitted(self, path: str) -> ClientConnection:
        line = await self.open(path)
        assert json.loads(await line.recv()) == {"type": "auth_success"}
        return line

    async def names(self) -> list[str]:
        """The names of the events that are recorded."""
        return [each.event for each in await event_search.find(self.db, EventFilter(), 200)]


class Server(StreamEndingServer):
    """Leaves signals to the test's own loop: what it would set back later belongs to one that has ended."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(database_url)
    config = uvicorn.Config(app, ws=HeldPings, log_level="critical", timeout_graceful_shutdown=1)
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.up.wait()
    db = await Database.open(database_url)
    yield Served(f"ws://127.0.0.1:{listener.getsockname()[1]}/api", db, server)
    await db.close()
    server.should_exit = True
    await serving
