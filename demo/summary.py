"""How the summary is written: with rich on a terminal, plainly elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from .command import SHOWN_UNREADABLE, Summary
from .report import Cell, Table

Write = Callable[[str], None]


def write_summary(summary: Summary, write: Write = print) -> None:
    """Write the tables first and the facts last, since people see the last lines."""
    for table in summary.survey.tables:
        if table.rows:
            _write_table(table, write)
    _write_unreadable(summary, write)
    _write_facts(summary, write)


def _write_table(table: Table, write: Write) -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        _rich_table(table)
        return
    lines = [
        [title.upper() for title in table.columns],
        *([_shown(cell) for cell in row] for row in table.rows),
    ]
    numeric = _numeric_columns(table)
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    write(table.title)
    for cells in lines:
        aligned = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, numeric, strict=True)
        ]
        write("  " + "  ".join(aligned).rstrip())
    write("")


def _rich_table(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    drawn = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold cyan")
    for title, is_number in zip(table.columns, _numeric_columns(table), strict=True):
        drawn.add_column(title, justify="right" if is_number else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(_shown, row))
    Console(file=sys.stdout, markup=False, highlight=False).print(drawn)


def _numeric_columns(table: Table) -> list[bool]:
    return [all(_is_number(cell) for cell in cells) for cells in zip(*table.rows, strict=True)]


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int) or cell == "-" or (cell.endswith("%") and cell[:-1].isdigit())


def _shown(cell: Cell) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell


def _write_unreadable(summary: Summary, write: Write) -> None:
    found = summary.survey.unreadable
    if not found:
        write(f"All {summary.survey.files:,} files could be parsed.\n")
        return
    write(f"Files that could not be parsed ({len(found):,} of {summary.survey.files:,})")
    for each in found[:SHOWN_UNREADABLE]:
        write(f"  {each.path}\n    {each.reason}")
    if len(found) > SHOWN_UNREADABLE:
        write(f"  and {len(found) - SHOWN_UNREADABLE:,} more")
    write("")


def _write_facts(summary: Summary, write: Write) -> None:
    counts = ", ".join(
        f"{count:,} {state_type}" for state_type, count in sorted(summary.task_run_counts.items())
    )
    facts: Sequence[tuple[str, str]] = (
        ("flow run", f"{summary.flow_run_name} ({summary.flow_run_id})"),
        ("files", f"{summary.survey.files:,}"),
        ("task runs", f"{summary.tasks:,} on {summary.runner} in {summary.elapsed_s:.1f} s"),
        ("throughput", f"{summary.tasks_per_s:,.0f} task runs/s, parsing included"),
        ("recorded", f"{counts} (counted in the database)"),
        ("database", summary.database),
    )
    for name, value in facts:
        write(f"{name:<10}  {value}")
    write("\nLook further:")
    for command in summary.look_further:
        write(f"  {command}")
