"""Work pools, their queues, and the workers that poll them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ..foundation.errors import NotFound
from ..foundation.near_names import nearest
from .calls import Calls, any_of, given, page, read_as
from .records import FlowRun, Worker, WorkPool, WorkQueue


class WorkPoolCalls(Calls):
    async def create_work_pool(
        self,
        name: str,
        type: str = "ray",
        *,
        base_job_template: Mapping[str, Any] | None = None,
        description: str | None = None,
        concurrency_limit: int | None = None,
        is_paused: bool = False,
    ) -> WorkPool:
        """Create a pool, by default with the template of its type. Raises Duplicate, or NotFound (the
        type).
        """
        if base_job_template is None:
            base_job_template = await self.read_default_base_job_template(type)
        body = given(
            {
                "name": name,
                "type": type,
                "base_job_template": dict(base_job_template),
                "description": description,
                "concurrency_limit": concurrency_limit,
                "is_paused": is_paused,
            }
        )
        return read_as(WorkPool, await self.http.json("POST", "/work_pools/", body))

    async def read_work_pool(self, name: str) -> WorkPool:
        """Raises NotFound."""
        try:
            return read_as(WorkPool, await self.http.get(_pool(name)))
        except NotFound:
            raise NotFound(
                f"There is no work pool {name!r}.", hint="see them with: heliostat work-pool ls"
            ) from None

    async def read_work_pools(self, *, limit: int | None = None, offset: int = 0) -> list[WorkPool]:
        answer = await self.http.read("/work_pools/filter", page(limit, offset))
        return read_as(list[WorkPool], answer)

    async def update_work_pool(self, name: str, **fields: Any) -> None:
        """Change is_paused, description, concurrency_limit, base_job_template."""
        await self.http.json("PATCH", _pool(name), fields)

    async def delete_work_pool(self, name: str) -> None:
        await self.http.json("DELETE", _pool(name))

    async def get_scheduled_flow_runs_for_work_pool(
        self,
        name: str,
        work_queue_names: Sequence[str] | None = None,
        scheduled_before: datetime | None = None,
        limit: int | None = None,
    ) -> list[FlowRun]:
        """Runs that wait in the pool and that its limits allow to begin."""
        body = given(
            {
                "work_queue_names": list(work_queue_names) if work_queue_names else None,
                "scheduled_before": scheduled_before.isoformat() if scheduled_before else None,
                "limit": limit,
            }
        )
        answer = await self.http.read(f"{_pool(name)}/get_scheduled_flow_runs", body)
        return [read_as(FlowRun, each["flow_run"]) for each in read_as(list[dict[str, Any]], answer)]

    async def read_workers(
        self, pool_name: str, *, status: str | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Worker]:
        """The workers that have polled the pool."""
        body = page(limit, offset)
        if status:
            body["workers"] = {"status": {"any_": [status]}}
        return read_as(list[Worker], await self.http.read(f"{_pool(pool_name)}/workers/filter", body))

    async def send_worker_heartbeat(self, pool_name: str, worker_name: str, interval_s: float) -> None:
        """Report that a worker lives, and how often it reports. Raises NotFound (the pool)."""
        body = {"name": worker_name, "heartbeat_interval_seconds": max(1, round(interval_s))}
        await self.http.json("POST", f"{_pool(pool_name)}/workers/heartbeat", body, repeatable=True)

    async def read_default_base_job_template(self, type: str) -> dict[str, Any]:
        """The base job template of a pool type. Raises NotFound, which lists the known types."""
        known = await self.read_pool_types()
        if type not in known:
            close = nearest(type, known)
            raise NotFound(
                f"There is no type of work pools called {type!r}.",
                hint=f"did you mean {close}?" if close else f"there are: {', '.join(sorted(known))}",
            )
        return known[type]["default_base_job_configuration"]

    async def read_pool_types(self) -> dict[str, dict[str, Any]]:
        """The pool types that the server knows, by name, with their base job templates."""
        answer = await self.http.get("/collections/views/aggregate-worker-metadata")
        packages = read_as(dict[str, dict[str, dict[str, Any]]], answer)
        return {name: kind for kinds in packages.values() for name, kind in kinds.items()}


class WorkQueueCalls(Calls):
    async def create_work_queue(
        self,
        name: str,
        work_pool_name: str,
        *,
        description: str | None = None,
        concurrency_limit: int | None = None,
        priority: int | None = None,
        is_paused: bool = False,
    ) -> WorkQueue:
        """Create a queue in a pool. 1 is the highest priority. Raises Duplicate."""
        body = given(
            {
                "name": name,
                "description": description,
                "concurrency_limit": concurrency_limit,
                "priority": priority,
                "is_paused": is_paused,
            }
        )
        return read_as(WorkQueue, await self.http.json("POST", f"{_pool(work_pool_name)}/queues", body))

    async def read_work_queue_by_name(self, name: str, work_pool_name: str) -> WorkQueue:
        """Raises NotFound."""
        try:
            return read_as(WorkQueue, await self.http.get(_queue(work_pool_name, name)))
        except NotFound:
            raise NotFound(
                f"Work pool {work_pool_name!r} has no queue {name!r}.",
                hint=f"see them with: heliostat work-queue ls --pool {work_pool_name!r}",
            ) from None

    async def read_work_queues(
        self,
        work_pool_name: str,
        *,
        names: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[WorkQueue]:
        queues = {"name": any_of(names)} if names else None
        body = page(limit, offset, work_queues=queues)
        return read_as(list[WorkQueue], await self.http.read(f"{_pool(work_pool_name)}/queues/filter", body))

    async def update_work_queue(self, name: str, work_pool_name: str, **fields: Any) -> None:
        """Change is_paused, description, concurrency_limit, priority."""
        await self.http.json("PATCH", _queue(work_pool_name, name), fields)

    async def delete_work_queue(self, name: str, work_pool_name: str) -> None:
        await self.http.json("DELETE", _queue(work_pool_name, name))


def _pool(name: str) -> str:
    return f"/work_pools/{quote(name, safe='')}"


def _queue(pool_name: str, name: str) -> str:
    return f"{_pool(pool_name)}/queues/{quote(name, safe='')}"
