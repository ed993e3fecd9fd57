"""`heliostat server`: its processes and services, and the schema of its database."""

from __future__ import annotations

import asyncio

import click

from ...runtime.foundation.errors import NotFound
from ...runtime.foundation.settings import current_settings
from .lazy import Lazy, Noun, verb
from .output import confirm_or_refuse, note, yes_option

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")


@click.group(
    cls=Noun,
    lazy={
        "start": Lazy(".server_processes:start", "Serve the API until Ctrl-C."),
        "services": Lazy(".server_services:services", "Show the services that run."),
        "status": Lazy(".server_processes:status", "Show the servers that run here."),
        "stop": Lazy(".server_processes:stop", "Stop a server."),
    },
)
def server() -> None:
    """Start and stop the server, and maintain the database."""


@server.group("database", cls=Noun)
def database() -> None:
    """Bring the database to another schema, or empty it.

    HELIOSTAT_DATABASE_URL names the database, which is made and upgraded by itself at first use.
    """


@verb(
    database,
    "upgrade",
    "heliostat server database upgrade",
    "heliostat server database upgrade --dry-run",
)
@click.option("--revision", "-r", default="head", show_default=True, help="Schema to bring it to.")
@dry_run_option
@yes_option
def upgrade(revision: str, dry_run: bool, yes: bool) -> None:
    """Bring the database to the newest schema. This loses no data, so it does not ask."""
    from ...runtime.store.database import migrating, schema

    url = current_settings().database_url
    _known(revision)
    before = asyncio.run(_revision(url))
    if dry_run:
        target = schema.NEWEST if revision == "head" else revision
        note(f"Would upgrade {_shown()} from {before or 'empty'} to {target}.")
        return
    after = asyncio.run(migrating.upgrade(url, revision))
    note(
        f"{_shown()} has schema {after}"
        + (", as before." if after == before else f" (was {before or 'empty'}).")
    )


@verb(
    database,
    "downgrade",
    "heliostat server database downgrade --revision base --dry-run",
    "heliostat server database downgrade --revision base --yes",
)
@click.option("--revision", "-r", help='Schema to go back to; "base" removes all tables. Default: one back.')
@dry_run_option
@yes_option
def downgrade(revision: str | None, dry_run: bool, yes: bool) -> None:
    """Take the database back to an older schema. Data that only the newer schema holds is lost."""
    from ...runtime.store.database import migrating

    url = current_settings().database_url
    before = asyncio.run(_revision(url))
    target = revision or _one_back(before)
    _known(target)
    if dry_run:
        note(f"Would take {_shown()} from {before or 'empty'} back to {target}.")
        return
    confirm_or_refuse(f"Take {_shown()} back to schema {target}, losing what only {before} holds?", yes)
    after = asyncio.run(migrating.downgrade(url, target))
    note(f"{_shown()} has schema {after or 'base: no tables'}.")


@verb(database, "reset", "heliostat server database reset --dry-run", "heliostat server database reset --yes")
@dry_run_option
@yes_option
def reset(dry_run: bool, yes: bool) -> None:
    """Delete everything that is recorded, and make empty tables."""
    from ...runtime.store.database import migrating

    if dry_run:
        note(f"Would delete every flow, run and log in {_shown()}.")
        return
    confirm_or_refuse(f"Delete every flow, run and log in {_shown()}?", yes)
    after = asyncio.run(migrating.reset(current_settings().database_url))
    note(f"{_shown()} is empty, with schema {after}.")


@verb(
    database,
    "stamp",
    "heliostat server database stamp 0018 --dry-run",
    "heliostat server database stamp head --yes",
)
@click.argument("revision")
@dry_run_option
@yes_option
def stamp(revision: str, dry_run: bool, yes: bool) -> None:
    """Record that the database has a schema, without changing its tables. For repairs by hand."""
    from ...runtime.store.database import migrating, schema

    url = current_settings().database_url
    _known(revision)
    before = asyncio.run(_revision(url))
    target = schema.NEWEST if revision == "head" else revision
    if dry_run:
        note(f"Would record that {_shown()} has schema {target}; it says {before or 'none'}.")
        return
    confirm_or_refuse(f"Record that {_shown()} has schema {target} (it says {before or 'none'})?", yes)
    after = asyncio.run(migrating.stamp(url, revision))
    note(f"{_shown()} says that it has schema {after or 'none'}.")


def _shown() -> str:
    return current_settings().masked("database_url")


async def _revision(url: str) -> str | None:
    """The schema that the database has. Looking does not create a SQLite file that is missing."""
    from ...runtime.store.database import migrating
    from ...runtime.store.database.urls import target_of

    target = await asyncio.to_thread(target_of, url)
    if target.dialect == "sqlite" and not target.path.exists():
        return None
    return await migrating.current(url)


def _known(revision: str) -> None:
    from ...runtime.store.database.schema import REVISIONS

    if revision not in ("head", "base", *REVISIONS):
        raise NotFound(f"There is no schema {revision!r}.", hint=f"one of: base, {', '.join(REVISIONS)}")


def _one_back(revision: str | None) -> str:
    from ...runtime.store.database.schema import REVISIONS

    older = ("base", *REVISIONS)
    if revision not in older:
        raise NotFound("The database has no schema that this version knows.", hint="name one with --revision")
    return older[max(older.index(revision) - 1, 0)]
