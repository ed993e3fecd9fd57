"""The reading verbs of `flow-run`, `task-run` and `flow` through a server: where HELIOSTAT_API_URL is set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from urllib.parse import quote
from uuid import UUID

from .output import Row
from .remote import find_flow_run, flow_run_id, flow_run_rows, pages, with_client
from .remote_logs import follow_logs, write_remote_logs

_MOMENTS = ("created", "updated", "timestamp", "scheduled_time")


def flow_run_list(
    state_types: Sequence[str],
    flow_name: str | None,
    name: str | None,
    limit: int,
    offset: int,
) -> list[Row]:
    """Flow runs, newest first, and one more than the limit where there is one."""
    chosen: Row = {}
    if state_types:
        chosen["state"] = {"type": {"any_": list(state_types)}}
    if name:
        chosen["name"] = {"like_": name}

    async def read(client: Any) -> list[Row]:
        runs = await pages(
            client.read_flow_runs,
            limit,
            offset,
            flow_run_filter=chosen or None,
            flow_filter={"name": {"any_": [flow_name]}} if flow_name else None,
            sort="ID_DESC",
        )
        return await seen_from_here(client, await flow_run_rows(client, runs))

    return with_client(read)


def flow_run_details(reference: str) -> Row:
    """What `flow-run inspect` shows."""

    async def read(client: Any) -> Row:
        (run,) = await seen_from_here(client, [await find_flow_run(client, reference)])
        return run

    return with_moments(with_client(read))


class Resumable(NamedTuple):
    """What is to be known of a run before somebody goes on with it."""

    id: UUID
    name: str
    flow_name: str
    state_type: str
    deployment_id: str | None


def find_resumable(reference: str) -> Resumable:
    """The run that is meant, as the server has it. Raises NotFound."""
    run: Row = with_client(lambda client: find_flow_run(client, reference))
    rest = (run["name"], run["flow_name"], run["state_type"], run["deployment_id"])
    return Resumable(UUID(run["id"]), *rest)


async def seen_from_here(client: Any, runs: list[Row]) -> list[Row]:
    """Runs with their executors, of which those of this machine are looked for."""
    from ...runtime.foundation.settings import current_settings
    from ...runtime.journal.remote_verbs import remote_verb
    from ...runtime.store import leases
    from ..executors import HOLDING, with_executors

    held = [run["id"] for run in runs if run.get("state_type") in HOLDING]
    found: list[Any] = []
    if held:
        verb = remote_verb(leases.read_many)
        path = f"/heliostat/recording/{verb.name}"
        answer = await client.http.send("POST", path, verb.dump_question((held,), {}), repeatable=True)
        found = verb.load_answer(answer.content)
    return with_executors(runs, found, current_settings().lease_s)


def flow_run_log(reference: str, follow: bool, level: str, output: str, **chosen: Any) -> None:
    """Write the log, to its end or as it comes."""

    async def act(client: Any) -> None:
        run = await find_flow_run(client, reference)
        if follow:
            await follow_logs(client, run["id"], level=level, output=output)
        else:
            await write_remote_logs(client, run["id"], run["name"], level=level, output=output, **chosen)

    with_client(act)


def task_run_list(
    flow_run: str, state_types: Sequence[str], name: str | None, limit: int, offset: int
) -> list[Row]:
    """Task runs of a flow run in the order of their calls, and one more than the limit where there is one."""

    async def read(client: Any) -> list[Row]:
        chosen: Row = {"flow_run_id": {"any_": [str(await flow_run_id(client, flow_run))]}}
        if state_types:
            chosen["state"] = {"type": {"any_": list(state_types)}}
        if name:
            chosen["name"] = {"like_": name}
        order = "EXPECTED_START_TIME_ASC"
        found = await pages(client.read_task_runs, limit, offset, task_run_filter=chosen, sort=order)
        return [run.to_json() for run in found]

    return with_client(read)


def task_run_details(reference: str, flow_run: str | None) -> Row:
    """What `task-run inspect` shows."""

    async def read(client: Any) -> Row:
        path = f"/heliostat/task_runs/{quote(reference, safe='')}/details"
        return await client.http.get(path, flow_run=flow_run)

    return with_moments(with_client(read))


def task_run_log(reference: str, flow_run: str | None, level: str, output: str, **chosen: Any) -> None:
    """Write the log of a task run."""
    run = task_run_details(reference, flow_run)
    with_client(
        lambda client: write_remote_logs(
            client, None, "", task_run_id=run["id"], level=level, output=output, **chosen
        )
    )


def flow_list(limit: int, offset: int) -> list[Row]:
    """Flows by name, and one more than the limit where there is one."""

    async def read(client: Any) -> list[Row]:
        return [flow.to_json() for flow in await pages(client.read_flows, limit, offset)]

    return with_client(read)


def with_moments(value: Any) -> Any:
    """A document of the API with its times as moments."""
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
