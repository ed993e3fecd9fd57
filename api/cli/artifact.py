"""`heliostat artifact`: what runs show beside their results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.errors import NotFound
from .. import page_addresses
from .lazy import Noun, verb
from .output import (
    Column,
    Row,
    output_option,
    write_json,
    write_one,
    write_page,
    write_rows,
    yes_option,
)
from .records import limit_option, offset_option
from .references import meant, reference
from .remote import as_uuid, not_found
from .things import all_of, delete_each, dry_run_option, with_api
from .times import ago_text, local_text
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_COLUMNS = (
    Column("ID", "id", "cyan"),
    Column("Key", "key", "bold"),
    Column("Type", "type"),
    Column("Changed", lambda row: ago_text(row["updated"])),
    Column("Flow run", "flow_run_id"),
)


@click.group(cls=Noun)
def artifact() -> None:
    """See and delete artifacts: what runs show beside their results."""


@verb(artifact, "ls", "heliostat artifact ls", "heliostat artifact ls --all --limit 5 -o json")
@click.option("--all", "-a", "every", is_flag=True, help="Every version, not the newest of each key only.")
@limit_option(100)
@offset_option
@output_option
@web_option
def ls(every: bool, limit: int, offset: int, output: str, web: bool) -> None:
    """List the newest artifact of each key, newest first."""
    if web:
        open_page("/artifacts")
        return

    async def read(client: HeliostatClient) -> list[Row]:
        if every:
            return await all_of(client, "/artifacts/filter", limit, offset, sort="CREATED_DESC")
        found = await all_of(client, "/artifacts/latest/filter", limit, offset, sort="CREATED_DESC")
        return [{**row, "id": row["latest_id"]} for row in found]

    write_page(with_api(read), _COLUMNS, output, limit, offset, empty="No artifacts.")


@verb(artifact, "inspect", "heliostat artifact inspect report", "heliostat artifact inspect report --limit 1")
@reference("key", "KEY", "artifact")
@limit_option(10)
@output_option
@web_option
def inspect(key: str, limit: int, output: str, web: bool) -> None:
    """Show the versions of a key, newest first, or the artifact with an id."""
    found = with_api(lambda client: _versions(client, key, limit))[:limit]
    if web and found:
        open_page(page_addresses.artifact(found[0]["key"] or found[0]["id"]))
    elif output != "table":
        write_rows(found, _COLUMNS, output)
    else:
        for place, row in enumerate(found):
            if place:
                click.echo()
            _show(row)


@verb(artifact, "get", "heliostat artifact get report > report.md")
@reference("key", "KEY", "artifact")
def get(key: str) -> None:
    """Write what the newest artifact of a key (or the one with an id) shows: text as it is, else JSON."""
    found = with_api(lambda client: _versions(client, key, 1))[0]
    if isinstance(found["data"], str):
        click.echo(found["data"])
    else:
        write_json(found["data"])


@verb(
    artifact,
    "delete",
    "heliostat artifact delete report --yes",
    "heliostat artifact delete --id 0199c1d2-0000-7000-8000-000000000000 --dry-run",
)
@reference("key", "[KEY]", "artifact", required=False)
@click.option("--id", "artifact_id", metavar="ID", help="Delete this one only, not all versions of a key.")
@dry_run_option
@yes_option
def delete(key: str | None, artifact_id: str | None, dry_run: bool, yes: bool) -> None:
    """Delete all versions of a key, or the artifact with an id."""
    if (key is None) == (artifact_id is None):
        raise click.UsageError("Give a key or --id.")
    found = with_api(lambda client: _versions(client, artifact_id or str(key), None))
    label = [(f"{row['key'] or 'without a key'} ({row['id']})", row["id"]) for row in found]
    delete_each("artifact", label, "/artifacts", dry_run=dry_run, yes=yes)


async def _versions(client: HeliostatClient, reference: str, limit: int | None) -> list[Row]:
    """The versions of a key, newest first; the one artifact with an id; the newest of all for @last."""
    wanted = meant(reference)
    if as_uuid(wanted) is not None:
        try:
            return [await client.request("GET", f"/artifacts/{wanted}")]
        except NotFound:
            raise NotFound(f"There is no artifact {wanted}.", hint="heliostat artifact ls") from None
    asked: dict[str, Any] = {} if wanted == "@last" else {"artifacts": {"key": {"any_": [wanted]}}}
    most = 1 if wanted == "@last" else limit
    found = await all_of(client, "/artifacts/filter", most, sort="CREATED_DESC", **asked)
    if found:
        return found[:most]
    known = await all_of(client, "/artifacts/latest/filter")
    raise not_found("artifact", wanted, [row["key"] for row in known], "heliostat artifact ls")


def _show(row: Row) -> None:
    data = row["data"]
    write_one(
        (
            ("id", row["id"]),
            ("key", row["key"]),
            ("type", row["type"]),
            ("description", row["description"]),
            ("flow run", row["flow_run_id"]),
            ("task run", row["task_run_id"]),
            ("created", local_text(row["created"])),
            ("changed", local_text(row["updated"])),
        )
    )
    click.echo(data if isinstance(data, str) else json.dumps(data, indent=2, ensure_ascii=False))
