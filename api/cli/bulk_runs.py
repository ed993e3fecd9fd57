"""Verbs on many flow runs at once: those that are named, or all that a filter chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack, cast

import click

from ...runtime.foundation import clock
from .output import Row
from .records import StateOptions, chosen_runs, state_options
from .run_source import RunSource
from .sources import with_runs
from .when import seconds_of

_PAGE = 200


class RunFilter(StateOptions):
    """What `filter_options` give."""

    flow_names: tuple[str, ...]
    name_part: str | None
    older_than: str | None
    every: bool


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--flow`, `--state`, `--state-type`, `--name`, `--older-than`, `--all`."""
    for option in (
        click.option("--all", "every", is_flag=True, help="All runs that the other options choose."),
        click.option("--older-than", metavar="DURATION", help="Only runs that began before: 90m, 12h, 7d."),
        click.option("--name", "name_part", metavar="TEXT", help="Only runs whose name contains this."),
        state_options,
        click.option(
            "--flow", "flow_names", metavar="NAME", multiple=True, help="Only of this flow; repeatable."
        ),
    ):
        command = option(command)
    return command


def runs_meant(names: Sequence[str], **asked: Unpack[RunFilter]) -> list[Row]:
    """The runs with these names, or those that the filter chooses. Raises NotFound."""
    filtered = is_filtered(asked)
    if bool(names) == filtered:
        raise click.UsageError("Give runs, or options that choose some: --state, --flow, ...; --all.")
    if names:

        async def find_all(source: RunSource) -> list[Row]:
            found = [await source.flow_run(name) for name in names]
            return list({str(row["id"]): row for row in found}.values())

        return with_runs(find_all)
    before = (
        None
        if asked["older_than"] is None
        else clock.now() - timedelta(seconds=seconds_of(asked["older_than"]))
    )
    choice = chosen_runs(
        asked["flow_names"], asked["name_part"], states=asked["states"], state_types=asked["state_types"]
    )

    async def read(source: RunSource) -> list[Row]:
        found: list[Row] = []
        while page := (await source.flow_runs(choice, _PAGE, len(found)))[:_PAGE]:
            found += page
        return [row for row in found if before is None or _is_before(row, before)]

    return with_runs(read)


def is_filtered(asked: RunFilter) -> bool:
    """Whether any option that chooses runs was given."""
    return any(cast("dict[str, object]", asked).values())


def names_of(rows: Sequence[Row]) -> str:
    """The runs in words: all of a few, the first of many."""
    shown = ", ".join(f"{row['name']} ({row['id']}, {row['state_name']})" for row in rows[:10])
    return shown if len(rows) <= 10 else f"{shown} and {len(rows) - 10} more"


def _is_before(row: Row, moment: datetime) -> bool:
    began = row.get("start_time") or row.get("expected_start_time") or row.get("created")
    return began is not None and began < moment
