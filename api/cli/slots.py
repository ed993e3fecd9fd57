"""`slots`, `preview`, `read-runs` of work pools and queues: which runs have a place, which come next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation import clock
from .lazy import Verb
from .output import Column, Row, note, output_option, write_json, write_rows
from .references import reference
from .remote import find_work_pool, flow_run_rows, with_client
from .times import ago, ago_text, duration, local
from .work_pool import hours_option
from .work_queue import find_queue, name_argument, pool_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_HOLDERS = (
    Column("Queue", "queue", "bold"),
    Column("Flow run", "name"),
    Column("ID", "id", "cyan"),
    Column("State", "state_name", state=True),
    Column("For", lambda row: duration(row["time_in_current_state"])),
)
_UPCOMING = (
    Column("Begins", lambda row: ago(row["next_scheduled_start_time"])),
    Column("At", lambda row: local(row["next_scheduled_start_time"])),
    Column("Flow", "flow_name"),
    Column("Name", "name", "bold"),
    Column("State", "state_name", state=True),
)
_TO_TAKE = (
    Column("ID", "id", "cyan"),
    Column("Name", "name", "bold"),
    Column("State", "state_name", state=True),
    Column("Due", lambda row: ago_text(row["next_scheduled_start_time"])),
)
_PAGE = 200


@click.command("slots", cls=Verb, examples=("heliostat work-pool slots gpu",))
@reference("name", "POOL", "work pool")
@output_option
def pool_slots(name: str, output: str) -> None:
    """Show which runs hold slots of a work pool, queue by queue."""

    async def read(client: HeliostatClient) -> Row:
        pool = await find_work_pool(client, name)
        path = f"/work_pools/{pool.name}/concurrency_status"
        found: Row = await client.http.read(path, {"limit": _PAGE})
        for number in range(2, found["pages"] + 1):
            found["queues"] += (await client.http.read(path, {"limit": _PAGE, "page": number}))["queues"]
        return found

    found = with_client(read)
    rows = [{**run, "queue": each["queue_name"]} for each in found["queues"] for run in each["flow_runs"]]
    _write(found, rows, f"work pool {name!r}", output)


@click.command("slots", cls=Verb, examples=("heliostat work-queue slots urgent --pool gpu",))
@name_argument
@pool_option
@output_option
def queue_slots(name: str, pool: str, output: str) -> None:
    """Show which runs hold slots of a queue."""

    async def read(client: HeliostatClient) -> Row:
        queue = await find_queue(client, name, pool)
        return await client.http.read(f"/work_queues/{queue.id}/concurrency_status", {"limit": _PAGE})

    found = with_client(read)
    _write(found, [{**run, "queue": name} for run in found["flow_runs"]], f"queue {name!r}", output)


@click.command("preview", cls=Verb, examples=("heliostat work-queue preview urgent --pool gpu --hours 12",))
@name_argument
@pool_option
@hours_option
@output_option
def queue_preview(name: str, pool: str, hours: float, output: str) -> None:
    """List the runs that are to begin in a queue soon."""

    async def read(client: HeliostatClient) -> list[Row]:
        queue = await find_queue(client, name, pool)
        before = clock.now() + timedelta(hours=hours)
        chosen: dict[str, Any] = {
            "flow_runs": {
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "next_scheduled_start_time": {"before_": before.isoformat()},
            },
            "work_pool_queues": {"id": {"any_": [str(queue.id)]}},
            "sort": "NEXT_SCHEDULED_START_TIME_ASC",
        }
        from ...runtime.client.calls import read_as
        from ...runtime.client.records import FlowRun

        found = read_as(list[FlowRun], await client.http.read("/flow_runs/filter", chosen))
        return await flow_run_rows(client, found)

    write_rows(with_client(read), _UPCOMING, output, empty="No run is to begin there.")


@click.command("read-runs", cls=Verb, examples=("heliostat work-queue read-runs urgent --pool gpu",))
@name_argument
@pool_option
@output_option
def queue_runs(name: str, pool: str, output: str) -> None:
    """List the runs of a queue that workers may take now. Asking counts as polling the queue."""

    async def read(client: HeliostatClient) -> list[Row]:
        queue = await find_queue(client, name, pool)
        return await client.request("POST", f"/work_queues/{queue.id}/get_runs", {})

    write_rows(with_client(read), _TO_TAKE, output, empty="No run waits there.")


def _write(found: Row, rows: list[Row], where: str, output: str) -> None:
    if output != "table":
        write_json(found, indent=output == "json")
        return
    limit = "any number" if found["concurrency_limit"] is None else found["concurrency_limit"]
    note(f"{found['active_slots']} of {limit} slot(s) of {where} are taken.")
    write_rows(rows, _HOLDERS, output)
