"""`heliostat import prefect` and `heliostat transfer`: what people set up, copied from another server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ...runtime.foundation import profiles
from ...runtime.foundation.errors import BadSetting
from ...runtime.foundation.settings import override_settings
from .copying import KINDS, Copying
from .failures import Exit
from .lazy import Noun, Verb, verb
from .output import Column, Row, note, output_option, write_rows
from .things import dry_run_option, with_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...runtime.client.client import HeliostatClient

_COLUMNS = (
    Column("Kind", "kind"),
    Column("Name", "name", "bold"),
    Column("What", "what"),
    Column("Why", "why"),
)


def _copy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        output_option,
        dry_run_option,
        click.option(
            "--active",
            is_flag=True,
            help="Let schedules and automations act here too, at once. By default they are paused here.",
        ),
        click.option(
            "--only", multiple=True, type=click.Choice(KINDS), help="Copy only these kinds; repeatable."
        ),
    ):
        command = option(command)
    return command


@click.group("import", cls=Noun)
def import_() -> None:
    """Take over what people set up on another server."""


@verb(
    import_,
    "prefect",
    "heliostat import prefect http://127.0.0.1:4200/api --dry-run",
    "heliostat import prefect https://prefect.example.com/api --auth me:secret --only blocks",
)
@click.argument("url", metavar="[URL]", required=False)
@click.option("--auth", metavar="USER:PASSWORD", help="Its login. Default: PREFECT_API_AUTH_STRING.")
@_copy_options
def prefect(
    url: str | None, auth: str | None, only: tuple[str, ...], active: bool, dry_run: bool, output: str
) -> int:
    """Copy variables, blocks, limits, pools, deployments and automations of a stock server that runs.

    URL is the address of its API; by default PREFECT_API_URL. Things that are here by name stay as they are;
    nothing changes there. Secrets of blocks are copied. Runs are not. Deployments and automations are made
    paused, so that two servers do not do the same work; --active makes them as they are there.
    """
    url = url or os.environ.get("PREFECT_API_URL")
    if url is None:
        raise click.UsageError("Give the address of the API, or set PREFECT_API_URL.")
    source = _client(url, auth or os.environ.get("PREFECT_API_AUTH_STRING"))

    async def act(target: HeliostatClient) -> list[Row]:
        async with source:
            return await _copied(source, target, only, active, dry_run)

    return _told(with_api(act), dry_run, active, output)


@click.command(
    "transfer",
    cls=Verb,
    examples=(
        "heliostat transfer --from staging --to prod --dry-run",
        "heliostat transfer --from staging --to prod --only variables",
    ),
)
@click.option("--from", "source_name", metavar="PROFILE", required=True, help="The profile to copy from.")
@click.option("--to", "target_name", metavar="PROFILE", required=True, help="The profile to copy to.")
@_copy_options
def transfer(
    source_name: str, target_name: str, only: tuple[str, ...], active: bool, dry_run: bool, output: str
) -> int:
    """Copy what people set up from the server of one profile to that of another, as `import prefect` does."""
    if source_name == target_name:
        raise click.UsageError("--from and --to name the same profile.")
    source, target = _client_of(source_name), _client_of(target_name)
    if source.api_url == target.api_url:
        raise BadSetting(
            f"Both profiles name the server at {source.api_url}.", hint="heliostat profile inspect"
        )

    async def act() -> list[Row]:
        async with source, target:
            return await _copied(source, target, only, active, dry_run)

    return _told(asyncio.run(act()), dry_run, active, output)


async def _copied(
    source: HeliostatClient, target: HeliostatClient, only: Sequence[str], active: bool, dry_run: bool
) -> list[Row]:
    copying = Copying(source, target, dry_run, active)
    await copying.run(only or KINDS)
    return copying.rows


def _client_of(name: str) -> HeliostatClient:
    values = profiles.current_profiles().values_of(name)
    if not values.get("api_url"):
        raise BadSetting(
            f"The profile {name!r} names no server.",
            hint=f"heliostat config set --profile {name} api_url=http://...",
        )
    login = values.get("api_auth_string")
    return _client(str(values["api_url"]), None if login is None else str(login))


def _client(url: str, auth: str | None) -> HeliostatClient:
    """A client that sends this login or none, never that of the active profile."""
    from ...runtime.client.client import HeliostatClient

    with override_settings(api_auth_string=auth):
        return HeliostatClient(url)


def _told(rows: list[Row], dry_run: bool, active: bool, output: str) -> int:
    write_rows(rows, _COLUMNS, output, empty="There is nothing to copy.")
    count = {what: sum(row["what"] == what for row in rows) for what in ("copied", "exists", "left")}
    if not dry_run and rows:
        note(f"{count['copied']} copied, {count['exists']} were here, {count['left']} left.")
    acting = ("deployment", "automation")
    if not active and any(row["kind"] in acting and row["what"] == "copied" for row in rows):
        note("hint: what was copied is paused: heliostat deployment resume, heliostat automation resume")
    return Exit.FAILED if count["left"] else Exit.OK
