"""`heliostat flow`: list the flows that have run, and run one."""

from __future__ import annotations

import click

from .. import page_addresses
from .assignments import parameter_options
from .lazy import Lazy, Noun, verb
from .output import Column, output_option, write_page
from .records import limit_option, offset_option
from .sources import with_runs
from .times import ago
from .web import open_page, web_option


@click.group(
    cls=Noun,
    lazy={"serve": Lazy(".flow_serve:serve", "Run a flow's scheduled and asked-for runs from here.")},
)
def flow() -> None:
    """List flows, and run or serve one."""


@verb(flow, "ls", "heliostat flow ls", "heliostat flow ls --output json")
@limit_option(50)
@offset_option
@output_option
@web_option
def ls(limit: int, offset: int, output: str, web: bool) -> None:
    """List the flows that have run, by name."""
    if web:
        open_page(page_addresses.FLOWS)
        return
    columns = (
        Column("ID", "id", "cyan"),
        Column("Name", "name", "bold"),
        Column("Tags", lambda row: ", ".join(row["tags"])),
        Column("First run", lambda row: ago(row["created"])),
    )
    found = with_runs(lambda runs: runs.flows(limit, offset))
    write_page(found, columns, output, limit, offset, empty="No flow has run yet.")


@verb(
    flow,
    "run",
    "heliostat flow run pipeline.py:nightly",
    "heliostat flow run pipeline.py:nightly --param day=2026-01-31 --param limit=10 --tag backfill",
    """heliostat flow run package.module:nightly --params '{"limit": 10}' --runner threads""",
)
@click.argument("entrypoint", metavar="PATH.py:FLOW")
@parameter_options
@click.option("--name", metavar="NAME", help="Name of the run.")
@click.option("--tag", "-t", "tag_names", metavar="TAG", multiple=True, help="Tag of the run; repeatable.")
@click.option("--runner", type=click.Choice(["ray", "threads", "inline"]), help="Where the tasks run.")
def run(
    entrypoint: str,
    assignments: tuple[str, ...],
    document: str | None,
    name: str | None,
    tag_names: tuple[str, ...],
    runner: str | None,
) -> int:
    """Run a flow in this process. ENTRYPOINT is PATH.py:FLOW or package.module:FLOW.

    A VALUE that is valid JSON is read as JSON, any other as text, then converted to the parameter's type.
    The exit code is 1 when the run did not complete.
    """
    from .running import run_flow

    return run_flow(entrypoint, assignments, document, name, tag_names, runner)
