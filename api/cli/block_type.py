"""`heliostat block type`: types of blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import click

from .lazy import Noun, verb
from .output import Column, Row, output_option, write_json, write_one, write_page, write_rows, yes_option
from .records import limit_option, offset_option
from .references import reference
from .things import all_of, delete_each, dry_run_option, find, with_api

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient


@click.group("type", cls=Noun)
def block_type() -> None:
    """See and delete types of blocks."""


@verb(block_type, "ls", "heliostat block type ls", "heliostat block type ls --json slug,name")
@limit_option(200)
@offset_option
@output_option
def ls(limit: int, offset: int, output: str) -> None:
    """List types of blocks by name."""
    found = with_api(lambda client: all_of(client, "/block_types/filter", limit, offset))
    columns = (
        Column("Slug", "slug", "bold"),
        Column("Name", "name"),
        Column("Description", lambda row: str(row["description"] or "").split("\n")[0]),
    )
    write_page(found, columns, output, limit, offset, empty="No types of blocks.")


@verb(block_type, "inspect", "heliostat block type inspect slack-webhook")
@reference("slug", "SLUG", "block type")
@output_option
def inspect(slug: str, output: str) -> None:
    """Show a type of blocks with its fields."""

    async def read(client: HeliostatClient) -> Row:
        found = await _find(client, slug)
        asked: dict[str, Any] = {"block_schemas": {"block_type_id": {"any_": [found["id"]]}}}
        schemas = await all_of(client, "/block_schemas/filter", 1, **asked)
        return {**found, "fields": schemas[0]["fields"] if schemas else {}}

    found = with_api(read)
    if output != "table":
        write_json(found, indent=output == "json")
        return
    write_one(
        (
            ("id", found["id"]),
            ("slug", found["slug"]),
            ("name", found["name"]),
            ("description", found["description"]),
            ("documentation", found["documentation_url"]),
            ("came with the server", "yes" if found["is_protected"] else None),
        )
    )
    required = cast("list[str]", found["fields"].get("required") or [])
    fields = cast("dict[str, Row]", found["fields"].get("properties") or {})
    rows: list[Row] = [
        {"name": name, "required": name in required, **field} for name, field in fields.items()
    ]
    columns = (
        Column("Field", "name", "bold"),
        Column("Needed", lambda row: "yes" if row["required"] else ""),
        Column("Type", lambda row: row.get("format") or row.get("type")),
        Column("Default", lambda row: json.dumps(row["default"]) if "default" in row else ""),
        Column("Description", "description"),
    )
    if rows:
        click.echo("\nFields")
        write_rows(rows, columns, "table")


@verb(
    block_type,
    "delete",
    "heliostat block type delete my-type --yes",
    "heliostat block type delete my-type --dry-run",
)
@reference("slug", "SLUG", "block type")
@dry_run_option
@yes_option
def delete(slug: str, dry_run: bool, yes: bool) -> None:
    """Delete a type of blocks with its schemas and blocks. Those of the server stay."""
    found = with_api(lambda client: _find(client, slug))
    delete_each(
        "block type",
        [(found["slug"], found["id"])],
        "/block_types",
        dry_run=dry_run,
        yes=yes,
        with_it=" with its blocks",
    )


async def _find(client: HeliostatClient, slug: str) -> Row:
    rows = await all_of(client, "/block_types/filter")
    return find(rows, slug, "block type", "heliostat block type ls", lambda row: row["slug"])
