"""`heliostat deploy`: deployments of a file, or of an entrypoint, onto the server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.errors import BadDeployment, HeliostatError
from .assignments import from_assignments
from .lazy import Verb
from .output import Row, note, output_option, write_rows
from .when import moment_of, seconds_of

if TYPE_CHECKING:
    from ...runtime.client.client import SyncHeliostatClient
    from ...runtime.deploying.mistakes import Mistakes
    from ...runtime.deploying.register import Plan
    from ...runtime.deploying.spec import DeploymentSpec


@click.command(
    "deploy",
    cls=Verb,
    examples=(
        "heliostat deploy --all",
        "heliostat deploy --name nightly --dry-run",
        "heliostat deploy flows/etl.py:etl --name nightly --pool default --cron '30 6 * * *'",
    ),
)
@click.argument("entrypoint", metavar="[PATH.py:FLOW]", required=False)
@click.option("--name", "-n", "names", metavar="NAME", multiple=True, help="Name of a deployment.")
@click.option("--all", "all_of_them", is_flag=True, help="All deployments of the file.")
@click.option(
    "--file", "--prefect-file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The deployment file. Default: heliostat.yaml or prefect.yaml here.",
)  # fmt: skip
@click.option("--pool", "-p", metavar="NAME", help="The work pool.")
@click.option("--work-queue", "-q", metavar="NAME", help="The queue of the pool.")
@click.option("--cron", metavar="EXPRESSION", multiple=True, help="Run by a cron expression; repeatable.")
@click.option("--interval", metavar="DURATION", multiple=True, help="Run every 90, 10m, 1h; repeatable.")
@click.option("--rrule", metavar="RULE", multiple=True, help="Run by a recurrence rule; repeatable.")
@click.option("--anchor-date", metavar="TIME", help="The time from which all intervals count.")
@click.option("--timezone", metavar="ZONE", help="Time zone of --cron and --rrule.")
@click.option("--param", "assignments", metavar="NAME=VALUE", multiple=True, help="A parameter; repeatable.")
@click.option("--params", "document", metavar="JSON", help="Parameters as one JSON object; - reads stdin.")
@click.option(
    "--job-variable", "-jv", "job_variables", metavar="NAME=VALUE", multiple=True, help="Repeatable."
)
@click.option("--tag", "-t", "tags", metavar="TAG", multiple=True, help="A tag; repeatable.")
@click.option("--version", metavar="TEXT", help="Version of the deployment.")
@click.option("--description", "-d", metavar="TEXT", help="What the deployment is for.")
@click.option("--concurrency-limit", "-cl", type=click.IntRange(1), help="The most runs at once.")
@click.option(
    "--collision-strategy", type=click.Choice(["ENQUEUE", "CANCEL_NEW"]), help="For runs beyond the limit."
)
@click.option(
    "--enforce-parameter-schema/--no-enforce-parameter-schema",
    default=None,
    help="Whether parameters of runs must fit the flow's signature. Default: as the file says, or yes.",
)
@click.option("--dry-run", "--diff", "dry_run", is_flag=True, help="Show what would change, and do nothing.")
@output_option
def deploy(
    entrypoint: str | None,
    names: tuple[str, ...],
    all_of_them: bool,
    file: Path | None,
    dry_run: bool,
    output: str,
    **options: Any,
) -> None:
    """Make or update deployments: those in heliostat.yaml or prefect.yaml, or one of PATH.py:FLOW.

    The project's folder is packed and sent unless the server has it or pull steps say otherwise. Nothing
    changes for a deployment that is up to date. What the file or code leaves out stays, such as schedules
    that were made or paused by hand. All are checked before the first is made; all mistakes are shown.
    """
    from ...runtime.client.client import get_client
    from ...runtime.deploying.mistakes import Mistakes
    from ...runtime.deploying.register import carry_out, left_undone, plan_all

    over, mistakes = _over(**options), Mistakes()
    with get_client(sync_client=True) as client:
        if entrypoint is not None:
            specs = [_of_entrypoint(entrypoint, names, over)]
        else:
            specs = _of_file(client, file, names, all_of_them, over, mistakes)
        todo = client.wait(plan_all(client.asynchronous, specs, mistakes))
        if dry_run:
            _tell(todo, output)
            return
        rows: list[Row] = []
        for place, each in enumerate(todo):
            try:
                done = client.wait(carry_out(client.asynchronous, each))
            except HeliostatError:
                if len(todo) > 1:
                    note(left_undone(todo, place))
                raise
            sent = f", {done.uploaded_bytes / 1024:.0f} KiB of code sent" if done.uploaded_bytes else ""
            what = "made" if done.changes is None else "updated" if done.changes else "unchanged"
            note(f"{done.full_name}: {what}{sent}.")
            for text in done.notes:
                note(f"{text}.")
            if output == "table":
                click.echo(done.id)
            rows.append({"id": done.id, **_difference(each)})
        if output != "table":
            write_rows(rows, (), output)
        elif todo:
            note(f"hint: heliostat deployment run {todo[0].spec.full_name!r}")


def _over(
    *,
    pool: str | None,
    work_queue: str | None,
    cron: Sequence[str],
    interval: Sequence[str],
    rrule: Sequence[str],
    anchor_date: str | None,
    timezone: str | None,
    assignments: Sequence[str],
    document: str | None,
    job_variables: Sequence[str],
    tags: Sequence[str],
    version: str | None,
    description: str | None,
    concurrency_limit: int | None,
    collision_strategy: str | None,
    enforce_parameter_schema: bool | None,
) -> Row:
    """The options of the command line as options of a deployment."""
    from ...runtime.deploying.timetable import timetable
    from .assignments import from_document

    schedules = timetable(
        cron=cron,
        interval=[seconds_of(each) for each in interval],
        anchor_date=moment_of(None, anchor_date),
        rrule=rrule,
        timezone=timezone,
    )
    if anchor_date is not None and not interval:
        raise click.UsageError("--anchor-date goes with --interval.")
    limit: Any = concurrency_limit
    if collision_strategy is not None:
        if limit is None:
            raise click.UsageError("--collision-strategy needs --concurrency-limit.")
        limit = {"limit": limit, "collision_strategy": collision_strategy}
    return {
        "work_pool_name": pool,
        "work_queue_name": work_queue,
        "schedules": schedules or None,
        "parameters": {**from_document(document), **from_assignments(assignments)},
        "job_variables": from_assignments(job_variables, option="--job-variable"),
        "tags": tags,
        "version": version,
        "description": description,
        "concurrency_limit": limit,
        "enforce_parameter_schema": enforce_parameter_schema,
    }


def _of_entrypoint(entrypoint: str, names: Sequence[str], over: Row) -> DeploymentSpec:
    from ...runtime.deploying.spec import spec_of
    from ...runtime.projects.entrypoints import load_flow

    if len(names) != 1:
        raise BadDeployment("A deployment of an entrypoint needs one name.", hint="add --name NAME")
    flow = load_flow(entrypoint)
    options = {name: value for name, value in over.items() if value not in (None, (), {})}
    return spec_of(flow, names[0], options.pop("work_pool_name", None), **options)  # pyright: ignore[reportArgumentType]


def _of_file(
    client: SyncHeliostatClient,
    file: Path | None,
    names: Sequence[str],
    all_of_them: bool,
    over: Row,
    mistakes: Mistakes,
) -> list[DeploymentSpec]:
    from ...runtime.client.setup_values import read_block, read_variable
    from ...runtime.deploying.files import FILE_NAMES, chosen, find_file, read_file, specs_of
    from ...runtime.projects.filling import Known

    path = file.absolute() if file is not None else find_file(Path.cwd())
    if path is None:
        raise BadDeployment(
            f"There is no {' or '.join(FILE_NAMES)} in {Path.cwd()}.",
            hint="write one, name it with --file, or give PATH.py:FLOW --name NAME",
        )

    known = Known(partial(read_variable, client), partial(read_block, client))
    entries = read_file(path, mistakes)
    if not all_of_them:
        mistakes.tell(1)  # which entry is meant cannot be told while some are wrong
    entries = chosen(entries, names, all_of_them, known)
    for entry in entries:
        for text in entry.notes:
            note(f"{entry.name}: {text}.")
    specs = specs_of(entries, known, over, mistakes)
    if not specs:
        mistakes.tell(len(entries))
    return specs


def _difference(todo: Plan) -> Row:
    """The fields that deploying changes: all of a new deployment, those that differ of an existing one."""
    what = "new" if todo.changes is None else "changed" if todo.changes else "unchanged"
    changes: list[Row] = (
        [{"field": name, "before": None, "after": value} for name, value in todo.body.items()]
        if todo.changes is None
        else [change.to_json() for change in todo.changes]
    )
    return {"name": todo.spec.full_name, "what": what, "changes": changes, "notes": todo.notes}


def _tell(plans: Sequence[Plan], output: str) -> None:
    if output != "table":
        write_rows([_difference(each) for each in plans], (), output)
        return
    for todo in plans:
        name = todo.spec.full_name
        if todo.changes is None:
            click.echo(f"{name}: new, in work pool {todo.spec.work_pool_name!r}")
        elif not todo.changes:
            click.echo(f"{name}: no change")
        else:
            click.echo(f"{name}: changes")
            for change in todo.changes:
                click.echo(f"  {change.field}: {_word(change.before)} -> {_word(change.after)}")
        for text in todo.notes:
            note(f"{text}.")


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
