"""`heliostat block`: settings and secrets by name."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, cast

import click

from ...runtime.foundation.errors import NotFound
from .. import page_addresses
from .assignments import from_assignments
from .lazy import Lazy, Noun, verb
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
from .references import meant, reference
from .things import all_of, delete_each, dry_run_option, find, in_path, with_api
from .times import ago_text, local_text
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_LS = "heliostat block ls"


@click.group(
    cls=Noun,
    lazy={"type": Lazy(".block_type:block_type", "See and delete types of blocks.")},
    aliases={"types": "type"},
)
def block() -> None:
    """See, make and delete blocks: settings and secrets by name.

    A block is named TYPE/NAME, such as slack-webhook/alerts, or by its id. Secrets are shown masked.
    """


@verb(block, "ls", "heliostat block ls", "heliostat block ls --type secret --json name,id")
@click.option("--type", "-t", "slug", metavar="SLUG", help="Only blocks of this type.")
@limit_option(200)
@offset_option
@output_option
@web_option
def ls(slug: str | None, limit: int, offset: int, output: str, web: bool) -> None:
    """List blocks by name."""
    if web:
        open_page("/blocks")
        return
    asked: dict[str, Any] = {"block_types": {"slug": {"any_": [slug]}}} if slug else {}
    found = with_api(lambda client: all_of(client, "/block_documents/filter", limit, offset, **asked))
    columns = (
        Column("ID", "id", "cyan"),
        Column("Type", "block_type_name"),
        Column("Name", "name", "bold"),
        Column("Slug", _slug_of),
        Column("Changed", lambda row: ago_text(row["updated"])),
    )
    write_page(found, columns, output, limit, offset, empty="No blocks.")


@verb(
    block,
    "inspect",
    "heliostat block inspect slack-webhook/alerts",
    "heliostat block inspect --id 0199c1d2-0000-7000-8000-000000000000 -o json",
)
@reference("slug", "[TYPE/NAME]", "block", required=False)
@click.option("--id", "block_id", metavar="ID", help="The block with this id.")
@output_option
@web_option
def inspect(slug: str | None, block_id: str | None, output: str, web: bool) -> None:
    """Show a block. Secrets are masked."""
    found = _read(slug, block_id)
    if web:
        open_page(page_addresses.block(found["id"]))
        return
    if output != "table":
        write_json(found, indent=output == "json")
        return
    write_one(
        (
            ("id", found["id"]),
            ("block", _slug_of(found)),
            ("type", found["block_type_name"]),
            ("created", local_text(found["created"])),
            ("changed", local_text(found["updated"])),
            *((name, _shown(value)) for name, value in found["data"].items()),
        )
    )


@verb(
    block,
    "create",
    "heliostat block create slack-webhook --name alerts --field url=https://hooks.example.com/1",
    "heliostat block create secret --name token --data -",
    "heliostat block create secret",
)
@reference("slug", "TYPE", "block type")
@click.option("--name", "-n", metavar="NAME", help="Its name: lower case letters, digits and dashes.")
@click.option("--field", "-f", "fields", metavar="NAME=VALUE", multiple=True, help="A field; repeatable.")
@click.option("--data", "-d", "document", metavar="JSON", help="The fields as a JSON object; - reads stdin.")
@click.option("--overwrite", is_flag=True, help="Change the block when there is one of that name.")
def create(
    slug: str, name: str | None, fields: tuple[str, ...], document: str | None, overwrite: bool
) -> None:
    """Make a block of a type. Without --name, open the page that makes one."""
    if name is None:
        if fields or document or overwrite:
            raise click.UsageError("Give --name too.")
        block_type = with_api(lambda client: _type(client, slug))
        open_page(f"/blocks/new?type={block_type['slug']}")
        return
    data = {**_document(document), **from_assignments(fields, option="--field")}

    async def act(client: HeliostatClient) -> Row:
        block_type = await _type(client, slug)
        schema = await _newest_schema(client, block_type)
        _check(data, schema["fields"], block_type["slug"])
        of_type = f"/block_types/slug/{in_path(block_type['slug'])}/block_documents"
        known = [each for each in await client.request("GET", of_type) if each["name"] == name]
        if known and overwrite:
            await client.request("PATCH", f"/block_documents/{known[0]['id']}", {"data": data})
            return known[0]
        body = {
            "name": name,
            "data": data,
            "block_schema_id": schema["id"],
            "block_type_id": block_type["id"],
        }
        return await client.request("POST", "/block_documents/", body)

    made = with_api(act)
    note(f"Block {slug}/{name} is saved.")
    click.echo(made["id"])


@verb(
    block,
    "delete",
    "heliostat block delete slack-webhook/alerts --yes",
    "heliostat block delete slack-webhook/alerts --dry-run",
)
@reference("slugs", "[TYPE/NAME]...", "block", required=False, nargs=-1)
@click.option("--id", "ids", metavar="ID", multiple=True, help="The block with this id; repeatable.")
@dry_run_option
@yes_option
def delete(slugs: tuple[str, ...], ids: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete blocks."""
    if not slugs and not ids:
        raise click.UsageError("Give TYPE/NAME or --id.")
    found = [*(_read(slug, None) for slug in slugs), *(_read(None, each) for each in ids)]
    delete_each(
        "block", [(_slug_of(row), row["id"]) for row in found], "/block_documents", dry_run=dry_run, yes=yes
    )


def _read(slug: str | None, block_id: str | None) -> Row:
    if (slug is None) == (block_id is None):
        raise click.UsageError("Give TYPE/NAME or --id.")
    rows = with_api(lambda client: all_of(client, "/block_documents/filter"))
    return find(rows, block_id or str(slug), "block", _LS, _slug_of)


async def _type(client: HeliostatClient, slug: str) -> Row:
    """The block type of that slug or id. Raises NotFound with the nearest slug."""
    rows = await all_of(client, "/block_types/filter")
    return find(rows, meant(slug), "block type", "heliostat block type ls", lambda row: row["slug"])


async def _newest_schema(client: HeliostatClient, block_type: Row) -> Row:
    asked: dict[str, Any] = {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}}
    found = await all_of(client, "/block_schemas/filter", 1, **asked)
    if not found:
        raise NotFound(
            f"The block type {block_type['slug']!r} has no schema.", hint="register its class once more"
        )
    return found[0]


def _check(data: dict[str, Any], schema: dict[str, Any], slug: str) -> None:
    """Check names, required fields and values. Raises a usage error that names the field."""
    from jsonschema import Draft202012Validator

    known: dict[str, Any] = schema.get("properties") or {}
    unknown = [name for name in data if known and name not in known]
    if unknown:
        raise click.BadParameter(
            f"{slug} has no field {unknown[0]!r}; it has: {', '.join(known)}", param_hint="--field"
        )
    for error in Draft202012Validator(schema).iter_errors(data):  # pyright: ignore[reportUnknownMemberType]
        where = ".".join(map(str, error.absolute_path))
        what = (
            error.message if error.validator == "required" or not where else f"not valid: {error.validator}"
        )
        raise click.BadParameter(f"{where or slug}: {what}", param_hint="--field")


def _document(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value: Any = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise click.BadParameter(f"--data is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.BadParameter("--data is not a JSON object.")
    return cast("dict[str, Any]", value)


def _slug_of(row: Row) -> str:
    return f"{row['block_type']['slug']}/{row['name']}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
