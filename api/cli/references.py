"""What people type to name a thing: its name or id, `@last`, or the address of its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from .completing import completer

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def reference(
    name: str, metavar: str, kind: str, *, required: bool = True, nargs: int = 1
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument that names things of a kind (see `completing`); shells complete it."""
    return click.argument(
        name,
        metavar=metavar,
        required=required,
        nargs=nargs,
        callback=_as_meant,
        shell_complete=completer(kind),
    )


def meant(text: str) -> str:
    """What was typed, or, for the address of a page, the id or name of what that page shows."""
    if not text.startswith(("http://", "https://")):
        return text
    path = urlsplit(text).path
    ids: list[str] = _UUID.findall(path)
    return ids[-1] if ids else unquote(path.rstrip("/").rpartition("/")[2])


def _as_meant(
    _ctx: click.Context, _param: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    if isinstance(value, tuple):
        return tuple(map(meant, value))
    return None if value is None else meant(value)
