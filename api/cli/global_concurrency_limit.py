"""`heliostat global-concurrency-limit`: named limits that flows, tasks and deployments share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .lazy import Noun, verb
from .limit_holders import holders_option, release_slots, write_holders
from .output import (
    Column,
    Row,
    note,
    output_option,
    write_json,
    write_one,
    write_page,
    yes_option,
)
from .records import limit_option, offset_option
from .references import reference
from .remote import changed
from .things import all_of, delete_each, dry_run_option, find, with_api
from .times import local_text

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_LS = "heliostat global-concurrency-limit ls"
_PATH = "/v2/concurrency_limits"
name_argument = reference("name", "NAME", "global limit")
active_slots_option = click.option(
    "--active-slots", type=click.IntRange(0), metavar="N", help="How many slots count as taken."
)
decay_option = click.option(
    "--slot-decay-per-second",
    type=click.FloatRange(0),
    metavar="RATE",
    help="How many slots come back each second by themselves, as rate limits need.",
)


@click.group("global-concurrency-limit", cls=Noun)
def global_concurrency_limit() -> None:
    """See, make and change named limits that flows, tasks and deployments share. Short: gcl."""


@verb(
    global_concurrency_limit,
    "ls",
    "heliostat global-concurrency-limit ls",
    "heliostat global-concurrency-limit ls -o json",
)
@limit_option(200)
@offset_option
@output_option
def ls(limit: int, offset: int, output: str) -> None:
    """List limits by name."""
    found = with_api(lambda client: all_of(client, f"{_PATH}/filter", limit, offset))
    columns = (
        Column("Name", "name", "bold"),
        Column("ID", "id", "cyan"),
        Column("Limit", "limit"),
        Column("In use", "active_slots"),
        Column("Decay a second", lambda row: row["slot_decay_per_second"] or ""),
        Column("Enabled", lambda row: "yes" if row["active"] else "no"),
    )
    write_page(found, columns, output, limit, offset, empty="No limits.")


@verb(global_concurrency_limit, "inspect", "heliostat global-concurrency-limit inspect database")
@name_argument
@click.option(
    "--file",
    "-f",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JSON to this file instead.",
)
@output_option
def inspect(name: str, file: Path | None, output: str) -> None:
    """Show a limit."""
    found = _read(name)
    if file is not None:
        import json

        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        note(f"Wrote {file}.")
    elif output != "table":
        write_json(found, indent=output == "json")
    else:
        write_one(
            (
                ("id", found["id"]),
                ("name", found["name"]),
                ("limit", found["limit"]),
                ("in use", found["active_slots"]),
                ("decay a second", found["slot_decay_per_second"] or None),
                ("enabled", "yes" if found["active"] else "no"),
                ("created", local_text(found["created"])),
                ("changed", local_text(found["updated"])),
            )
        )


@verb(
    global_concurrency_limit,
    "create",
    "heliostat global-concurrency-limit create database --limit 5",
    "heliostat global-concurrency-limit create api-calls --limit 10 --slot-decay-per-second 2",
)
@name_argument
@click.option("--limit", "-l", type=click.IntRange(0), required=True, metavar="N", help="The most slots.")
@click.option("--disable", is_flag=True, help="Make it, but let it limit nothing yet.")
@active_slots_option
@decay_option
@output_option
def create(
    name: str,
    limit: int,
    disable: bool,
    active_slots: int | None,
    slot_decay_per_second: float | None,
    output: str,
) -> None:
    """Make a limit."""
    body = {
        "name": name,
        "limit": limit,
        "active": not disable,
        **changed(active_slots=active_slots, slot_decay_per_second=slot_decay_per_second),
    }
    made = with_api(lambda client: client.request("POST", f"{_PATH}/", body))
    if output != "table":
        write_json(made, indent=output == "json")
        return
    note(f"Limit {name!r} has {limit} slot(s).")
    click.echo(made["id"])


@verb(
    global_concurrency_limit,
    "update",
    "heliostat global-concurrency-limit update database --limit 8",
    "heliostat global-concurrency-limit update database --active-slots 0",
)
@name_argument
@click.option("--enable", is_flag=True, help="Let it limit.")
@click.option("--disable", is_flag=True, help="Let it limit nothing.")
@click.option("--limit", "-l", type=click.IntRange(0), metavar="N", help="The most slots.")
@active_slots_option
@decay_option
def update(
    name: str,
    enable: bool,
    disable: bool,
    limit: int | None,
    active_slots: int | None,
    slot_decay_per_second: float | None,
) -> None:
    """Change a limit; options that are left out stay as they are."""
    if enable and disable:
        raise click.UsageError("Give --enable or --disable, not both.")
    fields = changed(
        active=True if enable else False if disable else None,
        limit=limit,
        active_slots=active_slots,
        slot_decay_per_second=slot_decay_per_second,
    )
    if not fields:
        raise click.UsageError("Give at least one option to change.")
    _change(name, fields)
    note(f"Limit {name!r} is changed.")


@verb(global_concurrency_limit, "enable", "heliostat global-concurrency-limit enable database")
@name_argument
def enable(name: str) -> None:
    """Let a limit hold."""
    _change(name, {"active": True})
    note(f"Limit {name!r} holds.")


@verb(global_concurrency_limit, "disable", "heliostat global-concurrency-limit disable database")
@name_argument
def disable(name: str) -> None:
    """Let a limit hold nobody back, without deleting it."""
    _change(name, {"active": False})
    note(f"Limit {name!r} holds nobody back.")


@verb(
    global_concurrency_limit,
    "delete",
    "heliostat global-concurrency-limit delete database --yes",
    "heliostat global-concurrency-limit delete database --dry-run",
)
@reference("names", "NAME...", "global limit", nargs=-1)
@dry_run_option
@yes_option
def delete(names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete limits."""
    found = [_read(name) for name in names]
    delete_each("limit", [(row["name"], row["id"]) for row in found], _PATH, dry_run=dry_run, yes=yes)


@verb(global_concurrency_limit, "holders", "heliostat global-concurrency-limit holders database")
@name_argument
@output_option
def holders(name: str, output: str) -> None:
    """Show who holds slots of a limit, and who waits for one."""
    write_holders(_read(name)["name"], output)


@verb(
    global_concurrency_limit,
    "release",
    "heliostat global-concurrency-limit release database 0199c1d2 --yes",
    "heliostat global-concurrency-limit release database --all --dry-run",
)
@name_argument
@holders_option
@dry_run_option
@yes_option
def release(name: str, leases: tuple[str, ...], every: bool, dry_run: bool, yes: bool) -> None:
    """Take slots of a limit away from their holders, whose code goes on. `holders` shows the leases."""
    release_slots(_read(name)["name"], leases, every, dry_run=dry_run, yes=yes)


def _read(name: str) -> Row:
    return find(with_api(lambda client: all_of(client, f"{_PATH}/filter")), name, "limit", _LS)


def _change(name: str, fields: dict[str, Any]) -> None:
    found = _read(name)

    async def act(client: HeliostatClient) -> None:
        await client.request("PATCH", f"{_PATH}/{found['id']}", fields)

    with_api(act)
