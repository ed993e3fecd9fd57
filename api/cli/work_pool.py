"""`heliostat work-pool`: see and change work pools, which give runs a place."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation import clock
from .. import page_addresses
from .lazy import Lazy, Noun, verb
from .output import (
    Column,
    Row,
    confirm_or_refuse,
    note,
    output_option,
    write_json,
    write_one,
    write_page,
    write_rows,
    yes_option,
)
from .records import limit_option, offset_option
from .references import reference
from .remote import changed, find_work_pool, flow_run_rows, pages, with_client
from .times import ago, local
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

name_argument = reference("name", "POOL", "work pool")
template_option = click.option(
    "--base-job-template",
    "template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A JSON file with the base job template.",
)
description_option = click.option("--description", metavar="TEXT", help="What it is for.")
hours_option = click.option(
    "--hours", "-h", type=click.FloatRange(0), default=1.0, show_default=True, help="How far ahead."
)
concurrency_option = click.option(
    "--concurrency-limit", type=click.IntRange(0), metavar="N", help="The most runs at once."
)


@click.group(
    "work-pool",
    cls=Noun,
    lazy={
        "slots": Lazy(".slots:pool_slots", "Show which runs hold slots of a pool."),
        "storage": Lazy(".work_pool_storage:storage", "See where a pool keeps code of the stock client."),
    },
)
def work_pool() -> None:
    """See, make and change work pools on a server."""


@verb(work_pool, "ls", "heliostat work-pool ls", "heliostat work-pool ls --output json")
@click.option("--verbose", "-v", is_flag=True, help="Show ids of default queues and changes too.")
@limit_option(200)
@offset_option
@output_option
@web_option
def ls(verbose: bool, limit: int, offset: int, output: str, web: bool) -> None:
    """List work pools by name."""
    if web:
        open_page(page_addresses.WORK_POOLS)
        return

    async def read(client: HeliostatClient) -> list[Row]:
        return [pool.to_json() for pool in await pages(client.read_work_pools, limit, offset)]

    columns = (
        Column("Name", "name", "bold"),
        Column("Type", "type"),
        Column("ID", "id", "cyan"),
        Column("Status", "status"),
        Column("Limit", "concurrency_limit"),
        Column("In use", "active_slots"),
        Column("Description", "description"),
        *((Column("Default queue", "default_queue_id"), Column("Changed", _changed)) if verbose else ()),
    )
    write_page(with_client(read), columns, output, limit, offset, empty="No work pools.")


@verb(
    work_pool,
    "create",
    "heliostat work-pool create gpu --type ray --concurrency-limit 4",
    "heliostat work-pool create laptops --type process",
)
@name_argument
@click.option(
    "--type", "-t", "kind", default="ray", show_default=True, help="What executes its runs: ray, process."
)
@template_option
@description_option
@concurrency_option
@click.option("--paused", is_flag=True, help="Let no run begin in it yet.")
@click.option("--overwrite", is_flag=True, help="Change the pool of that name when there is one.")
@output_option
def create(
    name: str,
    kind: str,
    template: Path | None,
    description: str | None,
    concurrency_limit: int | None,
    paused: bool,
    overwrite: bool,
    output: str,
) -> None:
    """Make a work pool. It has the template of its type, unless a file gives another."""
    job_template = template_in(template)

    async def act(client: HeliostatClient) -> Row:
        if overwrite and name in {pool.name for pool in await client.read_work_pools()}:
            fields = changed(
                base_job_template=job_template, description=description, concurrency_limit=concurrency_limit
            )
            await client.update_work_pool(name, is_paused=paused, **fields)
            return (await client.read_work_pool(name)).to_json()
        made = await client.create_work_pool(
            name,
            kind,
            base_job_template=job_template,
            description=description,
            concurrency_limit=concurrency_limit,
            is_paused=paused,
        )
        return made.to_json()

    made = with_client(act)
    if output != "table":
        write_json(made, indent=output == "json")
        return
    note(f"Work pool {name!r} of type {made['type']} is ready.")
    if made["type"] != "ray":
        note(f"hint: start a worker with: heliostat worker start --pool {name!r}")
    click.echo(made["id"])


@verb(work_pool, "inspect", "heliostat work-pool inspect default", "heliostat work-pool inspect gpu -o json")
@name_argument
@output_option
@web_option
def inspect(name: str, output: str, web: bool) -> None:
    """Show a work pool with its queues and workers."""

    async def read(client: HeliostatClient) -> Row:
        pool = await find_work_pool(client, name)
        return {
            **pool.to_json(),
            "queues": [queue.to_json() for queue in await client.read_work_queues(name)],
            "workers": [worker.to_json() for worker in await client.read_workers(name)],
        }

    found = with_client(read)
    if web:
        open_page(page_addresses.work_pool(found["name"]))
    elif output == "table":
        _show(found)
    else:
        write_json(found, indent=output == "json")


@verb(work_pool, "pause", "heliostat work-pool pause gpu")
@name_argument
def pause(name: str) -> None:
    """Let no more runs begin in a pool. Running ones go on."""
    _update(name, is_paused=True)
    note(f"Work pool {name!r} is paused.")


@verb(work_pool, "resume", "heliostat work-pool resume gpu")
@name_argument
def resume(name: str) -> None:
    """Let runs begin in a paused pool again."""
    _update(name, is_paused=False)
    note(f"Work pool {name!r} is open again.")


@verb(
    work_pool,
    "update",
    "heliostat work-pool update gpu --concurrency-limit 8",
    "heliostat work-pool update gpu --base-job-template template.json",
)
@name_argument
@template_option
@description_option
@concurrency_option
def update(name: str, template: Path | None, description: str | None, concurrency_limit: int | None) -> None:
    """Change a work pool; options that are left out stay as they are."""
    fields = changed(
        base_job_template=template_in(template), description=description, concurrency_limit=concurrency_limit
    )
    if not fields:
        raise click.UsageError("Give at least one option to change.")
    _update(name, **fields)
    note(f"Work pool {name!r} is changed.")


@verb(work_pool, "set-concurrency-limit", "heliostat work-pool set-concurrency-limit gpu 4")
@name_argument
@click.argument("limit", type=click.IntRange(0))
def set_concurrency_limit(name: str, limit: int) -> None:
    """Let at most LIMIT runs of a pool run at once."""
    _update(name, concurrency_limit=limit)
    note(f"At most {limit} run(s) at once in work pool {name!r}.")


@verb(work_pool, "clear-concurrency-limit", "heliostat work-pool clear-concurrency-limit gpu")
@name_argument
def clear_concurrency_limit(name: str) -> None:
    """Remove the limit of a pool."""
    _update(name, concurrency_limit=None)
    note(f"Work pool {name!r} has no limit.")


@verb(work_pool, "delete", "heliostat work-pool delete gpu --yes", "heliostat work-pool delete gpu --dry-run")
@name_argument
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and do nothing.")
@yes_option
def delete(name: str, dry_run: bool, yes: bool) -> None:
    """Delete a work pool with its queues. Its deployments stay, without a place to run."""
    with_client(lambda client: find_work_pool(client, name))
    if dry_run:
        note(f"Would delete work pool {name!r} and its queues.")
        return
    confirm_or_refuse(f"Delete work pool {name!r} and its queues?", yes)
    with_client(lambda client: client.delete_work_pool(name))
    note(f"Deleted work pool {name!r}.")


@verb(work_pool, "preview", "heliostat work-pool preview default --hours 12")
@name_argument
@hours_option
@output_option
def preview(name: str, hours: float, output: str) -> None:
    """List the runs that are to begin in a pool soon."""

    async def read(client: HeliostatClient) -> list[Row]:
        await find_work_pool(client, name)
        before = clock.now() + timedelta(hours=hours)
        runs = await client.read_flow_runs(
            work_pool_filter={"name": {"any_": [name]}},
            flow_run_filter={
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "next_scheduled_start_time": {"before_": before.isoformat()},
            },
            sort="NEXT_SCHEDULED_START_TIME_ASC",
        )
        return await flow_run_rows(client, runs)

    columns = (
        Column("Begins", lambda row: ago(row["next_scheduled_start_time"])),
        Column("At", lambda row: local(row["next_scheduled_start_time"])),
        Column("Flow", "flow_name"),
        Column("Name", "name", "bold"),
        Column("State", "state_name", state=True),
        Column("Queue", "work_queue_name"),
    )
    write_rows(with_client(read), columns, output, empty="No run is to begin there.")


@verb(
    work_pool,
    "get-default-base-job-template",
    "heliostat work-pool get-default-base-job-template --type ray > template.json",
)
@click.option("--type", "-t", "kind", default="ray", show_default=True, help="Type of work pools.")
@click.option("--file", "-f", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def get_default_base_job_template(kind: str, file: Path | None) -> None:
    """Show the base job template of new pools of a type."""
    from ...pools.known_types import find_pool_type

    template = find_pool_type(kind).default_base_job_template()
    if file is None:
        write_json(template)
        return
    file.write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8")
    note(f"Wrote {file}.")


def _changed(row: Row) -> str:
    return ago(row["updated"])


def _update(name: str, **fields: Any) -> None:
    async def act(client: HeliostatClient) -> None:
        await find_work_pool(client, name)
        await client.update_work_pool(name, **fields)

    with_client(act)


def template_in(file: Path | None) -> dict[str, Any] | None:
    """The base job template in a JSON file; None for none."""
    if file is None:
        return None
    try:
        template = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{file} is not valid JSON: {error}") from None
    if not isinstance(template, dict):
        raise click.BadParameter(f"{file} does not hold a JSON object.")
    return template  # pyright: ignore[reportUnknownVariableType]


def _show(found: Row) -> None:
    variables = found["base_job_template"].get("variables", {}).get("properties", {})
    write_one(
        (
            ("id", found["id"]),
            ("name", found["name"]),
            ("type", found["type"]),
            ("status", found["status"]),
            ("description", found["description"]),
            ("limit", found["concurrency_limit"]),
            ("in use", found["active_slots"]),
            ("job variables", ", ".join(variables) or None),
        )
    )
    click.echo("\nQueues")
    queues = sorted(found["queues"], key=lambda queue: queue["priority"])
    write_rows(queues, QUEUE_COLUMNS, "table")
    if found["workers"]:
        click.echo("\nWorkers")
        write_rows(found["workers"], _WORKER_COLUMNS, "table")


QUEUE_COLUMNS = (
    Column("Name", "name", "bold"),
    Column("Priority", "priority"),
    Column("Limit", "concurrency_limit"),
    Column("Status", "status"),
    Column("ID", "id", "cyan"),
)
_WORKER_COLUMNS = (
    Column("Name", "name", "bold"),
    Column("Status", "status"),
    Column("Last heard", lambda row: ago(row["last_heartbeat_time"])),
)
