"""Writes log lines of a run: all of them, the first or last ones, or new ones as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, Unpack
from uuid import UUID

import click

from .. import wire
from .output import Row, note, write_json
from .records import level_number, number_without_an_end
from .run_source import LogChoice, RunSource
from .times import local

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_PAUSE_S = 0.5
_LOOK_BACK = 200


class LogOptions(TypedDict):
    """The options of commands that show a log."""

    head: int | None
    tail: int | None
    reverse: bool
    level: str
    output: str


async def write_logs(
    source: RunSource,
    flow_run_id: UUID,
    flow_run_name: str,
    *,
    task_run_id: UUID | None = None,
    **asked: Unpack[LogOptions],
) -> None:
    """Write the lines of a flow run and its task runs, or of one task run alone."""
    head, tail, reverse, output = asked["head"], asked["tail"], asked["reverse"], asked["output"]
    if head is not None and tail is not None:
        raise click.UsageError("Give --head or --tail, not both.")
    number_without_an_end(head, tail)
    choice = LogChoice(
        flow_run_id,
        task_run_id,
        level_number(asked["level"]),
        newest_first=tail is not None or (reverse and head is None),
        limit=head if head is not None else tail,
    )
    names = _TaskRunNames(source, flow_run_id)
    collected: list[Row] = []
    written = 0
    async for lines in _shown_pages(source, choice, reverse):
        written += len(lines)
        for row in await names.added_to(lines):
            if output == "json":
                collected.append(row)
            else:
                _write(row, flow_run_name, output)
    if output == "json":
        write_json(collected)
    elif not written:
        note("No log lines.")


async def follow_logs(client: HeliostatClient, flow_run_id: UUID, asked: LogOptions) -> None:
    """Write lines as they come, until the run has ended."""
    run = await client.read_flow_run(flow_run_id)
    tail = LogTail(client, flow_run_id, asked["level"])
    ended = False
    while True:
        rows = await tail.rows()
        for row in rows:
            _write(row, run.name, asked["output"])
        if ended and not rows:
            return
        ended = (await client.read_flow_run(flow_run_id)).is_final()
        await asyncio.sleep(_PAUSE_S)


class LogTail:
    """The lines of a flow run on a server that are new since the last look."""

    def __init__(self, client: HeliostatClient, flow_run_id: UUID, level: str = "DEBUG") -> None:
        from .server_runs import ServerRuns

        self._source = ServerRuns(client)
        self._choice = LogChoice(flow_run_id, level_min=level_number(level))
        self._names = _TaskRunNames(self._source, flow_run_id)
        self._seen: set[UUID] = set()
        self._offset = 0

    async def rows(self) -> list[Row]:
        """New lines, in order."""
        fresh: list[Row] = []
        # Lines of workers may come late and sort before known ones, so each look goes back a page.
        offset = max(0, self._offset - _LOOK_BACK)
        async for lines in self._source.log_pages(replace(self._choice, offset=offset)):
            fresh += [line for line in lines if line["id"] not in self._seen]
            offset += len(lines)
        self._offset = max(self._offset, offset)
        self._seen.update(line["id"] for line in fresh)
        return await self._names.added_to(fresh)

    async def lines(self, last: bool = False) -> list[str]:
        """New lines as text; `last` waits a moment for lines that are on their way."""
        rows = await self.rows()
        if last and not rows:
            await asyncio.sleep(_PAUSE_S)
            rows = await self.rows()
        return [_line_of(row, None) for row in rows]


class _TaskRunNames:
    """Names of a flow run's task runs by id, asked for once."""

    def __init__(self, source: RunSource, flow_run_id: UUID) -> None:
        self._source = source
        self._flow_run_id = flow_run_id
        self._names: dict[UUID | None, str | None] = {None: None}

    async def added_to(self, lines: list[Row]) -> list[Row]:
        """The lines with the names of their task runs; a task run that is gone is called by its id."""
        unknown = {line["task_run_id"] for line in lines} - self._names.keys()
        if unknown:
            self._names |= {each: str(each) for each in unknown}
            self._names.update((await self._source.task_run_names(self._flow_run_id, unknown)).items())
        return [{**line, "task_run_name": self._names[line["task_run_id"]]} for line in lines]


async def _shown_pages(source: RunSource, choice: LogChoice, reverse: bool) -> AsyncIterator[list[Row]]:
    """The chosen lines, in the order in which they are shown."""
    if choice.newest_first == reverse:
        async for lines in source.log_pages(choice):
            yield lines
        return
    kept = [line async for lines in source.log_pages(choice) for line in lines]
    yield kept[::-1]


def _write(row: Row, flow_run_name: str, output: str) -> None:
    if output == "table":
        click.echo(_line_of(row, flow_run_name))
    else:
        write_json(row, indent=False)


def _line_of(row: Row, flow_run_name: str | None) -> str:
    """One line for people, without the flow run's name if that is None."""
    if row["task_run_name"]:
        who = f"Task run {row['task_run_name']!r}"
    else:
        who = "Flow run" if flow_run_name is None else f"Flow run {flow_run_name!r}"
    return f"{local(row['timestamp'])} | {wire.level_name(row['level']):<7} | {who} - {row['message']}"
