"""Shared by verbs about what people set up (variables, blocks, limits): asking, and finding what is meant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from ...runtime.foundation.errors import NotFound
from .output import Row, confirm_or_refuse, note
from .references import meant
from .remote import api_is_set, not_found, pages

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

T = TypeVar("T")

_LEAST_PART = 4  # characters of an id that may stand for it

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen, and do nothing.")


def with_api(act: Callable[[HeliostatClient], Awaitable[T]]) -> T:
    """Call `act` with a client of the server that is set or runs here, or else of this machine's database."""

    async def run() -> T:
        from ...runtime.foundation.local_servers import servers

        if api_is_set() or any(servers()):
            from ...runtime.client.client import HeliostatClient

            async with HeliostatClient() as client:
                return await act(client)

        from .own_api import own_api

        async with own_api() as client:
            return await act(client)

    return asyncio.run(run())


async def all_of(
    client: HeliostatClient, path: str, limit: int | None = None, offset: int = 0, **asked: Any
) -> list[Row]:
    """The objects of a filter route: up to `limit`, and one more if there is one; None means all."""

    async def read(limit: int, offset: int) -> list[Row]:
        return await client.http.read(path, {**asked, "limit": limit, "offset": offset})

    return await pages(read, limit, offset)


def in_path(text: str) -> str:
    """Text as one part of a route's path."""
    return quote(text, safe="")


def find(rows: Sequence[Row], reference: str, what: str, ls: str, *names: Callable[[Row], str | None]) -> Row:
    """The row with that name or id, by part of its id when that fits one row only, or the newest for @last.

    Raises NotFound with the nearest name.
    """
    wanted = meant(reference)
    name_of = names or (lambda row: row["name"],)
    if wanted == "@last" and rows:
        return max(rows, key=lambda row: str(row["created"]))
    for fits in (
        [row for row in rows if wanted in [of(row) for of in name_of]],
        [row for row in rows if row["id"] == wanted.lower()],
        [row for row in rows if _is_part(wanted.lower(), row["id"])],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            ids = ", ".join(row["id"] for row in fits)
            raise NotFound(f"{len(fits)} {what}s fit {reference!r}.", hint=f"one of: {ids}")
    known = [name for row in rows if (name := name_of[0](row))]
    raise not_found(what, reference, known, ls)


def _is_part(part: str, whole: str) -> bool:
    return len(part) >= _LEAST_PART and (whole.startswith(part) or whole.endswith(part))


def delete_each(
    kind: str, found: Iterable[tuple[str, str]], path: str, *, dry_run: bool, yes: bool, with_it: str = ""
) -> None:
    """Delete objects after asking. `found` has the name of each, and the last part of its route."""
    chosen = list(found)
    if not chosen:
        note(f"There is no {kind} to delete.")
        return
    names = ", ".join(repr(name) for name, _ in chosen)
    what = f"{kind}{'s' if len(chosen) > 1 else ''} {names}{with_it}"
    if dry_run:
        note(f"Would delete {what}.")
        return
    confirm_or_refuse(f"Delete {what}?", yes)

    async def act(client: HeliostatClient) -> None:
        for _, last in chosen:
            await client.request("DELETE", f"{path}/{in_path(last)}")

    with_api(act)
    note(f"Deleted {what}.")
