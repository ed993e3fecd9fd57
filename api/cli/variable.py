"""`heliostat variable`: values that flows read by name."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.errors import Duplicate
from .lazy import Noun, verb
from .output import Column, Row, note, output_option, write_json, write_one, write_page, yes_option
from .records import limit_option, offset_option
from .references import reference
from .things import all_of, delete_each, dry_run_option, find, in_path, with_api
from .times import ago_text, local_text

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_LS = "heliostat variable ls"
name_argument = reference("name", "NAME", "variable")


@click.group(cls=Noun, aliases={"delete": "unset"})
def variable() -> None:
    """See and set variables: values that flows read by name."""


@verb(variable, "ls", "heliostat variable ls", "heliostat variable ls --tag prod --json name,value")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only with this tag; repeatable.")
@limit_option(100)
@offset_option
@output_option
def ls(tags: tuple[str, ...], limit: int, offset: int, output: str) -> None:
    """List variables by name."""
    asked: dict[str, Any] = {"variables": {"tags": {"all_": list(tags)}}} if tags else {}
    found = with_api(
        lambda client: all_of(client, "/variables/filter", limit, offset, sort="NAME_ASC", **asked)
    )
    columns = (
        Column("Name", "name", "bold"),
        Column("Value", lambda row: _short(row["value"])),
        Column("Tags", lambda row: ", ".join(row["tags"])),
        Column("Changed", lambda row: ago_text(row["updated"])),
    )
    write_page(found, columns, output, limit, offset, empty="No variables.")


@verb(variable, "inspect", "heliostat variable inspect region", "heliostat variable inspect region -o json")
@name_argument
@output_option
def inspect(name: str, output: str) -> None:
    """Show a variable with its tags and times."""
    found = _read(name)
    if output != "table":
        write_json(found, indent=output == "json")
        return
    write_one(
        (
            ("id", found["id"]),
            ("name", found["name"]),
            ("value", json.dumps(found["value"], ensure_ascii=False)),
            ("tags", ", ".join(found["tags"]) or None),
            ("created", local_text(found["created"])),
            ("changed", local_text(found["updated"])),
        )
    )


@verb(variable, "get", "heliostat variable get region")
@name_argument
def get(name: str) -> None:
    """Write a variable's value: text as it is, anything else as JSON."""
    value = _read(name)["value"]
    click.echo(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@verb(
    variable,
    "set",
    "heliostat variable set region eu-1",
    """heliostat variable set limits '{"cpu": 4}' --tag prod --overwrite""",
)
@name_argument
@click.argument("value")
@click.option("--overwrite", is_flag=True, help="Change the variable when there is one of that name.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag; repeatable.")
def set_(name: str, value: str, overwrite: bool, tags: tuple[str, ...]) -> None:
    """Set a variable. VALUE is read as JSON when it is JSON, else as text; - reads stdin."""
    text = sys.stdin.read() if value == "-" else value
    body: dict[str, Any] = {"name": name, "value": _from_text(text), "tags": list(tags)}

    async def act(client: HeliostatClient) -> str:
        try:
            await client.request("POST", "/variables/", body)
        except Duplicate:
            if not overwrite:
                raise Duplicate(f"There is a variable {name!r} already.", hint="add --overwrite") from None
            changes = body if tags else {"value": body["value"]}
            await client.request("PATCH", f"/variables/name/{in_path(name)}", changes)
            return "changed"
        return "set"

    note(f"Variable {name!r} is {with_api(act)}.")


@verb(variable, "unset", "heliostat variable unset region --yes", "heliostat variable unset region --dry-run")
@reference("names", "NAME...", "variable", nargs=-1)
@dry_run_option
@yes_option
def unset(names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete variables."""
    found = [_read(name) for name in names]
    delete_each(
        "variable", [(row["name"], row["id"]) for row in found], "/variables", dry_run=dry_run, yes=yes
    )


def _read(name: str) -> Row:
    return find(with_api(lambda client: all_of(client, "/variables/filter")), name, "variable", _LS)


def _from_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
