"""`heliostat flow-run`: see flow runs and how they ended, and continue or delete them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

import click

from ...runtime.foundation.errors import NotFound
from .. import page_addresses
from .bulk_runs import RunFilter, filter_options, names_of, runs_meant
from .failures import Exit
from .lazy import Lazy, Noun, verb
from .logs import LogOptions, follow_logs, write_logs
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
from .records import (
    StateOptions,
    chosen_runs,
    head_tail_options,
    limit_option,
    offset_option,
    state_options,
)
from .references import reference
from .remote import api_is_set, find_flow_run, with_client
from .run_source import RunSource
from .sources import with_runs
from .times import ago, duration, local
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.states import State

run_argument = reference("run", "RUN", "flow run")

_COLUMNS = (
    Column("ID", "id", "cyan"),
    Column("Flow", "flow_name"),
    Column("Name", "name", "bold"),
    Column("State", "state_name", state=True),
    Column("Started", lambda row: ago(row["start_time"] or row["expected_start_time"])),
    Column("Ran for", lambda row: duration(row["estimated_run_time"])),
)


@click.group(
    "flow-run",
    cls=Noun,
    lazy={
        "compare": Lazy(".flow_run_views:compare", "Show in what two runs differ."),
        "graph": Lazy(".flow_run_views:graph", "Write the tasks of a run and what each took from which."),
        "result": Lazy(".flow_run_views:result", "Write what a run returned."),
        "cancel": Lazy(".flow_run_control:cancel", "Ask a run to stop."),
        "execute": Lazy(".flow_run_execute:execute", "Execute a claimed run in this process, as workers do."),
        "explain": Lazy(".flow_run_control:explain", "Say why a run waits."),
        "pause": Lazy(".flow_run_control:pause", "Let a running run start no more tasks for now."),
        "retry": Lazy(".flow_run_control:retry", "Run an ended run again."),
        "set-state": Lazy(".flow_run_control:set_state", "Propose a state of a run."),
        "suspend": Lazy(".flow_run_control:suspend", "Pause a run and end its process."),
        "watch": Lazy(".flow_run_control:watch", "Follow a run to its end."),
    },
)
def flow_run() -> None:
    """See, continue and delete flow runs.

    RUN is an id, its last (or first) 8 characters, a name, or @last for the run created last. If
    HELIOSTAT_API_URL is set, the runs are those of that server.
    """


@verb(
    flow_run,
    "ls",
    "heliostat flow-run ls",
    "heliostat flow-run ls --state failed --state crashed --limit 5",
    "heliostat flow-run ls --flow 'weekly report' --output json",
)
@state_options
@click.option(
    "--flow",
    "--flow-name",
    "flow_names",
    metavar="NAME",
    multiple=True,
    help="Only of this flow; repeatable.",
)
@click.option("--name", metavar="TEXT", help="Only runs whose name contains this.")
@limit_option(15)
@offset_option
@output_option
@web_option
def ls(
    flow_names: tuple[str, ...],
    name: str | None,
    limit: int,
    offset: int,
    output: str,
    web: bool,
    **states: Unpack[StateOptions],
) -> None:
    """List flow runs, newest first."""
    if web:
        open_page(page_addresses.RUNS)
        return
    found = with_runs(lambda runs: runs.flow_runs(chosen_runs(flow_names, name, **states), limit, offset))
    silent = (Column("Note", "executor_note"),) if any(row["executor_note"] for row in found) else ()
    write_page(found, (*_COLUMNS, *silent), output, limit, offset, empty="No flow runs.")


@verb(
    flow_run,
    "inspect",
    "heliostat flow-run inspect @last",
    "heliostat flow-run inspect 5b6d7e8f --output json",
)
@run_argument
@output_option
@web_option
def inspect(run: str, output: str, web: bool) -> None:
    """Show a flow run: its states, what the rules decided and why, and the states of its tasks."""
    found = with_runs(lambda runs: runs.flow_run(run))
    if web:
        open_page(page_addresses.flow_run(found["id"]))
    elif output == "table":
        _show(found)
    else:
        write_json(found, indent=output == "json")


@verb(
    flow_run,
    "logs",
    "heliostat flow-run logs @last",
    "heliostat flow-run logs @last --tail 50 --level warning",
    "heliostat flow-run logs @last -f",
    "heliostat flow-run logs 'quiet-heron' --reverse --output jsonl",
)
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Show new lines as they come, until the run has ended.")
@head_tail_options
@output_option
@web_option
def logs(run: str, follow: bool, web: bool, **asked: Unpack[LogOptions]) -> None:
    """Show the log of a flow run with the lines of its task runs. --follow needs a running server."""

    async def read(runs: RunSource) -> None:
        row = await runs.flow_run(run)
        await write_logs(runs, UUID(str(row["id"])), row["name"], **asked)

    async def go_on(client: HeliostatClient) -> None:
        await follow_logs(client, UUID((await find_flow_run(client, run))["id"]), asked)

    if web:
        open_page(page_addresses.flow_run_logs(with_runs(lambda runs: runs.flow_run(run))["id"]))
    elif follow:
        with_client(go_on)
    else:
        with_runs(read)


@verb(
    flow_run,
    "resume",
    "heliostat flow-run resume @last",
    """heliostat flow-run resume @last --params '{"approved": true}'""",
)
@run_argument
@click.option(
    "--params", "document", metavar="JSON", help="The input that a paused run waits for; - reads stdin."
)
def resume(run: str, document: str | None) -> int:
    """Continue a paused or suspended run, or, on this machine, one whose process died.

    A paused run goes on in its process, or here if that process has left this machine. A run whose process
    died or parked it, and that belongs to no deployment on a server, goes on here and needs its code: tasks
    whose completion is recorded, or kept on this machine because the server was gone, answer from the record;
    the other tasks run.
    """
    from ...runtime.engine.flow.resume import is_left_here, resume_flow_run

    row = with_runs(lambda runs: runs.flow_run(run))
    run_id, is_deployed = UUID(str(row["id"])), row["deployment_id"] is not None
    if row["state_type"] == "PAUSED" or (is_deployed and api_is_set()):
        from .flow_run_control import resume_paused

        left = not is_deployed and is_left_here(run_id)
        resume_paused(run, document)
        if not left:
            return Exit.OK
    note(f"Resuming flow run {row['name']!r} ({run_id}) of {row['flow_name']!r}.")
    return report_end(row["flow_name"], resume_flow_run(run_id), run_id)


@verb(
    flow_run,
    "delete",
    "heliostat flow-run delete 5b6d7e8f --yes",
    "heliostat flow-run delete --state failed --older-than 30d --dry-run",
)
@reference("runs", "[RUN]...", "flow run", required=False, nargs=-1)
@filter_options
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and do nothing.")
@yes_option
def delete(runs: tuple[str, ...], dry_run: bool, yes: bool, **asked: Unpack[RunFilter]) -> None:
    """Delete flow runs with everything recorded of them: task runs, logs and sub-flow runs."""

    async def delete_all(source: RunSource) -> int:
        gone = 0
        for row in found:
            with suppress(NotFound):  # deleted already: with its parent run, or by someone else
                gone += await source.delete_flow_run(UUID(str(row["id"])))
        return gone

    found = runs_meant(runs, **asked)
    if not found:
        note("There is no flow run to delete.")
        return
    shown = names_of(found)
    if dry_run:
        note(f"Would delete {shown}.")
        return
    confirm_or_refuse(f"Delete {shown} with task runs, logs and sub-flow runs?", yes)
    note(f"Deleted {with_runs(delete_all)} flow run(s).")


def report_end(flow_name: str, state: State, run_id: UUID | None = None) -> int:
    """Tell on stderr how a run ended and how to see more of it; returns the exit code."""
    known = run_id or state.details.get("flow_run_id")
    message = f": {state.message}" if state.message else ""
    which = f"Flow run {known}" if known else "The flow run"
    note(f"{which} of {flow_name!r} ended as {state.name}{message}")
    if state.is_completed():
        return Exit.OK
    note(f"hint: heliostat flow-run inspect {known or '@last'}")
    return Exit.FAILED


def _show(found: Row) -> None:
    state: Row = found["state"] or {}
    write_one(
        (
            ("id", found["id"]),
            ("name", found["name"]),
            ("flow", found["flow_name"]),
            ("state", found["state_name"]),
            ("message", state.get("message")),
            ("parameters", found["parameters"] or None),
            ("tags", ", ".join(found["tags"]) or None),
            ("expected", local(found["expected_start_time"])),
            ("started", local(found["start_time"])),
            ("ended", local(found["end_time"])),
            ("ran for", duration(found["estimated_run_time"])),
            ("runs", found["run_count"]),
            ("entrypoint", found["entrypoint"]),
            ("part of", found["parent_task_run_id"]),
            ("process", found["infrastructure_pid"]),
            ("note", found["executor_note"]),
            (
                "tasks",
                ", ".join(f"{count} {kind}" for kind, count in found["task_run_counts"].items()) or None,
            ),
        )
    )
    _section("States", found["states"], _STATE_COLUMNS)
    _section("Decisions", found["decisions"], _DECISION_COLUMNS)
    if found["error"]:
        click.echo(f"\nError\n{found['error'].get('traceback') or found['error'].get('message')}")


_STATE_COLUMNS = (
    Column("At", lambda row: local(row["timestamp"])),
    Column("State", "name"),
    Column("Type", "type"),
    Column("Message", "message"),
)
_DECISION_COLUMNS = (
    Column("At", lambda row: local(row["timestamp"])),
    Column("Rule", "rule"),
    Column("To", "to_name"),
    Column("Decision", "status"),
    Column("Why", "reason"),
    Column("Task run", "task_run_id"),
)


def _section(title: str, rows: list[Row], columns: tuple[Column, ...]) -> None:
    if rows:
        click.echo(f"\n{title}")
        write_rows(rows, columns, "table")
