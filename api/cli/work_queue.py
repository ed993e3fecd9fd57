"""`heliostat work-queue`: see and change queues, which order the runs of a pool."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from .lazy import Lazy, Noun, verb
from .output import (
    Column,
    Row,
    confirm_or_refuse,
    note,
    output_option,
    write_json,
    write_one,
    write_rows,
    yes_option,
)
from .remote import changed, find_work_pool, not_found, pages, with_client
from .times import ago, local
from .work_pool import QUEUE_COLUMNS

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import WorkQueue

name_argument = click.argument("name", metavar="QUEUE")
pool_option = click.option(
    "--pool", "-p", default="default", show_default=True, metavar="POOL", help="Work pool of the queue."
)


@click.group(
    "work-queue",
    cls=Noun,
    lazy={
        "preview": Lazy(".slots:queue_preview", "List the runs that are to begin in a queue soon."),
        "read-runs": Lazy(".slots:queue_runs", "List the runs of a queue that workers may take."),
        "slots": Lazy(".slots:queue_slots", "Show which runs hold slots of a queue."),
    },
)
def work_queue() -> None:
    """See, make and change the queues of a work pool."""


@verb(work_queue, "ls", "heliostat work-queue ls --pool gpu", "heliostat work-queue ls --match urgent")
@pool_option
@click.option("--match", "-m", "prefix", metavar="TEXT", default="", help="Only names that begin so.")
@click.option("--verbose", "-v", is_flag=True, help="Show descriptions and polling times too.")
@output_option
def ls(pool: str, prefix: str, verbose: bool, output: str) -> None:
    """List the queues of a pool, the most urgent first."""

    async def read(client: HeliostatClient) -> list[Row]:
        await find_work_pool(client, pool)
        queues = await pages(partial(client.read_work_queues, pool), None)
        ordered = sorted(queues, key=lambda queue: queue.priority)
        return [queue.to_json() for queue in ordered if queue.name.startswith(prefix)]

    more = (Column("Description", "description"), Column("Polled", lambda row: ago(row["last_polled"])))
    columns = (*QUEUE_COLUMNS, *(more if verbose else ()))
    write_rows(with_client(read), columns, output, empty="No queues.")


@verb(work_queue, "create", "heliostat work-queue create urgent --pool gpu --priority 1 --limit 2")
@name_argument
@pool_option
@click.option("--priority", "-q", type=click.IntRange(1), help="1 is the most urgent.")
@click.option("--limit", "-l", type=click.IntRange(0), help="The most runs at once.")
@click.option("--description", metavar="TEXT", help="What it is for.")
def create(name: str, pool: str, priority: int | None, limit: int | None, description: str | None) -> None:
    """Add a queue to a pool."""

    async def act(client: HeliostatClient) -> WorkQueue:
        await find_work_pool(client, pool)
        return await client.create_work_queue(
            name, pool, priority=priority, concurrency_limit=limit, description=description
        )

    made = with_client(act)
    note(f"Queue {name!r} of work pool {pool!r} has priority {made.priority}.")
    click.echo(made.id)


@verb(work_queue, "inspect", "heliostat work-queue inspect urgent --pool gpu")
@name_argument
@pool_option
@output_option
def inspect(name: str, pool: str, output: str) -> None:
    """Show a queue."""
    found = with_client(lambda client: find_queue(client, name, pool)).to_json()
    if output != "table":
        write_json(found, indent=output == "json")
        return
    shown = ("id", "name", "work_pool_name", "status", "priority", "concurrency_limit", "active_slots")
    fields = [(each.replace("_", " "), found.get(each)) for each in (*shown, "description")]
    write_one([*fields, ("last polled", local(found["last_polled"]))])


@verb(work_queue, "pause", "heliostat work-queue pause urgent --pool gpu")
@name_argument
@pool_option
def pause(name: str, pool: str) -> None:
    """Let no more runs of a queue begin."""
    _update(name, pool, is_paused=True)
    note(f"Queue {name!r} of work pool {pool!r} is paused.")


@verb(work_queue, "resume", "heliostat work-queue resume urgent --pool gpu")
@name_argument
@pool_option
def resume(name: str, pool: str) -> None:
    """Let runs of a paused queue begin again."""
    _update(name, pool, is_paused=False)
    note(f"Queue {name!r} of work pool {pool!r} is open again.")


@verb(work_queue, "update", "heliostat work-queue update urgent --pool gpu --priority 2")
@name_argument
@pool_option
@click.option("--priority", "-q", type=click.IntRange(1), help="1 is the most urgent.")
@click.option("--limit", "-l", type=click.IntRange(0), help="The most runs at once.")
@click.option("--description", metavar="TEXT", help="What it is for.")
def update(name: str, pool: str, priority: int | None, limit: int | None, description: str | None) -> None:
    """Change a queue; options that are left out stay as they are."""
    fields = changed(priority=priority, concurrency_limit=limit, description=description)
    if not fields:
        raise click.UsageError("Give at least one option to change.")
    _update(name, pool, **fields)
    note(f"Queue {name!r} of work pool {pool!r} is changed.")


@verb(work_queue, "set-concurrency-limit", "heliostat work-queue set-concurrency-limit urgent 2 --pool gpu")
@name_argument
@click.argument("limit", type=click.IntRange(0))
@pool_option
def set_concurrency_limit(name: str, limit: int, pool: str) -> None:
    """Let at most LIMIT runs of a queue run at once."""
    _update(name, pool, concurrency_limit=limit)
    note(f"At most {limit} run(s) at once in queue {name!r} of work pool {pool!r}.")


@verb(work_queue, "clear-concurrency-limit", "heliostat work-queue clear-concurrency-limit urgent --pool gpu")
@name_argument
@pool_option
def clear_concurrency_limit(name: str, pool: str) -> None:
    """Remove the limit of a queue."""
    _update(name, pool, concurrency_limit=None)
    note(f"Queue {name!r} of work pool {pool!r} has no limit.")


@verb(
    work_queue,
    "delete",
    "heliostat work-queue delete urgent --pool gpu --yes",
    "heliostat work-queue delete urgent --pool gpu --dry-run",
)
@name_argument
@pool_option
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and do nothing.")
@yes_option
def delete(name: str, pool: str, dry_run: bool, yes: bool) -> None:
    """Delete a queue. Its deployments stay, without a queue."""
    with_client(lambda client: find_queue(client, name, pool))
    if dry_run:
        note(f"Would delete queue {name!r} of work pool {pool!r}.")
        return
    confirm_or_refuse(f"Delete queue {name!r} of work pool {pool!r}?", yes)
    with_client(lambda client: client.delete_work_queue(name, pool))
    note(f"Deleted queue {name!r} of work pool {pool!r}.")


async def find_queue(client: HeliostatClient, name: str, pool: str) -> WorkQueue:
    """The queue of that name in a pool. Raises NotFound with the nearest name."""
    await find_work_pool(client, pool)
    queues = {queue.name: queue for queue in await client.read_work_queues(pool)}
    if name not in queues:
        raise not_found("queue", name, queues, f"heliostat work-queue ls --pool {pool}")
    return queues[name]


def _update(name: str, pool: str, **fields: Any) -> None:
    async def act(client: HeliostatClient) -> None:
        await find_queue(client, name, pool)
        await client.update_work_queue(name, pool, **fields)

    with_client(act)
