"""`heliostat deployment`: see and run the deployments of a server, and change their schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from ...runtime.foundation.authorship import in_words as in_words_of
from .. import page_addresses
from .assignments import parameter_options
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
from .remote import find_deployment, full_names, pages, with_client
from .schedule_words import in_words, set_by
from .times import ago, local
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

deployment_argument = reference("deployment", "DEPLOYMENT", "deployment")


@click.group(
    cls=Noun,
    lazy={
        "backfill": Lazy(".deployment_backfill:backfill", "Make the runs of times that have passed."),
        "versions": Lazy(".deployment_versions:versions", "Show the versions of its code that ran."),
        "schedule": Lazy(".deployment_schedule:schedule", "See and change when a deployment runs."),
    },
)
def deployment() -> None:
    """See, run, pause and delete deployments on a server.

    DEPLOYMENT is FLOW/NAME, an id, or NAME alone if only one deployment has it.
    """


@verb(
    deployment,
    "ls",
    "heliostat deployment ls",
    "heliostat deployment ls --flow etl --output json",
)
@click.argument("flows", metavar="[FLOW]...", nargs=-1)
@click.option("--flow", "flow_names", metavar="NAME", multiple=True, help="Only of this flow; repeatable.")
@click.option("--by-created", is_flag=True, help="Newest first, not by name.")
@click.option("--pool", metavar="NAME", help="Only deployments on this work pool.")
@click.option(
    "--tag", "-t", "tags", metavar="TAG", multiple=True, help="Only deployments with this tag; repeatable."
)
@limit_option(50)
@offset_option
@output_option
@web_option
def ls(
    flows: tuple[str, ...],
    flow_names: tuple[str, ...],
    by_created: bool,
    pool: str | None,
    tags: tuple[str, ...],
    limit: int,
    offset: int,
    output: str,
    web: bool,
) -> None:
    """List deployments by name, of all flows or of some."""
    if web:
        open_page(page_addresses.DEPLOYMENTS)
        return

    async def read(client: HeliostatClient) -> list[Row]:
        found = await pages(
            client.read_deployments,
            limit,
            offset,
            flow_filter={"name": {"any_": [*flows, *flow_names]}} if flows or flow_names else None,
            work_pool_filter={"name": {"any_": [pool]}} if pool else None,
            deployment_filter={"tags": {"all_": list(tags)}} if tags else None,
            sort="CREATED_DESC" if by_created else "NAME_ASC",
        )
        names = await full_names(client, found)
        return [{**each.to_json(), "full_name": names[each.id]} for each in found]

    columns = (
        Column("Name", "full_name", "bold"),
        Column("ID", "id", "cyan"),
        Column("Pool", "work_pool_name"),
        Column("Schedules", lambda row: _schedules(row)),
        Column("Tags", lambda row: ", ".join(row["tags"])),
        Column("Updated", lambda row: ago(row["updated"])),
    )
    write_page(
        with_client(read),
        columns,
        output,
        limit,
        offset,
        empty="No deployments. Make one with flow.deploy or heliostat deploy.",
    )


@verb(
    deployment,
    "inspect",
    "heliostat deployment inspect etl/nightly",
    "heliostat deployment inspect etl/nightly --output json",
)
@deployment_argument
@output_option
@web_option
def inspect(deployment: str, output: str, web: bool) -> None:
    """Show a deployment: where it runs and when, its parameters, and its code."""

    async def read(client: HeliostatClient) -> Row:
        found = await find_deployment(client, deployment)
        return {**found.to_json(), "full_name": (await full_names(client, [found]))[found.id]}

    found = with_client(read)
    if web:
        open_page(page_addresses.deployment(found["id"]))
    elif output == "table":
        _show(found)
    else:
        write_json(found, indent=output == "json")


@verb(
    deployment,
    "run",
    "heliostat deployment run etl/nightly",
    "heliostat deployment run etl/nightly --param day=2026-01-31 --watch",
    """heliostat deployment run etl/nightly --params '{"limit": 3}' --start-in 2h --tag backfill""",
)
@reference("deployment", "[DEPLOYMENT]", "deployment", required=False)
@click.option("--id", "deployment_id", metavar="ID", help="The deployment with this id.")
@parameter_options
@click.option("--start-in", metavar="DURATION", help="Begin after this long: 90, 30s, 10m, 2h, 1d.")
@click.option("--start-at", metavar="TIME", help="Begin at this time: 2026-01-31T06:30, or just 06:30.")
@click.option("--name", "--flow-run-name", "name", metavar="NAME", help="Name of the run.")
@click.option("--tag", "-t", "tags", metavar="TAG", multiple=True, help="Tag of the run; repeatable.")
@click.option(
    "--job-variable", "-jv", "job_variables", metavar="NAME=VALUE", multiple=True,
    help="Overrides a job variable of the deployment; repeatable.",
)  # fmt: skip
@click.option("--work-queue", metavar="NAME", help="Another queue of the pool.")
@click.option("--idempotency-key", metavar="KEY", help="Make only one run with this key.")
@click.option("--watch", is_flag=True, help="Follow the run to its end; its outcome is the exit code.")
@click.option(
    "--watch-interval", type=click.FloatRange(0.1), metavar="SECONDS", help="Look this often, at most."
)
@click.option("--watch-timeout", type=click.FloatRange(0), metavar="SECONDS", help="Follow only this long.")
@output_option
def run(deployment: str | None, deployment_id: str | None, **said: object) -> int:
    """Make a run of a deployment, now or later.

    A VALUE that is valid JSON is read as JSON, any other as text.
    """
    from .deployment_run import run_deployment

    if (deployment is None) == (deployment_id is None):
        raise click.UsageError("Give a deployment or --id.")
    return run_deployment(deployment or deployment_id, **said)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@verb(deployment, "pause", "heliostat deployment pause etl/nightly")
@deployment_argument
def pause(deployment: str) -> None:
    """Let the schedules of a deployment make no runs until it is resumed. It can still be run by hand."""

    async def act(client: HeliostatClient) -> None:
        await client.pause_deployment((await find_deployment(client, deployment)).id)

    with_client(act)
    note(f"Deployment {deployment!r} is paused.")


@verb(deployment, "resume", "heliostat deployment resume etl/nightly")
@deployment_argument
def resume(deployment: str) -> None:
    """Let the schedules of a paused deployment make runs again, from now on."""

    async def act(client: HeliostatClient) -> None:
        await client.resume_deployment((await find_deployment(client, deployment)).id)

    with_client(act)
    note(f"Deployment {deployment!r} runs by its schedules again.")


@verb(
    deployment,
    "delete",
    "heliostat deployment delete etl/nightly --yes",
    "heliostat deployment delete etl/nightly --dry-run",
)
@reference("deployments", "[DEPLOYMENT]...", "deployment", required=False, nargs=-1)
@click.option("--id", "ids", metavar="ID", multiple=True, help="The deployment with this id; repeatable.")
@click.option("--all", "every", is_flag=True, help="Delete all deployments.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and do nothing.")
@yes_option
def delete(deployments: tuple[str, ...], ids: tuple[str, ...], every: bool, dry_run: bool, yes: bool) -> None:
    """Delete deployments with their schedules and scheduled runs. Other waiting runs are cancelled."""

    if bool(deployments or ids) == every:
        raise click.UsageError("Give deployments, --id or --all.")

    async def find_all(client: HeliostatClient) -> dict[UUID, str]:
        if every:
            return await full_names(client, await pages(client.read_deployments, None))
        found = [await find_deployment(client, each) for each in (*deployments, *ids)]
        return await full_names(client, found)

    async def delete_all(client: HeliostatClient) -> None:
        for deployment_id in found:
            await client.delete_deployment(deployment_id)

    found = with_client(find_all)
    if not found:
        note("There is no deployment to delete.")
        return
    shown = ", ".join(found.values())
    if dry_run:
        note(f"Would delete {shown}.")
        return
    confirm_or_refuse(f"Delete {shown} with schedules, and cancel the runs that wait?", yes)
    with_client(delete_all)
    note(f"Deleted {len(found)} deployment(s).")


def _schedules(row: Row) -> str:
    if row["paused"]:
        return "paused"
    return "; ".join(in_words(each["schedule"]) for each in row["schedules"] if each["active"])


def _paused(found: Row) -> str | None:
    who = in_words_of(found.get("paused_by"))
    return None if not found["paused"] else f"yes, {who}" if who else "yes"


def _show(found: Row) -> None:
    own_limit: Row = found["global_concurrency_limit"] or {}
    limit = own_limit.get("limit")
    options: Row = found["concurrency_options"] or {}
    write_one(
        (
            ("id", found["id"]),
            ("name", found["full_name"]),
            ("description", found["description"]),
            ("version", found["version"]),
            ("tags", ", ".join(found["tags"]) or None),
            ("work pool", found["work_pool_name"]),
            ("work queue", found["work_queue_name"]),
            ("paused", _paused(found)),
            ("entrypoint", found["entrypoint"]),
            ("code", _code(found)),
            ("parameters", found["parameters"] or None),
            ("takes", _takes(found["parameter_openapi_schema"])),
            ("job variables", found["job_variables"] or None),
            ("runs at once", limit and f"{limit} ({options.get('collision_strategy', 'ENQUEUE')})"),
            ("last polled", local(found["last_polled"])),
            ("updated", local(found["updated"])),
        )
    )
    if found["schedules"]:
        click.echo("\nSchedules")
        columns = (
            Column("ID", "id", "cyan"),
            Column("When", lambda row: in_words(row["schedule"])),
            Column("Active", lambda row: "yes" if row["active"] else "no"),
            Column("Set", lambda row: set_by(row)),
        )
        write_rows(found["schedules"], columns, "table")


def _code(found: Row) -> str | None:
    steps = [f"{name} {facts}" for step in found["pull_steps"] or () for name, facts in step.items()]
    return "; ".join(steps) or found["path"]


def _takes(schema: Row | None) -> str | None:
    """The parameters and their types; required ones have a star."""
    if not schema or not schema.get("properties"):
        return None
    required = set(schema.get("required") or ())
    return ", ".join(
        f"{name}{'*' if name in required else ''}: {facts.get('type', 'any')}"
        for name, facts in schema["properties"].items()
    )
