"""`heliostat concurrency-limit`: limits on the task runs with a tag."""

from __future__ import annotations

import click

from .lazy import Noun, verb
from .limit_holders import holders_option, release_slots, write_holders
from .output import (
    Column,
    Row,
    confirm_or_refuse,
    note,
    output_option,
    write_json,
    write_one,
    write_page,
    yes_option,
)
from .records import limit_option, offset_option
from .references import reference
from .things import all_of, delete_each, dry_run_option, find, in_path, with_api
from .times import local_text

_LS = "heliostat concurrency-limit ls"
_PATH = "/concurrency_limits"
tag_argument = reference("tag", "TAG", "tag limit")


@click.group("concurrency-limit", cls=Noun)
def concurrency_limit() -> None:
    """See, make and change limits on the task runs with a tag."""


@verb(concurrency_limit, "ls", "heliostat concurrency-limit ls", "heliostat concurrency-limit ls -o json")
@limit_option(200)
@offset_option
@output_option
def ls(limit: int, offset: int, output: str) -> None:
    """List limits by tag."""
    found = with_api(lambda client: all_of(client, f"{_PATH}/filter", limit, offset))
    columns = (
        Column("Tag", "tag", "bold"),
        Column("Limit", "concurrency_limit"),
        Column("In use", lambda row: len(row["active_slots"])),
        Column("ID", "id", "cyan"),
    )
    write_page(found, columns, output, limit, offset, empty="No limits on tags.")


@verb(concurrency_limit, "inspect", "heliostat concurrency-limit inspect database")
@tag_argument
@output_option
def inspect(tag: str, output: str) -> None:
    """Show the limit on a tag with the task runs that hold its slots."""
    found = _read(tag)
    if output != "table":
        write_json(found, indent=output == "json")
        return
    write_one(
        (
            ("id", found["id"]),
            ("tag", found["tag"]),
            ("limit", found["concurrency_limit"]),
            ("task runs", ", ".join(found["active_slots"]) or None),
            ("created", local_text(found["created"])),
            ("changed", local_text(found["updated"])),
        )
    )


@verb(concurrency_limit, "create", "heliostat concurrency-limit create database 5")
@tag_argument
@click.argument("limit", type=click.IntRange(0), metavar="LIMIT")
def create(tag: str, limit: int) -> None:
    """Let at most LIMIT task runs with a tag run at once. A tag that has a limit gets the new one."""
    body = {"tag": tag, "concurrency_limit": limit}
    made: Row = with_api(lambda client: client.request("POST", f"{_PATH}/", body))
    note(f"At most {limit} task run(s) with the tag {tag!r} run at once.")
    click.echo(made["id"])


@verb(concurrency_limit, "reset", "heliostat concurrency-limit reset database --yes")
@tag_argument
@dry_run_option
@yes_option
def reset(tag: str, dry_run: bool, yes: bool) -> None:
    """Take the slots of a tag away from all task runs, which go on."""
    found = _read(tag)
    what = f"{len(found['active_slots'])} slot(s) of the tag {found['tag']!r}"
    if dry_run:
        note(f"Would release {what}.")
        return
    confirm_or_refuse(f"Release {what}? Task runs that hold them go on.", yes)
    with_api(lambda client: client.request("POST", f"{_PATH}/tag/{in_path(found['tag'])}/reset", {}))
    note(f"Released {what}.")


@verb(
    concurrency_limit,
    "delete",
    "heliostat concurrency-limit delete database --yes",
    "heliostat concurrency-limit delete database --dry-run",
)
@reference("tags", "TAG...", "tag limit", nargs=-1)
@dry_run_option
@yes_option
def delete(tags: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete the limits on tags."""
    found = [_read(tag) for tag in tags]
    delete_each(
        "limit", [(row["tag"], row["tag"]) for row in found], f"{_PATH}/tag", dry_run=dry_run, yes=yes
    )


@verb(concurrency_limit, "holders", "heliostat concurrency-limit holders database")
@tag_argument
@output_option
def holders(tag: str, output: str) -> None:
    """Show who holds slots of a tag, and who waits for one."""
    write_holders(f"tag:{_read(tag)['tag']}", output)


@verb(
    concurrency_limit,
    "release",
    "heliostat concurrency-limit release database 0199c1d2 --yes",
    "heliostat concurrency-limit release database --all --dry-run",
)
@tag_argument
@holders_option
@dry_run_option
@yes_option
def release(tag: str, leases: tuple[str, ...], every: bool, dry_run: bool, yes: bool) -> None:
    """Take slots of a tag away from their holders, which go on. `holders` shows the leases."""
    release_slots(f"tag:{_read(tag)['tag']}", leases, every, dry_run=dry_run, yes=yes)


def _read(tag: str) -> Row:
    return find(
        with_api(lambda client: all_of(client, f"{_PATH}/filter")), tag, "limit", _LS, lambda row: row["tag"]
    )
