"""`holders` and `release` of limits: who has their slots, and taking them away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.errors import NotFound
from .output import Column, Row, confirm_or_refuse, note, write_rows
from .things import with_api
from .times import ago_text

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_COLUMNS = (
    Column("Slots", lambda row: row["slots"] or "waits"),
    Column("Kind", lambda row: str(row["kind"] or "").replace("_", " ")),
    Column("Name", "name", "bold"),
    Column("Flow run", "flow_run_name"),
    Column("Since", lambda row: ago_text(row["since"])),
    Column("Until", lambda row: ago_text(row["until"])),
    Column("Lease", "lease_id", "cyan"),
)


def holders_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`[LEASE...]` and `--all`."""
    command = click.option("--all", "every", is_flag=True, help="Those of all holders.")(command)
    return click.argument("leases", metavar="[LEASE]...", nargs=-1)(command)


def write_holders(name: str, output: str) -> None:
    """Write those who hold slots of a limit, then those who wait."""
    found = _limit(name)
    rows = [*found["holders"], *found["waiting"]]
    write_rows(rows, _COLUMNS, output, empty="Nobody holds a slot, nobody waits.")


def release_slots(name: str, leases: Sequence[str], every: bool, *, dry_run: bool, yes: bool) -> None:
    """Give back the slots of leases, named by their id or its first characters. Raises NotFound."""
    if bool(leases) == every:
        raise click.UsageError("Give leases or --all.")
    held = [row for row in _limit(name)["holders"] if row["lease_id"]]
    chosen = held if every else [_held(held, lease, name) for lease in leases]
    if not chosen:
        note("No lease holds a slot.")
        return
    shown = ", ".join(f"{row['slots']} of {row['name'] or row['lease_id']}" for row in chosen)
    if dry_run:
        note(f"Would release slots of {name!r}: {shown}.")
        return
    confirm_or_refuse(f"Release slots of {name!r}: {shown}? Their holders go on.", yes)

    async def act(client: HeliostatClient) -> None:
        for row in chosen:
            path = "/v2/concurrency_limits/decrement-with-lease"
            await client.request("POST", path, {"lease_id": row["lease_id"]})

    with_api(act)
    note(f"Released slots of {name!r}: {shown}.")


def _limit(name: str) -> Row:
    found: Row = with_api(lambda client: client.request("GET", "/heliostat/limits"))
    for row in found["limits"]:
        if row["name"] == name:
            return row
    raise NotFound(f"There is no limit {name!r}.", hint="heliostat global-concurrency-limit ls")


def _held(held: Sequence[Row], lease: str, name: str) -> Row:
    fits = [row for row in held if row["lease_id"].startswith(lease.lower())]
    if len(fits) != 1:
        what = "no lease" if not fits else f"{len(fits)} leases"
        raise NotFound(
            f"{lease!r} fits {what} of {name!r}.", hint=f"heliostat global-concurrency-limit holders {name}"
        )
    return fits[0]
