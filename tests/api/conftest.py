"""The API in this process, on a database of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from heliostat.api.app import create_app


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
async def api(database_url: str) -> AsyncIterator[Client]:
    app = create_app(database_url)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with Client(transport=transport, base_url="http://test/api") as client:
            yield client
