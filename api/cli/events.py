"""`heliostat events`: send events, and follow them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ...runtime.foundation import clock
from ...runtime.foundation.ids import uuid7
from .lazy import Noun, verb
from .output import Column, Row, note, output_option, write_page
from .records import limit_option
from .things import with_api
from .times import local_text

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_RESOURCE_ID = "prefect.resource.id"
_PAGE = 50


@click.group(cls=Noun)
def events() -> None:
    """Send events, and follow what happens."""


def _filter_options(command: Any) -> Any:
    command = click.option(
        "--resource", metavar="ID", multiple=True, help="Only of this resource; a * at its end is a prefix."
    )(command)
    return click.option(
        "--event",
        "-e",
        "names",
        metavar="NAME",
        multiple=True,
        help="Only these; a * at its end is a prefix.",
    )(command)


@verb(
    events,
    "ls",
    "heliostat events ls",
    "heliostat events ls --event 'prefect.flow-run.*' --limit 5 --json occurred,event",
)
@_filter_options
@limit_option(50)
@output_option
def ls(names: tuple[str, ...], resource: tuple[str, ...], limit: int, output: str) -> None:
    """List what happened, newest first."""
    asked = _filter(names, resource)

    async def read(client: HeliostatClient) -> list[Row]:
        found: list[Row] = []
        body = {"filter": asked, "limit": min(_PAGE, limit + 1)}
        page: Row = await client.http.read("/events/filter", body)
        while True:
            found += page["events"]
            if len(found) > limit or not page["next_page"]:
                return found
            token = page["next_page"].rpartition("page-token=")[2]
            page = await client.request("GET", f"/events/filter/next?page-token={token}")

    columns = (
        Column("Occurred", lambda row: local_text(row["occurred"])),
        Column("Event", "event", "bold"),
        Column("Resource", lambda row: row["resource"].get(_RESOURCE_ID)),
        Column("Name", lambda row: row["resource"].get("prefect.resource.name")),
    )
    write_page(with_api(read), columns, output, limit, 0, empty="No events.")


@verb(
    events,
    "stream",
    "heliostat events stream",
    "heliostat events stream --event 'prefect.flow-run.*' --format text",
)
@_filter_options
@click.option(
    "--format",
    "form",
    type=click.Choice(("json", "text")),
    default="json",
    show_default=True,
    help="json: one object a line. text: time, event and resource.",
)
@click.option(
    "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Append to this file instead."
)
@click.option("--run-once", is_flag=True, help="End after one event.")
def stream(
    names: tuple[str, ...], resource: tuple[str, ...], form: str, output_file: Path | None, run_once: bool
) -> None:
    """Write events as they happen, until Ctrl-C. Needs a running server."""

    async def follow() -> None:
        with output_file.open("a", encoding="utf-8") if output_file else sys.stdout as out:
            async for event in _streamed(_filter(names, resource)):
                text = json.dumps(event, ensure_ascii=False) if form == "json" else _line(event)
                out.write(text + "\n")
                out.flush()
                if run_once:
                    return

    asyncio.run(follow())


@verb(
    events,
    "emit",
    "heliostat events emit order.paid --resource-id orders.42",
    """heliostat events emit order.paid -r prefect.resource.id=orders.42 -r shop=eu --payload '{"sum": 3}'""",
)
@click.argument("event")
@click.option(
    "--resource",
    "-r",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    help="A label, or all as JSON; repeatable.",
)
@click.option("--resource-id", metavar="ID", help=f"Short for --resource {_RESOURCE_ID}=ID.")
@click.option("--related", metavar="JSON", help="Related resources: an object or a list, each with a role.")
@click.option("--payload", "-p", metavar="JSON", help="What else is to be known: an object; - reads stdin.")
def emit(
    event: str, labels: tuple[str, ...], resource_id: str | None, related: str | None, payload: str | None
) -> None:
    """Record that something happened to a resource. Writes the event's id."""
    resource = _labels(labels)
    if resource_id:
        resource[_RESOURCE_ID] = resource_id
    if _RESOURCE_ID not in resource:
        raise click.UsageError("Give --resource-id: which thing did it happen to?")
    others: Any = _json("--related", related) or []
    body: Row = {
        "id": str(uuid7()),
        "occurred": clock.now().isoformat(),
        "event": event,
        "resource": resource,
        "related": others if isinstance(others, list) else [others],
        "payload": _json("--payload", sys.stdin.read() if payload == "-" else payload) or {},
    }
    with_api(lambda client: client.request("POST", "/events", [body]))
    note(f"Recorded {event!r} of {resource[_RESOURCE_ID]!r}.")
    click.echo(body["id"])


async def _streamed(asked: Row) -> AsyncIterator[Row]:
    """Events of the server from now on. Raises ServerUnavailable and NotAllowed."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.typing import Subprotocol

    from ...runtime.client.address import api_url
    from ...runtime.foundation.errors import NotAllowed, ServerUnavailable
    from ...runtime.foundation.proxies import is_loopback
    from ...runtime.foundation.settings import current_settings

    url = api_url()
    address = "ws" + url.removeprefix("http").rstrip("/") + "/events/out"
    hint = "start one with: heliostat server start"
    try:
        async with connect(
            address, subprotocols=[Subprotocol("prefect")], proxy=None if is_loopback(url) else True
        ) as line:
            await line.send(json.dumps({"type": "auth", "token": current_settings().api_auth_string}))
            if json.loads(await line.recv()).get("type") != "auth_success":
                raise NotAllowed("the server refused to send events", hint="set HELIOSTAT_API_AUTH_STRING")
            await line.send(json.dumps({"type": "filter", "filter": asked, "backfill": False}))
            note("Following events. Ctrl-C ends it.")
            async for text in line:
                message: Row = json.loads(text)
                if message.get("type") == "event":
                    yield message["event"]
    except ConnectionClosed as error:
        if error.rcvd is not None and error.rcvd.code == 1008:
            raise NotAllowed(
                f"the server refused to send events: {error.rcvd.reason}",
                hint="set HELIOSTAT_API_AUTH_STRING",
            ) from error
        raise ServerUnavailable(f"the server at {url} has closed the line", hint=hint) from error
    except (OSError, InvalidHandshake) as error:
        raise ServerUnavailable(f"no events from {address}: {error}", hint=hint) from error
    raise ServerUnavailable(f"the server at {url} has closed the line", hint=hint)


def _filter(names: Sequence[str], resources: Sequence[str]) -> Row:
    asked: Row = {}
    if names:
        asked["event"] = {
            "name": [each for each in names if not each.endswith("*")] or None,
            "prefix": [each[:-1] for each in names if each.endswith("*")] or None,
        }
    if resources:
        asked["any_resource"] = {
            "id": [each for each in resources if not each.endswith("*")] or None,
            "id_prefix": [each[:-1] for each in resources if each.endswith("*")] or None,
        }
    return asked


def _line(event: Row) -> str:
    return f"{event['occurred']} {event['event']} {event['resource'].get(_RESOURCE_ID)}"


def _labels(given: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for each in given:
        if each.lstrip().startswith("{"):
            read: Any = _json("--resource", each)
            labels |= {str(name): str(value) for name, value in cast("Row", read).items()}
            continue
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"--resource {each!r} is not of the form NAME=VALUE.")
        labels[name] = value
    return labels


def _json(option: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{option} is not valid JSON: {error}") from None
    if not isinstance(value, dict) and not (option == "--related" and isinstance(value, list)):
        raise click.BadParameter(f"{option} is not a JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType]
