"""`heliostat deployment backfill`: the runs of a schedule for times that have passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation import clock
from ...runtime.states import Scheduled
from .assignments import check_names, from_assignments
from .lazy import Verb
from .output import Column, Row, confirm_or_refuse, note, output_option, write_rows, yes_option
from .references import reference
from .remote import find_deployment, full_names, with_client
from .schedule_words import in_words
from .things import dry_run_option
from .times import local
from .when import moment_of, seconds_of

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import Deployment

_AT_A_TIME = 200  # dates of one look at a schedule


@click.command(
    "backfill",
    cls=Verb,
    examples=(
        "heliostat deployment backfill etl/nightly --from 2026-01-01 --to 2026-02-01 --dry-run",
        "heliostat deployment backfill etl/nightly --from 2026-01-01 --time-parameter day --yes",
        "heliostat deployment backfill etl/nightly --from 2026-01-01 --to 2026-01-02 --interval 1h --yes",
    ),
)
@reference("deployment", "DEPLOYMENT", "deployment")
@click.option("--from", "start", metavar="TIME", required=True, help="The first time, such as 2026-01-31.")
@click.option("--to", "end", metavar="TIME", help="The time before which it ends. Default: now.")
@click.option("--interval", metavar="DURATION", help="Times this far apart, in place of the schedules' own.")
@click.option("--param", "-p", "assignments", metavar="NAME=VALUE", multiple=True, help="For each run.")
@click.option("--time-parameter", metavar="NAME", help="The parameter that gets the time of each run.")
@click.option(
    "--max", "most", type=click.IntRange(1), default=100, show_default=True, help="No more runs than this."
)
@dry_run_option
@yes_option
@output_option
def backfill(
    deployment: str,
    start: str,
    end: str | None,
    interval: str | None,
    assignments: tuple[str, ...],
    time_parameter: str | None,
    most: int,
    dry_run: bool,
    yes: bool,
    output: str,
) -> None:
    """Make a run for each time at which the active schedules would have run in a range.

    A run that an earlier backfill made for the same time is not made again. All runs have the tag backfill,
    are due at once, and take their turn as the limits of deployment and pool let them.
    """
    first, last = _moment(start), _moment(end) if end else clock.now()
    if last <= first:
        raise click.BadParameter(f"--to {end or 'now'} is not after --from {start}.")
    found = with_client(lambda client: find_deployment(client, deployment))
    given = from_assignments(assignments, found.parameter_openapi_schema)
    named = {**given, **({time_parameter: ""} if time_parameter else {})}
    check_names(named, found.parameter_openapi_schema)
    times = _times(found, first, last, interval, most)
    if not times:
        note("The schedules have no time in that range.")
        return
    rows: list[Row] = [{"time": each.isoformat(), "id": None, "name": None} for each in times]
    if not dry_run:
        confirm_or_refuse(f"Make {len(times)} run(s) of {deployment!r}?", yes)
        rows = with_client(lambda client: _make(client, found, times, given, time_parameter))
    columns = (
        Column("For", lambda row: local(datetime.fromisoformat(row["time"])), "bold"),
        Column("Run", "name"),
        Column("ID", "id", "cyan"),
    )
    write_rows(rows, columns, output)
    note(f"{'Would make' if dry_run else 'Made'} {len(rows)} run(s) of {deployment!r}.")


def _times(
    deployment: Deployment, first: datetime, last: datetime, interval: str | None, most: int
) -> list[datetime]:
    from ...runtime.scheduling.schedules import schedule_from_json

    if interval is not None:
        rules: Sequence[Any] = [{"interval": seconds_of(interval), "anchor_date": first.isoformat()}]
    else:
        rules = [each.schedule for each in deployment.schedules if each.active]
        if not rules:
            raise click.UsageError("The deployment has no active schedule. Add --interval, such as 1d.")
    found: set[datetime] = set()
    for rule in rules:
        schedule, at = schedule_from_json(rule), first - timedelta(microseconds=1)
        while dates := [each for each in schedule.dates(at, _AT_A_TIME) if at < each < last]:
            found.update(each for each in dates if each >= first)
            at = dates[-1]
            if len(found) > most:
                raise click.UsageError(
                    f"{in_words(rule)} has more than {most} times there: use --max or a shorter range."
                )
    return sorted(found)


async def _make(
    client: HeliostatClient,
    deployment: Deployment,
    times: Sequence[datetime],
    given: Mapping[str, Any],
    time_parameter: str | None,
) -> list[Row]:
    name = (await full_names(client, [deployment]))[deployment.id]
    rows: list[Row] = []
    for each in times:
        at = each.isoformat()
        run = await client.create_flow_run_from_deployment(
            deployment.id,
            parameters={**given, **({time_parameter: at} if time_parameter else {})},
            state=Scheduled(each),
            tags=["backfill"],
            idempotency_key=f"backfill {name} {at}",
        )
        rows.append({"time": at, "id": str(run.id), "name": run.name})
    return rows


def _moment(text: str) -> datetime:
    moment = moment_of(None, text)
    assert moment is not None
    return moment
