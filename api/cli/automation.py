"""`heliostat automation`: what the server does when something happens, or does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .. import page_addresses
from .lazy import Noun, verb
from .output import (
    Column,
    Row,
    note,
    output_option,
    write_json,
    write_one,
    write_page,
    yes_option,
)
from .records import limit_option, offset_option
from .references import reference
from .shapes import yaml_option
from .things import all_of, delete_each, dry_run_option, find, with_api
from .times import ago_text, local_text
from .web import open_page, web_option

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_LS = "heliostat automation ls"
_ANSWERS = ("id", "created", "updated", "paused_reason")
"""Fields that `inspect` shows and that cannot be sent, so that its output can be edited and sent back."""


def named(command: Callable[..., Any]) -> Callable[..., Any]:
    """`[NAME]` or `--id ID`."""
    command = click.option("--id", "automation_id", metavar="ID", help="The automation with this id.")(
        command
    )
    return reference("name", "[NAME]", "automation", required=False)(command)


def content_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--from-file`, `--from-json`."""
    for option in (
        click.option(
            "--from-json", "-j", "document", metavar="JSON", help="The content as JSON; - reads stdin."
        ),
        click.option(
            "--from-file",
            "-f",
            "file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="A YAML or JSON file with the content.",
        ),
    ):
        command = option(command)
    return command


@click.group(cls=Noun, aliases={"enable": "resume", "disable": "pause"})
def automation() -> None:
    """See, make and change automations: what the server does when something happens, or does not."""


@verb(automation, "ls", "heliostat automation ls", "heliostat automation ls --json name,enabled")
@limit_option(200)
@offset_option
@output_option
@web_option
def ls(limit: int, offset: int, output: str, web: bool) -> None:
    """List automations by name."""
    if web:
        open_page("/automations")
        return
    found = with_api(lambda client: all_of(client, "/automations/filter", limit, offset, sort="NAME_ASC"))
    columns = (
        Column("Name", "name", "bold"),
        Column("ID", "id", "cyan"),
        Column("Enabled", lambda row: "yes" if row["enabled"] else row["paused_reason"] or "no"),
        Column("Trigger", lambda row: _trigger(row["trigger"])),
        Column("Actions", lambda row: ", ".join(each["type"] for each in row["actions"])),
        Column("Changed", lambda row: ago_text(row["updated"])),
    )
    write_page(found, columns, output, limit, offset, empty="No automations.")


@verb(
    automation,
    "inspect",
    "heliostat automation inspect alert-me",
    "heliostat automation inspect alert-me --output yaml > alert-me.yaml",
)
@named
@output_option
@yaml_option
@web_option
def inspect(name: str | None, automation_id: str | None, output: str, web: bool) -> None:
    """Show an automation with its trigger and actions."""
    found = _read(name, automation_id)
    if web:
        open_page(page_addresses.automation(found["id"]))
    elif output == "table":
        _show(found)
    else:
        write_json(found, indent=output == "json")


@verb(automation, "pause", "heliostat automation pause alert-me")
@named
def pause(name: str | None, automation_id: str | None) -> None:
    """Let an automation do nothing for now."""
    _enable(_read(name, automation_id), False)


@verb(automation, "resume", "heliostat automation resume alert-me")
@named
def resume(name: str | None, automation_id: str | None) -> None:
    """Let a paused automation act again."""
    _enable(_read(name, automation_id), True)


@verb(
    automation,
    "create",
    "heliostat automation create --from-file alerts.yaml",
    """heliostat automation create --from-json '{"name": "a", "trigger": {...}, "actions": [...]}'""",
)
@content_options
@output_option
def create(file: Path | None, document: str | None, output: str) -> None:
    """Make automations: one, a list, or a document {"automations": [...]}. One that is bad makes none."""
    contents = _contents(file, document)

    async def act(client: HeliostatClient) -> list[Row]:
        made: list[Row] = []
        try:
            for each in contents:
                made.append(await client.request("POST", "/automations/", each))
        except BaseException:
            for each in made:
                await client.request("DELETE", f"/automations/{each['id']}")
            raise
        return made

    made = with_api(act)
    if output != "table":
        write_json(made if len(made) > 1 else made[0], indent=output == "json")
        return
    for each in made:
        note(f"Automation {each['name']!r} is made.")
        click.echo(each["id"])


