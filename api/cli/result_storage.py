"""`heliostat result-storage`: the block where clients keep results unless they say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .lazy import Lazy, Noun, verb
from .output import Row, confirm_or_refuse, note, output_option, write_json, write_one, yes_option
from .references import reference
from .things import all_of, dry_run_option, find, with_api

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_FIELD = "default_result_storage_block_id"


@click.group("result-storage", cls=Noun)
def result_storage() -> None:
    """See and set the block where stock clients keep results, unless they say otherwise."""


@click.group(
    "experimental",
    cls=Noun,
    hidden=True,
    lazy={"result-storage": Lazy(".result_storage:result_storage", "See and set the block of results.")},
)
def experimental() -> None:
    """Nouns that the stock client calls experimental."""


@verb(result_storage, "inspect", "heliostat result-storage inspect")
@output_option
def inspect(output: str) -> None:
    """Show the block that is set."""

    async def read(client: HeliostatClient) -> Row:
        block_id = (await client.request("GET", "/admin/storage"))[_FIELD]
        if block_id is None:
            return {_FIELD: None, "block": None}
        found: Row = await client.request("GET", f"/block_documents/{block_id}")
        return {_FIELD: block_id, "block": _slug(found)}

    found = with_api(read)
    if output != "table":
        write_json(found, indent=output == "json")
    elif found[_FIELD] is None:
        note("No block is set. Set one: heliostat result-storage set TYPE/NAME")
    else:
        write_one((("id", found[_FIELD]), ("block", found["block"])))


@verb(result_storage, "set", "heliostat result-storage set local-file-system/results")
@reference("block", "[TYPE/NAME]", "block", required=False)
@click.option("--id", "block_id", metavar="ID", help="The block with this id.")
def set_(block: str | None, block_id: str | None) -> None:
    """Let clients keep results in a block that can read and write."""
    if (block is None) == (block_id is None):
        raise click.UsageError("Give TYPE/NAME or --id.")

    async def act(client: HeliostatClient) -> Row:
        rows = await all_of(client, "/block_documents/filter")
        found = find(rows, block_id or str(block), "block", "heliostat block ls", _slug)
        await client.request("PUT", "/admin/storage", {_FIELD: found["id"]})
        return found

    note(f"Clients keep results in {_slug(with_api(act))}, unless they say otherwise.")


@verb(result_storage, "clear", "heliostat result-storage clear --yes")
@dry_run_option
@yes_option
def clear(dry_run: bool, yes: bool) -> None:
    """Let each client keep results where it does by itself. What is stored stays."""
    if dry_run:
        note("Would clear the block of results.")
        return
    confirm_or_refuse("Clear the block of results?", yes)
    with_api(lambda client: client.request("DELETE", "/admin/storage"))
    note("No block of results is set.")


def _slug(row: Row) -> str:
    return f"{row['block_type']['slug']}/{row['name']}"
