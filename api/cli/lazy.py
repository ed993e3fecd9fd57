"""Command groups whose members are imported when they are used, so that `--help` stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from .session_options import session_options


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is not imported yet: `target` is "module:attribute", relative to this package."""

    target: str
    help: str
    hidden: bool = False  # left out of the help

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module, __package__), attribute)


_OTHER_WORDS = {"list": "ls", "show": "inspect", "get": "inspect", "rm": "delete", "remove": "delete"}
"""Verbs of other command lines, with the verbs that stand for them here."""


class ReaderLeft(Exception):
    """The reader of stdout (`| head`) has left."""


class Verb(click.Command):
    """A command with examples in its help, which takes --debug."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        add_session_options(self, hidden=True)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as gone:  # click would exit with 1
            raise ReaderLeft from gone

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")  # never wrapped
        super().format_epilog(ctx, formatter)


class Noun(click.Group):
    """A group of verbs, some of them lazy. For an unknown verb the error names the nearest one.

    `aliases` are other names of its members, by name; the help does not list them.
    """

    command_class = Verb

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, Lazy] | None = None,
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.lazy = dict(lazy or {})
        self.aliases = dict(aliases or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = self.aliases.get(cmd_name, cmd_name)
        if cmd_name in self.lazy:
            return self.lazy[cmd_name].load()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: list[tuple[str, str]] = []
        for name in self.list_commands(ctx):
            if name in self.lazy:
                rows += [] if self.lazy[name].hidden else [(name, self.lazy[name].help)]
            elif (command := self.get_command(ctx, name)) and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=90)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise UnknownCommand(name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class UnknownCommand(click.UsageError):
    """The group has no such command."""

    def __init__(self, name: str, known: list[str], ctx: click.Context) -> None:
        super().__init__(f"There is no command {name!r}.", ctx)
        from ...runtime.foundation.near_names import nearest  # imported only for mistakes

        close = _OTHER_WORDS.get(name) if _OTHER_WORDS.get(name) in known else nearest(name, known)
        self.hint = f"did you mean: {ctx.command_path} {close}" if close else f"one of: {', '.join(known)}"


def debug_option() -> click.Option:
    """`--debug`, allowed before and after the verb; `failures` looks for it in the command line."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, help="Show the full trace when something fails."
    )


def add_session_options(command: click.Command, *, hidden: bool) -> None:
    """Give a command the options that all commands take, but for those that it has itself."""
    own = {each for param in command.params for each in param.opts}
    command.params += [each for each in session_options(hidden) if not own.intersection(each.opts)]
    command.params.append(debug_option())


def verb(noun: click.Group, name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Register a function as `noun name`, with examples for its help."""
    return noun.command(name, cls=Verb, examples=examples)