@verb(automation, "update", "heliostat automation update --id 0199c1d2 --from-file alert.yaml")
@named
@content_options
def update(name: str | None, automation_id: str | None, file: Path | None, document: str | None) -> None:
    """Change an automation; fields that the content leaves out stay as they are."""
    contents = _contents(file, document)
    if len(contents) != 1:
        raise click.UsageError(f"The content has {len(contents)} automations; give the one to change.")
    found = _read(name, automation_id)
    body = {key: value for key, value in {**found, **contents[0]}.items() if key not in _ANSWERS}
    with_api(lambda client: client.request("PUT", f"/automations/{found['id']}", body))
    note(f"Automation {body['name']!r} is changed.")


@verb(
    automation,
    "delete",
    "heliostat automation delete alert-me --yes",
    "heliostat automation delete --all --dry-run",
)
@named
@click.option("--all", "every", is_flag=True, help="Delete all automations.")
@dry_run_option
@yes_option
def delete(name: str | None, automation_id: str | None, every: bool, dry_run: bool, yes: bool) -> None:
    """Delete an automation, or all of them."""
    if every and (name or automation_id):
        raise click.UsageError("Give one automation or --all.")
    found = _all() if every else [_read(name, automation_id)]
    delete_each(
        "automation", [(row["name"], row["id"]) for row in found], "/automations", dry_run=dry_run, yes=yes
    )


def _all() -> list[Row]:
    return with_api(lambda client: all_of(client, "/automations/filter"))


def _read(name: str | None, automation_id: str | None) -> Row:
    if (name is None) == (automation_id is None):
        raise click.UsageError("Give a name or --id.")
    return find(_all(), automation_id or str(name), "automation", _LS)


def _enable(found: Row, enabled: bool) -> None:
    body = {"enabled": enabled}
    with_api(lambda client: client.request("PATCH", f"/automations/{found['id']}", body))
    note(f"Automation {found['name']!r} is {'active again' if enabled else 'paused'}.")


def _contents(file: Path | None, document: str | None) -> list[dict[str, Any]]:
    """The automations of a file or text, without the fields that only answers have."""
    import yaml

    if (file is None) == (document is None):
        raise click.UsageError("Give --from-file or --from-json.")
    text = file.read_text(encoding="utf-8") if file else sys.stdin.read() if document == "-" else document
    where = str(file) if file else "--from-json"
    try:
        read: Any = yaml.safe_load(text or "") if file and file.suffix != ".json" else json.loads(text or "")
    except (ValueError, yaml.YAMLError) as error:
        raise click.BadParameter(f"{where} cannot be read: {error}") from None
    if isinstance(read, dict) and isinstance(inner := cast("Row", read).get("automations"), list):
        read = cast("list[Any]", inner)
    rows = cast("list[Any]", read if isinstance(read, list) else [read])
    if not rows or not all(isinstance(each, dict) for each in rows):
        raise click.BadParameter(f"{where} holds no automation: it must be an object or a list of objects.")
    return [{key: value for key, value in each.items() if key not in _ANSWERS} for each in rows]


def _trigger(trigger: Row) -> str:
    if trigger["type"] != "event":
        return f"{trigger['type']} of {len(trigger['triggers'])}"
    names = ", ".join(trigger["expect"]) or "any event"
    return names if trigger["posture"] == "Reactive" else f"no {names} within {trigger['within']:g} s"


def _show(found: Row) -> None:
    write_one(
        (
            ("id", found["id"]),
            ("name", found["name"]),
            ("description", found["description"] or None),
            ("enabled", "yes" if found["enabled"] else "no"),
            ("why", found["paused_reason"]),
            ("tags", ", ".join(found["tags"]) or None),
            ("created", local_text(found["created"])),
            ("changed", local_text(found["updated"])),
        )
    )
    for title in ("trigger", "actions", "actions_on_trigger", "actions_on_resolve"):
        if found[title]:
            click.echo(f"\n{title.replace('_', ' ').capitalize()}")
            click.echo(_as_yaml(found[title]))


def _as_yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip("\n")
