"""How reading verbs write: rows for people, JSON for programs. Data goes to stdout, messages to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from ...runtime.foundation.standard_streams import GONE, is_terminal
from .session_options import colours, is_quiet, may_ask
from .shapes import lines_of
from .shapes import output_option as output_option

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its title and the field (or function of the row) that fills it."""

    title: str
    value: str | Callable[[Row], Any]
    style: str = ""  # rich style on terminals
    state: bool = False  # coloured by the row's state_type

    def cell(self, row: Row) -> str:
        found = row.get(self.value) if isinstance(self.value, str) else self.value(row)
        return "" if found is None else " ".join(str(found).split())


STATE_STYLES = {
    "COMPLETED": "green",
    "RUNNING": "blue",
    "FAILED": "red",
    "CRASHED": "dark_orange",
    "CANCELLED": "bright_black",
    "CANCELLING": "bright_black",
    "SCHEDULED": "yellow",
    "PENDING": "yellow",
    "PAUSED": "yellow",
}


def write_page(
    rows: Sequence[Row], columns: Sequence[Column], output: str, limit: int, offset: int, *, empty: str
) -> None:
    """Write the first `limit` rows; if there are more, stderr says so in every format."""
    write_rows(rows[:limit], columns, output, empty=empty if not offset else "No more.")
    if len(rows) > limit:
        after = offset + limit
        note(f"There are more. hint: --offset {after} shows those after these, --limit N shows N at once")


def write_rows(rows: Sequence[Row], columns: Sequence[Column], output: str, *, empty: str = "") -> None:
    """Write a list. `empty` goes to stderr when a table has no rows."""
    if output == "json":
        write_json(list(rows))
    elif output == "jsonl":
        for row in rows:
            write_json(row, indent=False)
    elif not rows:
        note(empty)
    elif _on_terminal() or _in_colour():
        _rich_table(rows, columns)
    else:
        _plain_table(rows, columns)


def write_one(fields: Iterable[tuple[str, Any]]) -> None:
    """Write one object for people: aligned lines of a name and a value; None is left out."""
    shown = [(name, str(value)) for name, value in fields if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{_bold(name.ljust(width))}  {value}")


def write_json(value: Any, *, indent: bool = True) -> None:
    """Write JSON (or what --output, --json and --jq make of it): ids as text, times as UTC with a Z."""
    for text in lines_of(value, indent=indent):
        click.echo(text)


def note(text: str) -> None:
    """Write a message for people to stderr, unless --quiet is given."""
    if text and not is_quiet():
        with suppress(*GONE):
            click.echo(text, err=True)


def confirm_or_refuse(question: str, yes: bool) -> None:
    """Ask before something is destroyed. Without a terminal --yes is needed. Declining exits with 1."""
    if yes or may_ask() is False:
        return
    if not can_ask():
        raise click.UsageError(f"{question} Add --yes: nobody is asked here.")
    if not click.confirm(question, err=True):
        note("Nothing was changed.")
        raise click.exceptions.Exit(1)


def can_ask() -> bool:
    """Whether a person can be asked here."""
    said = may_ask()
    return is_terminal(sys.stdin) and is_terminal(sys.stderr) if said is None else said


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yes`, which is also called `--accept-yes`."""
    return click.option("--yes", "--accept-yes", "-y", "yes", is_flag=True, help="Do not ask.")(command)


def _on_terminal() -> bool:
    return is_terminal(sys.stdout)


def _in_colour() -> bool:
    chosen = colours()
    return _on_terminal() if chosen is None else chosen


def _bold(text: str) -> str:
    return click.style(text, bold=True) if _in_colour() else text


def _plain_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    lines = [[column.title.upper() for column in columns]]
    lines += [[column.cell(row) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(map(str.ljust, line, widths)).rstrip())


def _rich_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, style=column.style, overflow="fold")
    for row in rows:
        colour = STATE_STYLES.get(str(row.get("state_type")), "")
        table.add_row(*(Text(each.cell(row), style=colour if each.state else each.style) for each in columns))
    in_colour = _in_colour()
    Console(file=sys.stdout, force_terminal=True if in_colour else None, no_color=not in_colour).print(table)
