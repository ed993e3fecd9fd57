"""`heliostat task-run`: see the task runs of a flow run."""

from __future__ import annotations

from typing import Unpack
from uuid import UUID

import click

from .. import page_addresses
from .lazy import Noun, verb
from .logs import LogOptions, write_logs
from .output import Column, Row, output_option, write_json, write_one, write_page, write_rows
from .records import (
    StateOptions,
    chosen_runs,
    head_tail_options,
    limit_option,
    offset_option,
    state_options,
)
from .remote import as_uuid
from .run_source import RunSource
from .sources import with_runs
from .times import duration, local
from .web import open_page, web_option

flow_run_option = click.option(
    "--flow-run",
    "flow_run",
    metavar="RUN",
    default="@last",
    show_default=True,
    help="The flow run: id, its last 8 characters, name or @last.",
)

_COLUMNS = (
    Column("ID", "id", "cyan"),
    Column("Name", "name", "bold"),
    Column("State", "state_name", state=True),
    Column("Started", lambda row: local(row["start_time"])),
    Column("Ran for", lambda row: duration(row["estimated_run_time"])),
    Column("Runs", "run_count"),
    Column("Message", lambda row: row["state"]["message"]),
)


@click.group("task-run", cls=Noun)
def task_run() -> None:
    """See task runs.

    TASK_RUN is an id, or, within the run given by --flow-run, a name or the last 8 characters of an id.
    """


@verb(
    task_run,
    "ls",
    "heliostat task-run ls --flow-run @last",
    "heliostat task-run ls --flow-run 5b6d7e8f --state failed --output json",
    "heliostat task-run ls --limit 100 --offset 200",
)
@flow_run_option
@state_options
@click.option(
    "--name", "--task-run-name", "name", metavar="TEXT", help="Only those whose name contains this."
)
@limit_option(50)
@offset_option
@output_option
def ls(
    flow_run: str,
    name: str | None,
    limit: int,
    offset: int,
    output: str,
    **states: Unpack[StateOptions],
) -> None:
    """List the task runs of a flow run, in the order of their calls."""

    found = with_runs(lambda runs: runs.task_runs(flow_run, chosen_runs((), name, **states), limit, offset))
    write_page(found, _COLUMNS, output, limit, offset, empty="No task runs.")


@verb(
    task_run,
    "inspect",
    "heliostat task-run inspect clean-3",
    "heliostat task-run inspect 0198c6d2-7f3a-7c11-9d4e-0c1a5b6d7e8f --output json",
)
@click.argument("reference", metavar="TASK_RUN")
@flow_run_option
@output_option
@web_option
def inspect(reference: str, flow_run: str, output: str, web: bool) -> None:
    """Show a task run: its states, where it ran, and its error with the traceback."""
    found = with_runs(lambda runs: runs.task_run(reference, _within(reference, flow_run)))
    if web:
        open_page(page_addresses.task_run(found["id"]))
    elif output == "table":
        _show(found)
    else:
        write_json(found, indent=output == "json")


@verb(
    task_run,
    "logs",
    "heliostat task-run logs clean-3",
    "heliostat task-run logs clean-3 --flow-run 'quiet-heron' --tail 20",
)
@click.argument("reference", metavar="TASK_RUN")
@flow_run_option
@head_tail_options
@output_option
def logs(reference: str, flow_run: str, **asked: Unpack[LogOptions]) -> None:
    """Show the log of a task run."""

    async def read(runs: RunSource) -> None:
        row = await runs.task_run(reference, _within(reference, flow_run))
        of, run_id = UUID(str(row["flow_run_id"])), UUID(str(row["id"]))
        await write_logs(runs, of, "", task_run_id=run_id, **asked)

    with_runs(read)


@verb(task_run, "result", "heliostat task-run result clean-3", "heliostat task-run result clean-3 --jq .rows")
@click.argument("reference", metavar="TASK_RUN")
@flow_run_option
@output_option
def result(reference: str, flow_run: str, output: str) -> None:
    """Write what a task run returned, as JSON. Objects of classes are shown by their names and contents."""
    from .flow_run_views import write_result

    found = with_runs(lambda runs: runs.task_run(reference, _within(reference, flow_run)))
    path = f"/heliostat/task_runs/{found['id']}/result/preview"
    write_result(path, f"Task run {found['name']!r}", output)


def _within(reference: str, flow_run: str) -> str | None:
    """The flow run in which a task run is looked for; None for a whole id, which needs none."""
    return None if as_uuid(reference.strip()) else flow_run


def _show(found: Row) -> None:
    state: Row = found["state"]
    write_one(
        (
            ("id", found["id"]),
            ("name", found["name"]),
            ("flow run", found["flow_run_id"]),
            ("state", found["state_name"]),
            ("message", state["message"]),
            ("tags", ", ".join(found["tags"]) or None),
            ("expected", local(found["expected_start_time"])),
            ("started", local(found["start_time"])),
            ("ended", local(found["end_time"])),
            ("ran for", duration(found["estimated_run_time"])),
            ("runs", found["run_count"]),
            ("result", found["result_kind"]),
            ("node", found["node"]),
            ("process", found["pid"]),
            ("cache key", found["cache_key"]),
        )
    )
    click.echo("\nStates")
    columns = (
        Column("At", lambda row: local(row["timestamp"])),
        Column("State", "name"),
        Column("Type", "type"),
        Column("Message", "message"),
    )
    write_rows(found["states"], columns, "table")
    if found["error"]:
        click.echo(f"\nError\n{found['error'].get('traceback') or found['error'].get('message')}")
