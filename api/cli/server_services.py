"""`heliostat server services`: the services of the servers, and where they run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.settings import current_settings
from .lazy import Noun, verb
from .output import Column, output_option, write_rows

if TYPE_CHECKING:
    from ...runtime.store.services import ServiceRow


@click.group(cls=Noun, aliases={"list": "ls"})
def services() -> None:
    """See the services of a server, such as the scheduler: the parts that act by themselves."""


@verb(services, "ls", "heliostat server services ls", "heliostat server services ls -o json")
@output_option
def ls(output: str) -> None:
    """Show the services of all servers on this database, and where each runs."""
    from ...actors.loops.names import LOOPS

    found = asyncio.run(_read())
    rows: list[dict[str, Any]] = []
    for name, does in LOOPS.items():
        known = [row for row in found if row.name == name]
        shown = [row for row in known if row.running] or [*known[:1], None][:1]
        for row in shown:
            rows.append(
                {
                    "name": name,
                    "does": does,
                    "running": row is not None and row.running,
                    "host": row.host if row else None,
                    "pid": row.pid if row else None,
                    "started": row.started.isoformat() if row else None,
                    "last_heartbeat": row.last_beat.isoformat() if row else None,
                }
            )
    columns = (
        Column("Service", "name", "bold"),
        Column("Running", lambda row: "yes" if row["running"] else "no"),
        Column("Process", lambda row: f"{row['pid']} on {row['host']}" if row["pid"] else ""),
        Column("What it does", "does"),
    )
    write_rows(rows, columns, output, empty="")


async def _read() -> list[ServiceRow]:
    from ...runtime.store import services as rows
    from ...runtime.store.database.database import Database

    db = await Database.open(current_settings().database_url)
    try:
        return await rows.list(db)
    finally:
        await db.close()
