"""`heliostat deployment schedule`: when a deployment runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from ...runtime.foundation import clock
from ...runtime.foundation.errors import NotFound
from .assignments import from_assignments
from .lazy import Noun, verb
from .output import (
    Column,
    Row,
    can_ask,
    confirm_or_refuse,
    note,
    output_option,
    write_json,
    write_rows,
    yes_option,
)
from .references import reference
from .remote import find_deployment, pages, with_client
from .schedule_words import in_words, set_by
from .things import dry_run_option
from .times import ago, local

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import Deployment, DeploymentSchedule

deployment_argument = reference("deployment", "DEPLOYMENT", "deployment")
schedule_argument = click.argument("schedule_id", metavar="SCHEDULE")


@click.group(cls=Noun)
def schedule() -> None:
    """See and change when a deployment runs.

    SCHEDULE is an id, its first or last 8 characters, or the schedule's slug.
    """


@verb(schedule, "ls", "heliostat deployment schedule ls etl/nightly")
@deployment_argument
@output_option
def ls(deployment: str, output: str) -> None:
    """List the schedules of a deployment."""

    async def read(client: HeliostatClient) -> list[Row]:
        found = await find_deployment(client, deployment)
        return [each.to_json() for each in await client.read_deployment_schedules(found.id)]

    columns = (
        Column("ID", "id", "cyan"),
        Column("When", lambda row: in_words(row["schedule"]), "bold"),
        Column("Active", lambda row: "yes" if row["active"] else "no"),
        Column("Slug", "slug"),
        Column("Set", lambda row: set_by(row)),
        Column("Next", lambda row: ago(_next(row["schedule"]))),
    )
    write_rows(with_client(read), columns, output, empty="No schedules.")


@verb(
    schedule,
    "create",
    "heliostat deployment schedule create etl/nightly --cron '30 6 * * *' --timezone Europe/Berlin",
    "heliostat deployment schedule create etl/nightly --interval 1h",
    "heliostat deployment schedule create etl/nightly --rrule 'FREQ=WEEKLY;BYDAY=MO' --param limit=3",
)
@deployment_argument
@click.option("--cron", metavar="EXPRESSION", help="Run by a cron expression of 5 or 6 fields.")
@click.option("--interval", metavar="DURATION", help="Run every 90 (s), 10m, 1h, 1d.")
@click.option("--rrule", metavar="RULE", help="Run by a recurrence rule (RFC 5545).")
@click.option("--timezone", metavar="ZONE", help="Time zone, such as Europe/Berlin.")
@click.option("--anchor-date", metavar="TIME", help="The time from which an interval counts.")
@click.option("--param", "-p", "assignments", metavar="NAME=VALUE", multiple=True, help="For its runs.")
@click.option("--slug", metavar="NAME", help="A short name for the schedule.")
@click.option(
    "--day_or/--no-day_or",
    "day_or",
    default=None,
    help="Whether a cron expression with day and weekday means either of them (default) or both.",
)
@click.option(
    "--active/--no-active", default=True, show_default=True, help="Whether the schedule makes runs yet."
)
@click.option("--inactive", is_flag=True, help="Short for --no-active.")
@click.option("--replace", is_flag=True, help="Replace the schedules that the deployment has.")
@yes_option
def create(
    deployment: str,
    cron: str | None,
    interval: str | None,
    rrule: str | None,
    timezone: str | None,
    anchor_date: str | None,
    assignments: tuple[str, ...],
    slug: str | None,
    day_or: bool | None,
    active: bool,
    inactive: bool,
    replace: bool,
    yes: bool,
) -> None:
    """Add a schedule to a deployment. A bad schedule changes nothing. --replace asks on a terminal."""
    entry = _entry(cron, interval, rrule, timezone, anchor_date, day_or)
    entry["active"] = active and not inactive
    if slug:
        entry["slug"] = slug

    async def act(client: HeliostatClient) -> list[DeploymentSchedule]:
        found = await find_deployment(client, deployment)
        if assignments:
            entry["parameters"] = from_assignments(assignments, found.parameter_openapi_schema)
        before = found.schedules if replace else []
        if before and can_ask():  # elsewhere --replace says enough
            confirm_or_refuse(f"Replace {len(before)} schedule(s) of {deployment!r}?", yes)
        made = await client.create_deployment_schedules(found.id, [entry])
        for each in before:
            await client.delete_deployment_schedule(found.id, each.id)
        return made

    [made] = with_client(act)
    note(f"Deployment {deployment!r} runs: {in_words(made.schedule)}; next {local(_next(made.schedule))}.")
    click.echo(made.id)


@verb(
    schedule,
    "preview",
    "heliostat deployment schedule preview etl/nightly",
    "heliostat deployment schedule preview etl/nightly --count 20 --output json",
    "heliostat deployment schedule preview --cron '30 6 * * MON-FRI' --timezone Europe/Berlin",
)
@click.argument("deployment", metavar="DEPLOYMENT", required=False)
@click.option("--cron", metavar="EXPRESSION", help="Times of this expression, without a deployment.")
@click.option("--interval", metavar="DURATION", help="Times of this interval.")
@click.option("--rrule", metavar="RULE", help="Times of this recurrence rule.")
@click.option("--timezone", metavar="ZONE", help="Time zone, such as Europe/Berlin.")
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@output_option
def preview(
    deployment: str | None,
    cron: str | None,
    interval: str | None,
    rrule: str | None,
    timezone: str | None,
    count: int,
    output: str,
) -> None:
    """Show when a deployment will run next, by all its active schedules."""
    if deployment is not None:
        found = with_client(lambda client: find_deployment(client, deployment))
        rules = [each.schedule for each in found.schedules if each.active]
    else:
        rules = [_entry(cron, interval, rrule, timezone, None)["schedule"]]
    rows = _upcoming(rules, count)
    columns = (
        Column("At", lambda row: local(row["time"]), "bold"),
        Column("From now", lambda row: ago(row["time"])),
        Column("By", lambda row: in_words(row["schedule"])),
    )
    write_rows(rows, columns, output, empty="The deployment has no active schedule.")


def _one_or_all(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--all", "every", is_flag=True, help="All schedules: of the deployment, or of all deployments."
    )(command)
    command = click.argument("schedule_id", metavar="[SCHEDULE]", required=False)(command)
    return reference("deployment", "[DEPLOYMENT]", "deployment", required=False)(command)


@verb(
    schedule,
    "pause",
    "heliostat deployment schedule pause etl/nightly 5b6d7e8f",
    "heliostat deployment schedule pause --all",
)
@_one_or_all
def pause(deployment: str | None, schedule_id: str | None, every: bool) -> None:
    """Let a schedule make no runs until it is resumed."""
    _set_active(deployment, schedule_id, every, False)


@verb(schedule, "resume", "heliostat deployment schedule resume etl/nightly 5b6d7e8f")
@_one_or_all
def resume(deployment: str | None, schedule_id: str | None, every: bool) -> None:
    """Let a paused schedule make runs again, from now on."""
    _set_active(deployment, schedule_id, every, True)


@verb(schedule, "delete", "heliostat deployment schedule delete etl/nightly 5b6d7e8f --yes")
@deployment_argument
@schedule_argument
@dry_run_option
@yes_option
def delete(deployment: str, schedule_id: str, dry_run: bool, yes: bool) -> None:
    """Delete a schedule, and the runs that it made ahead."""

    async def find(client: HeliostatClient) -> tuple[UUID, DeploymentSchedule]:
        found = await find_deployment(client, deployment)
        return found.id, _meant(found, schedule_id)

    deployment_id, meant = with_client(find)
    if dry_run:
        note(f"Would delete the schedule {in_words(meant.schedule)} of {deployment!r}.")
        return
    confirm_or_refuse(f"Delete the schedule {in_words(meant.schedule)} of {deployment!r}?", yes)
    with_client(lambda client: client.delete_deployment_schedule(deployment_id, meant.id))
    note("Deleted 1 schedule.")


@verb(schedule, "clear", "heliostat deployment schedule clear etl/nightly --yes")
@deployment_argument
@dry_run_option
@yes_option
def clear(deployment: str, dry_run: bool, yes: bool) -> None:
    """Delete all schedules of a deployment."""
    found = with_client(lambda client: find_deployment(client, deployment))
    if dry_run:
        note(f"Would delete {len(found.schedules)} schedule(s) of {deployment!r}.")
        return
    confirm_or_refuse(f"Delete {len(found.schedules)} schedule(s) of {deployment!r}?", yes)

    async def act(client: HeliostatClient) -> None:
        for each in found.schedules:
            await client.delete_deployment_schedule(found.id, each.id)

    with_client(act)
    note(f"Deleted {len(found.schedules)} schedule(s).")


@verb(schedule, "inspect", "heliostat deployment schedule inspect etl/nightly 5b6d7e8f --output json")
@deployment_argument
@schedule_argument
@output_option
def inspect(deployment: str, schedule_id: str, output: str) -> None:
    """Show one schedule."""
    found = with_client(lambda client: find_deployment(client, deployment))
    write_json(_meant(found, schedule_id).to_json(), indent=output != "jsonl")


def _set_active(deployment: str | None, schedule_id: str | None, every: bool, active: bool) -> None:
    if bool(schedule_id) == every or (schedule_id and not deployment):
        raise click.UsageError("Give a deployment and a schedule, or --all.")

    async def act(client: HeliostatClient) -> list[str]:
        done: list[str] = []
        for found in (
            [await find_deployment(client, deployment)]
            if deployment
            else await pages(client.read_deployments, None)
        ):
            for meant in found.schedules if every else [_meant(found, str(schedule_id))]:
                if not every or meant.active != active:
                    await client.update_deployment_schedule(found.id, meant.id, active=active)
                    done.append(in_words(meant.schedule))
        return done

    done = with_client(act)
    what = "active" if active else "paused"
    if every:
        note(f"{len(done)} schedule(s) are {what} now.")
    else:
        note(f"Schedule {done[0]} is {what}.")


def _meant(deployment: Deployment, reference: str) -> DeploymentSchedule:
    digits = reference.replace("-", "").lower()
    fitting = [each for each in deployment.schedules if reference == each.slug] or [
        each
        for each in deployment.schedules
        if each.id.hex.startswith(digits) or each.id.hex.endswith(digits)
    ]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(str(each.id) for each in deployment.schedules) or "none"
    what = "no schedule" if not fitting else f"{len(fitting)} schedules"
    raise NotFound(f"The deployment has {what} {reference!r}.", hint=f"it has: {known}")


def _entry(
    cron: str | None,
    interval: str | None,
    rrule: str | None,
    timezone: str | None,
    anchor: str | None,
    day_or: bool | None = None,
) -> Row:
    """The schedule that the options describe. Raises BadSchedule, UsageError."""
    from ...runtime.deploying.timetable import schedule_entry
    from .when import seconds_of

    given = {"cron": cron, "interval": None if interval is None else seconds_of(interval), "rrule": rrule}
    rule: Row = {name: value for name, value in given.items() if value is not None}
    if len(rule) != 1:
        raise click.UsageError("Give one of --cron, --interval and --rrule.")
    if day_or is not None and cron is None:
        raise click.UsageError("--day_or goes with --cron.")
    more = {"timezone": timezone or None, "anchor_date": anchor or None, "day_or": day_or}
    given_too = {name: value for name, value in more.items() if value is not None}
    entry = schedule_entry({"schedule": rule | given_too})
    return {**entry, "schedule": {k: v for k, v in entry["schedule"].items() if v is not None}}


def _next(rule: Row) -> datetime | None:
    from ...runtime.scheduling.schedules import schedule_from_json

    return schedule_from_json(rule).next_date(clock.now())


def _upcoming(rules: list[Row], count: int) -> list[Row]:
    from ...runtime.scheduling.schedules import schedule_from_json

    now = clock.now()
    rows: list[Row] = [
        {"time": date, "schedule": rule}
        for rule in rules
        for date in schedule_from_json(rule).dates(now, count)
    ]
    return sorted(rows, key=lambda row: row["time"])[:count]
