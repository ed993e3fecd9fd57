"""`heliostat deployment versions`: the versions of its code that a deployment ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .lazy import Verb
from .output import Column, Row, output_option, write_rows
from .references import reference
from .remote import find_deployment, with_client
from .times import ago_text

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient


@click.command("versions", cls=Verb, examples=("heliostat deployment versions etl/nightly",))
@reference("deployment", "DEPLOYMENT", "deployment")
@output_option
def versions(deployment: str, output: str) -> None:
    """Show the versions of its code that a deployment's newest runs ran, the newest first."""

    async def read(client: HeliostatClient) -> list[Row]:
        found = await find_deployment(client, deployment)
        return await client.http.get(f"/heliostat/deployments/{found.id}/versions")

    columns = (
        Column("Version", "version", "bold"),
        Column("Code", "code_revision", "cyan"),
        Column("Runs", "runs"),
        Column("Failed", lambda row: row["failed"] or ""),
        Column("First", lambda row: ago_text(row["first"])),
        Column("Last", lambda row: ago_text(row["last"])),
    )
    write_rows(with_client(read), columns, output, empty="No run of it has begun.")
