"""`heliostat work-pool storage`: where a pool keeps code and results of stock clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .lazy import Noun, verb
from .output import Row, output_option, write_json, write_one
from .references import reference
from .remote import find_work_pool, with_client

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient


@click.group(cls=Noun)
def storage() -> None:
    """See where a pool keeps code and results of stock clients. Our own code packages are on the server."""


@verb(storage, "inspect", "heliostat work-pool storage inspect gpu")
@reference("name", "POOL", "work pool")
@output_option
def inspect(name: str, output: str) -> None:
    """Show the steps by which stock clients send code to a pool, and the block of its results."""

    async def read(client: HeliostatClient) -> Row:
        pool = await find_work_pool(client, name)
        found: dict[str, Any] = await client.http.get(f"/work_pools/{pool.name}")
        return found["storage_configuration"]

    found = with_client(read)
    if output != "table":
        write_json(found, indent=output == "json")
        return
    write_one(
        (
            ("upload", _text(found["bundle_upload_step"])),
            ("execution", _text(found["bundle_execution_step"])),
            ("results", found["default_result_storage_block_id"] or "as the client decides"),
        )
    )


def _text(step: Row | None) -> str:
    return "none" if step is None else json.dumps(step)
