"""`heliostat flow serve`: a process that executes the runs of one flow."""

from __future__ import annotations

from typing import Any

import click

from .lazy import Verb
from .when import seconds_of


@click.command(
    "serve",
    cls=Verb,
    examples=(
        "heliostat flow serve pipeline.py:nightly --name here",
        "heliostat flow serve pipeline.py:nightly --name here --cron '30 6 * * *' --limit 2",
    ),
)
@click.argument("entrypoint", metavar="PATH.py:FLOW")
@click.option("--name", "-n", required=True, metavar="NAME", help="Name of the deployment.")
@click.option("--description", "-d", metavar="TEXT", help="What it is for. Default: the flow's own.")
@click.option("--version", "-v", metavar="TEXT", help="Its version.")
@click.option("--tag", "-t", "tags", metavar="TAG", multiple=True, help="A tag; repeatable.")
@click.option("--cron", metavar="EXPRESSION", help="Run by a cron expression.")
@click.option("--interval", metavar="DURATION", help="Run every 90 (s), 10m, 1h, 1d.")
@click.option("--anchor-date", metavar="TIME", help="The time from which an interval counts.")
@click.option("--rrule", metavar="RULE", help="Run by a recurrence rule (RFC 5545).")
@click.option("--timezone", metavar="ZONE", help="Time zone of --cron and --rrule.")
@click.option(
    "--pause-on-shutdown/--no-pause-on-shutdown",
    default=True,
    show_default=True,
    help="Whether schedules are paused when it ends.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The most runs at once in this process.")
@click.option("--global-limit", type=click.IntRange(1), metavar="N", help="The same for all processes.")
def serve(
    entrypoint: str,
    name: str,
    interval: str | None,
    anchor_date: str | None,
    pause_on_shutdown: bool,
    limit: int | None,
    global_limit: int | None,
    tags: tuple[str, ...],
    **more: str | None,
) -> None:
    """Deploy a flow and execute its scheduled and asked-for runs from this process, until Ctrl-C."""
    from ...runtime.flows import Flow
    from ...runtime.projects.entrypoints import load_flow
    from .when import moment_of

    if anchor_date is not None and interval is None:
        raise click.UsageError("--anchor-date goes with --interval.")
    flow = load_flow(entrypoint)
    assert isinstance(flow, Flow)
    options: dict[str, Any] = {key: value for key, value in more.items() if value is not None}
    if tags:
        options["tags"] = list(tags)
    if interval is not None:
        options["interval"] = seconds_of(interval)
    if anchor_date is not None:
        options["anchor_date"] = moment_of(None, anchor_date)
    if global_limit is not None:
        options["concurrency_limit"] = global_limit
    flow.serve(name, pause_on_shutdown=pause_on_shutdown, limit=limit, **options)
