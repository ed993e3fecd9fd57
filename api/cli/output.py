"""How reading verbs write: rows for people, JSON for programs. Data goes to stdout, messages to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from ...runtime.foundation.standard_streams import GONE, is_terminal

Row = dict[str, Any]

FORMATS = ("table", "json", "jsonl")


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


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--output table|json|jsonl`."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="table for people; json (one document) or jsonl (one object a line) for programs.",
    )(command)


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
    elif _on_terminal():
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
    """Write JSON: ids as text, times as UTC with a Z."""
    import orjson

    # The values come from the API, so they are JSON already; `str` writes ids and the like.
    options = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    click.echo(orjson.dumps(value, default=str, option=options).decode())


def note(text: str) -> None:
    """Write a message for people to stderr."""
    if text:
        with suppress(*GONE):
            click.echo(text, err=True)


def confirm_or_refuse(question: str, yes: bool) -> None:
    """Ask before something is destroyed. Without a terminal --yes is needed. Declining exits with 1."""
    if yes:
        return
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise click.UsageError(f"{question} Add --yes: there is no terminal to ask on.")
    if not click.confirm(question, err=True):
        note("Nothing was changed.")
        raise click.exceptions.Exit(1)


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yes`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def _on_terminal() -> bool:
    return is_terminal(sys.stdout)


def _bold(text: str) -> str:
    return click.style(text, bold=True) if _on_terminal() and not os.environ.get("NO_COLOR") else text


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
    Console(file=sys.stdout).print(table)
