"""`heliostat dashboard`: the server's pages."""

from __future__ import annotations

import click

from ..page_addresses import OVERVIEW
from .lazy import Noun, verb
from .web import open_page


@click.group(cls=Noun)
def dashboard() -> None:
    """Open the server's pages."""


@verb(dashboard, "open", "heliostat dashboard open")
def open_dashboard() -> None:
    """Open the server's pages in a browser, and write their address.

    The server is that at HELIOSTAT_API_URL, or the one that runs on this machine.
    """
    open_page(OVERVIEW)
