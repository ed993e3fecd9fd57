"""Write `docs/cli.md` from the commands: `python docs/cli.py`. A test compares the two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from heliostat.api.cli.lazy import Noun, Verb
from heliostat.api.cli.root import cli as root

cli = cast(Noun, root)
HEAD = Path(__file__).with_name("cli-manners.md")


def cli_page() -> str:
    """The whole page as text."""
    nouns = [(name, command) for name, command in _members(cli)]
    rows = [row for name, command in nouns for row in _overview(name, command)]
    alone = [f"`{name}`" for name, command in nouns if not isinstance(command, click.Group)]
    parts = [
        HEAD.read_text(encoding="utf-8").rstrip(),
        "",
        "## Nouns and verbs",
        "",
        "Written by `docs/cli.py` from the commands. Options that every command takes are left out:",
        "`--profile`, `--quiet`, `--color`, `--prompt/--no-prompt`, `--debug`, `--help`.",
        "",
        "| noun | verbs |",
        "|---|---|",
        *rows,
        f"| {', '.join(alone)} | without a verb |",
        "",
    ]
    for name, command in nouns:
        parts += [f"## {name}", "", _said(command), "", *_described(name, command)]
    return "\n".join(parts).rstrip() + "\n"


def _members(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, command


def _overview(name: str, command: click.Command) -> Iterator[str]:
    if not isinstance(command, click.Group):
        return
    members = list(_members(command))
    verbs = [f"`{verb}`" for verb, member in members if not isinstance(member, click.Group)]
    other = [f"`{alias}`" for alias, meant in cli.aliases.items() if meant == name]
    if verbs:
        yield f"| {', '.join([f'`{name}`', *other])} | {', '.join(verbs)} |"
    for verb, member in members:
        yield from _overview(f"{name} {verb}", member)


def _described(words: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, member in _members(command):
            if isinstance(member, click.Group):
                yield from (f"### {words} {name}", "", _said(member), "")
            yield from _described(f"{words} {name}", member)
        return
    yield from (f"**`{_usage(words, command)}`**", "")
    if " " in words:
        yield from (_said(command), "")
    options = [row for param in command.params if (row := _option(param))]
    if options:
        yield from ("| option | what it does |", "|---|---|", *options, "")
    if isinstance(command, Verb) and command.examples:
        yield from ("```sh", *command.examples, "```", "")


def _said(command: click.Command) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _usage(words: str, command: click.Command) -> str:
    arguments = [_argument(param) for param in command.params if isinstance(param, click.Argument)]
    return " ".join([f"heliostat {words}", *arguments])


def _argument(param: click.Argument) -> str:
    if param.metavar:
        return param.metavar
    name = _value(param) if isinstance(param.type, click.Choice) else (param.name or "").upper()
    return name if param.required else f"[{name}]"


def _option(param: click.Parameter) -> str | None:
    if not isinstance(param, click.Option) or param.hidden or param.opts == ["--debug"]:
        return None
    spellings = (*sorted(param.opts, key=len, reverse=True), *param.secondary_opts)
    names = ", ".join(f"`{each}`" for each in spellings)
    value = "" if param.is_flag else f" {_value(param)}".replace("|", "\\|")
    return f"| {names}{value} | {' '.join((param.help or '').split())} |".replace("<", "&lt;")


def _value(param: click.Parameter) -> str:
    if param.metavar:
        return param.metavar
    if isinstance(param.type, click.Choice):
        return "|".join(map(str, param.type.choices))
    return {"integer": "N", "float": "N", "file": "FILE", "path": "PATH"}.get(
        param.type.name.removesuffix(" range"), "TEXT"
    )


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(cli_page(), encoding="utf-8")
