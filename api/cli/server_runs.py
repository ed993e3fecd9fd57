"""Reads runs from a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

from ...runtime.client.calls import PAGE_ROWS
from ...runtime.client.client import HeliostatClient
from ...runtime.foundation.settings import current_settings
from ..executors import HOLDING, with_executors
from .output import Row
from .remote import find_flow_run, flow_run_id, flow_run_rows, not_found_hint, pages
from .run_source import LogChoice, RunChoice

_MOMENTS = ("created", "updated", "timestamp", "scheduled_time")


class ServerRuns:
    """The `RunSource` of a server."""

    def __init__(self, client: HeliostatClient) -> None:
        self._client = client

    async def flows(self, limit: int, offset: int) -> list[Row]:
        return [flow.to_json() for flow in await pages(self._client.read_flows, limit, offset)]

    async def flow_runs(self, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        runs = await pages(
            self._client.read_flow_runs,
            limit,
            offset,
            flow_run_filter=filter_of(choice) or None,
            flow_filter={"name": {"any_": list(choice.flow_names)}} if choice.flow_names else None,
            sort="ID_DESC",
        )
        return await self._seen_from_here(await flow_run_rows(self._client, runs))

    async def flow_run(self, reference: str) -> Row:
        (run,) = await self._seen_from_here([await find_flow_run(self._client, reference)])
        return with_moments(run)

    async def explanation(self, reference: str) -> Row:
        return await self._client.explain_flow_run(await flow_run_id(self._client, reference))

    async def delete_flow_run(self, run_id: UUID) -> int:
        await self._client.delete_flow_run(run_id)
        return 1

    async def task_runs(self, flow_run: str, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        run_id = await flow_run_id(self._client, flow_run)
        chosen = {"flow_run_id": {"any_": [str(run_id)]}, **filter_of(choice)}
        order = "EXPECTED_START_TIME_ASC"
        found = await pages(self._client.read_task_runs, limit, offset, task_run_filter=chosen, sort=order)
        return [run.to_json() for run in found]

    async def task_run(self, reference: str, flow_run: str | None) -> Row:
        path = f"/heliostat/task_runs/{quote(reference, safe='')}/details"
        with not_found_hint("heliostat task-run ls --flow-run ID shows those of a run"):
            return with_moments(await self._client.http.get(path, flow_run=flow_run))

    async def task_run_names(self, flow_run_id: UUID, ids: set[UUID]) -> Mapping[UUID, str]:
        wanted, names = sorted(map(str, ids)), dict[UUID, str]()
        for start in range(0, len(wanted), PAGE_ROWS):
            chosen = {"id": {"any_": wanted[start : start + PAGE_ROWS]}}
            runs = await self._client.read_task_runs(task_run_filter=chosen)
            names.update((run.id, run.name) for run in runs)
        return names

    async def log_pages(self, choice: LogChoice) -> AsyncIterator[list[Row]]:
        of, run_id = (
            ("task_run_id", choice.task_run_id) if choice.task_run_id else ("flow_run_id", choice.flow_run_id)
        )
        chosen = {"level": {"ge_": choice.level_min}, of: {"any_": [str(run_id)]}}
        sort, count = "TIMESTAMP_DESC" if choice.newest_first else "TIMESTAMP_ASC", 0
        while choice.limit is None or count < choice.limit:
            wanted = PAGE_ROWS if choice.limit is None else min(PAGE_ROWS, choice.limit - count)
            lines = await self._client.read_logs(
                chosen, limit=wanted, offset=choice.offset + count, sort=sort
            )
            yield [line.to_json() for line in lines]
            if len(lines) < wanted:
                return
            count += len(lines)

    async def _seen_from_here(self, runs: list[Row]) -> list[Row]:
        """Runs with their executors; those on this machine are checked for being alive."""
        held = [run["id"] for run in runs if run.get("state_type") in HOLDING]
        found: list[Any] = []
        if held:
            from ...runtime.journal.remote_verbs import (
                remote_verb,  # imported here, since both load the database's libraries
            )
            from ...runtime.store import leases

            verb = remote_verb(leases.read_many)
            path = f"/heliostat/recording/{verb.name}"
            question = verb.dump_question((held,), {})
            answer = await self._client.http.send("POST", path, question, repeatable=True)
            found = verb.load_answer(answer.content)
        return with_executors(runs, found, current_settings().lease_s)


def with_moments(value: Any) -> Any:
    """A document of the API with its times as datetimes."""
    if isinstance(value, list):
        return [with_moments(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("Row", value)
    return {
        name: datetime.fromisoformat(each)
        if isinstance(each, str) and (name in _MOMENTS or name.endswith("_time"))
        else with_moments(each)
        if name not in ("parameters", "context", "data")
        else each
        for name, each in fields.items()
    }


def filter_of(choice: RunChoice) -> Row:
    """The standard's filter of runs, but for the names of flows."""
    state: Row = {}
    if choice.state_types:
        state["type"] = {"any_": list(choice.state_types)}
    if choice.state_names:
        state["name"] = {"any_": list(choice.state_names)}
    if len(state) > 1:
        state["operator"] = "or_"
    return ({"state": state} if state else {}) | ({"name": {"like_": choice.name}} if choice.name else {})
