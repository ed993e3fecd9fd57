"""`--web` of reading verbs: the page of the thing, in a browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress

import click

from ...runtime.client.address import api_url
from ...runtime.foundation.settings import current_settings
from ..page_addresses import base_of
from .output import note

web_option = click.option("--web", is_flag=True, help="Open its page in a browser instead.")


def own_pages(api: str) -> str:
    """The address of the pages beside an API, without a slash at its end."""
    settings = current_settings()
    return base_of(api, settings.server_path_prefix, beside_stock=settings.stock_ui is not None)


def open_page(path: str) -> None:
    """Write the address of a page and open it, if this machine has a browser to show it in."""
    address = own_pages(api_url()) + path
    click.echo(address)
    if not _opened(address):
        note("There is no browser here: open the address in yours.")


def _opened(address: str) -> bool:
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if has_screen:  # without one Python would open a text browser in this terminal
        with suppress(webbrowser.Error, OSError):
            return webbrowser.open(address)
    return False
