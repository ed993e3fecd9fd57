"""`heliostat server services`: the services of the servers, and where they run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.settings import current_settings
from .lazy import Noun, verb
from .output import Column, note, output_option, write_rows

if TYPE_CHECKING:
    from ...runtime.store.services import ServiceRow


@click.group(cls=Noun, aliases={"list": "ls", "enable": "start", "disable": "stop"})
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


@verb(services, "start", "heliostat server services start", "heliostat server services start --background")
@click.option("--background", "-b", is_flag=True, help="Run behind; return when they run.")
def start(background: bool) -> None:
    """Run all services without a server, until Ctrl-C. A server has its own, so it needs no others."""
    from ..server import own_services

    if background:
        own_services.run_in_background(note)
        return
    note("The services run on the database of this profile. Ctrl-C ends them.")
    own_services.run()
    note("The services have ended.")


@verb(services, "stop", "heliostat server services stop")
def stop() -> None:
    """End the services that `start` runs, and wait until they have ended."""
    from ..server import own_services

    note(f"Stopped the services (process {own_services.stop()}).")


async def _read() -> list[ServiceRow]:
    from ...runtime.store import services as rows
    from ...runtime.store.database.database import Database

    db = await Database.open(current_settings().database_url)
    try:
        return await rows.list(db)
    finally:
        await db.close()
