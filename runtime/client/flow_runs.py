"""Flows, flow runs, task runs and logs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ..states import State
from .calls import Calls, given, page, read_as
from .records import Flow, FlowRun, Log, OrchestrationResult, TaskRun, state_to_json


class FlowCalls(Calls):
    async def create_flow_from_name(self, name: str, tags: Sequence[str] = ()) -> UUID:
        """The id of the flow of that name, which is created if necessary."""
        body = {"name": name, "tags": list(tags)}
        return read_as(Flow, await self.http.json("POST", "/flows/", body, repeatable=True)).id

    async def read_flow(self, flow_id: UUID) -> Flow:
        return read_as(Flow, await self.http.get(f"/flows/{flow_id}"))

    async def read_flow_by_name(self, name: str) -> Flow:
        from urllib.parse import quote

        return read_as(Flow, await self.http.get(f"/flows/name/{quote(name, safe='')}"))

    async def read_flows(
        self, *, limit: int | None = None, offset: int = 0, sort: str | None = None, **filters: Any
    ) -> list[Flow]:
        """`filters` are the standard's: flow_filter={"name": {"any_": [...]}}, flow_run_filter, ..."""
        body = page(limit, offset, sort, **named_filters(filters))
        return read_as(list[Flow], await self.http.read("/flows/filter", body))


class FlowRunCalls(Calls):
    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        return read_as(FlowRun, await self.http.get(f"/flow_runs/{flow_run_id}")).of_server(self.http.api_url)

    async def read_flow_runs(
        self, *, limit: int | None = None, offset: int = 0, sort: str | None = None, **filters: Any
    ) -> list[FlowRun]:
        """`filters` are the standard's: flow_run_filter={"state": {"type": {"any_": [...]}}}, flow_filter,
        deployment_filter, work_pool_filter, work_queue_filter. At most 200 at a time.
        """
        body = page(limit, offset, sort, **named_filters(filters))
        runs = read_as(list[FlowRun], await self.http.read("/flow_runs/filter", body))
        return [run.of_server(self.http.api_url) for run in runs]

    async def count_flow_runs(self, **filters: Any) -> int:
        return read_as(int, await self.http.read("/flow_runs/count", named_filters(filters)))

    async def read_flow_run_states(self, flow_run_id: UUID) -> list[State]:
        """The states that the run has been in, oldest first."""
        from .records import state_from_json

        answer = await self.http.get("/flow_run_states/", flow_run_id=str(flow_run_id))
        return [state_from_json(each) for each in read_as(list[dict[str, Any]], answer)]

    async def update_flow_run(self, flow_run_id: UUID, **fields: Any) -> None:
        """Change name, tags, parameters, job_variables, infrastructure_pid, flow_version."""
        await self.http.json("PATCH", f"/flow_runs/{flow_run_id}", given(fields))

    async def delete_flow_run(self, flow_run_id: UUID) -> None:
        await self.http.json("DELETE", f"/flow_runs/{flow_run_id}")

    async def set_flow_run_state(
        self, flow_run_id: UUID, state: State, force: bool = False
    ) -> OrchestrationResult:
        """Propose a state; the result says whether the rules accept it, and why not. `force` skips most
        rules.
        """
        body = {"state": state_to_json(state), "force": force}
        answer = await self.http.json("POST", f"/flow_runs/{flow_run_id}/set_state", body, repeatable=True)
        return read_as(OrchestrationResult, answer)

    async def resume_flow_run(
        self, flow_run_id: UUID, run_input: Mapping[str, Any] | None = None
    ) -> OrchestrationResult:
        """Resume a paused or suspended run."""
        body = {"run_input": dict(run_input)} if run_input else {}
        answer = await self.http.json("POST", f"/flow_runs/{flow_run_id}/resume", body)
        return read_as(OrchestrationResult, answer)

    async def explain_flow_run(self, flow_run_id: UUID) -> dict[str, Any]:
        """Why the run waits: `summary` in words, `reasons` one by one."""
        answer = await self.http.get(f"/heliostat/flow_runs/{flow_run_id}/explain")
        return read_as(dict[str, Any], answer)

    async def wait_for_flow_run(
        self, flow_run_id: UUID, timeout: float | None = None, poll_interval: float = 1.0
    ) -> FlowRun:
        """Wait until the run has ended, at most `timeout` seconds; returns the run as it is then."""
        run = await self.read_flow_run(flow_run_id)
        pause_s, waited_s = min(0.1, poll_interval), 0.0
        while not run.is_final() and (timeout is None or waited_s < timeout):
            pause_s = pause_s if timeout is None else min(pause_s, timeout - waited_s)
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * 1.5, poll_interval)
            run = await self.read_flow_run(flow_run_id)
        return run


class TaskRunCalls(Calls):
    async def create_tracking_task_run(
        self, flow_run_id: UUID, name: str, task_key: str, dynamic_key: str
    ) -> TaskRun:
        """Create a task run that represents, in its flow run, a run of another deployment."""
        body = {
            "name": name,
            "flow_run_id": str(flow_run_id),
            "task_key": task_key,
            "dynamic_key": dynamic_key,
            "state": {"type": "PENDING"},
        }
        return read_as(TaskRun, await self.http.json("POST", "/task_runs/", body, repeatable=True))

    async def read_task_run(self, task_run_id: UUID) -> TaskRun:
        return read_as(TaskRun, await self.http.get(f"/task_runs/{task_run_id}")).of_server(self.http.api_url)

    async def read_task_runs(
        self, *, limit: int | None = None, offset: int = 0, sort: str | None = None, **filters: Any
    ) -> list[TaskRun]:
        """`filters` are the standard's: task_run_filter, flow_run_filter, ..."""
        body = page(limit, offset, sort, **named_filters(filters))
        runs = read_as(list[TaskRun], await self.http.read("/task_runs/filter", body))
        return [run.of_server(self.http.api_url) for run in runs]


class LogCalls(Calls):
    async def read_logs(
        self,
        log_filter: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        sort: str = "TIMESTAMP_ASC",
    ) -> list[Log]:
        """`log_filter` is the standard's, such as {"flow_run_id": {"any_": [...]}}. At most 200 at a time."""
        body = page(limit, offset, sort, logs=dict(log_filter) if log_filter else None)
        return read_as(list[Log], await self.http.read("/logs/filter", body))


_FILTERS = {
    "flow_filter": "flows",
    "flow_run_filter": "flow_runs",
    "task_run_filter": "task_runs",
    "deployment_filter": "deployments",
    "work_pool_filter": "work_pools",
    "work_queue_filter": "work_pool_queues",
}


def named_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Filters under the names of the API's fields, from the names of the client's arguments."""
    unknown = [name for name in filters if name not in _FILTERS]
    if unknown:
        raise TypeError(f"unknown filter {unknown[0]!r}; there are {', '.join(_FILTERS)}")
    return {_FILTERS[name]: value for name, value in filters.items() if value is not None}
