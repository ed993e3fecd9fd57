"""`heliostat api`: any route of the server."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from .lazy import Verb
from .output import write_json
from .remote import with_client

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@click.command(
    "api",
    cls=Verb,
    examples=(
        "heliostat api GET /health",
        """heliostat api POST /flow_runs/filter --data '{"limit": 3}'""",
        "heliostat api POST /deployments/filter",
    ),
)
@click.argument("method", type=click.Choice(_METHODS, case_sensitive=False))
@click.argument("path")
@click.option("--data", "-d", metavar="JSON", help="The body; - reads stdin.")
def api(method: str, path: str, data: str | None) -> None:
    """Send a request to a route of the server and write the answer as JSON. PATH is what follows /api."""
    text = sys.stdin.read() if data == "-" else data
    try:
        body: Any = None if text is None else json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"--data is not valid JSON: {error}") from None
    where = "/" + path.removeprefix("/api").lstrip("/")
    answer = with_client(lambda client: client.request(method.upper(), where, body))
    if answer is not None:
        write_json(answer)
