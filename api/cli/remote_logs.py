"""Log lines of a run on a server: all of them, the first or last, or as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from ...runtime.client.calls import PAGE_ROWS
from .. import wire
from .output import Row, note, write_json
from .records import level_number

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import Log

_PAUSE_S = 0.5


async def write_remote_logs(
    client: HeliostatClient,
    flow_run_id: UUID | None,
    flow_run_name: str,
    *,
    task_run_id: UUID | None = None,
    head: int | None,
    tail: int | None,
    reverse: bool,
    level: str,
    output: str,
) -> None:
    """Write the lines of a flow run with those of its task runs, or of one task run alone."""
    if head is not None and tail is not None:
        raise click.UsageError("Give --head or --tail, not both.")
    names = TaskRunNames(client)
    collected: list[Row] = []
    written = 0
    chosen = _filter(flow_run_id, task_run_id, level_number(level))
    async for lines in _pages(client, chosen, head, tail, reverse):
        rows = await names.rows(lines)
        written += len(rows)
        for row in rows:
            if output == "table":
                click.echo(line_of(row, flow_run_name))
            elif output == "jsonl":
                write_json(row, indent=False)
            else:
                collected.append(row)
    if output == "json":
        write_json(collected)
    elif not written:
        note("No log lines.")


class TaskRunNames:
    """Names of task runs by id, asked for once."""

    def __init__(self, client: HeliostatClient) -> None:
        self._client = client
        self._names: dict[UUID, str] = {}

    async def rows(self, lines: Sequence[Log]) -> list[Row]:
        """Lines as rows, with the names of their task runs."""
        wanted = {line.task_run_id for line in lines if line.task_run_id} - self._names.keys()
        for start in range(0, len(wanted), PAGE_ROWS):
            some = [str(each) for each in sorted(wanted)[start : start + PAGE_ROWS]]
            for run in await self._client.read_task_runs(task_run_filter={"id": {"any_": some}}):
                self._names[run.id] = run.name
        return [{**line.to_json(), "task_run_name": self._name(line.task_run_id)} for line in lines]

    def _name(self, task_run_id: UUID | None) -> str | None:
        return None if task_run_id is None else self._names.get(task_run_id, str(task_run_id))


class LogTail:
    """The lines of a flow run that have come since the last look."""

    def __init__(self, client: HeliostatClient, flow_run_id: UUID, level: str = "DEBUG") -> None:
        self._client = client
        self._filter = _filter(flow_run_id, None, level_number(level))
        self._names = TaskRunNames(client)
        self._seen: set[UUID] = set()
        self._offset = 0

    async def rows(self) -> list[Row]:
        """New lines, in order."""
        fresh: list[Log] = []
        # Workers' lines may come a little late and sort before those that are known: look back a page.
        offset = max(0, self._offset - PAGE_ROWS)
        async for lines in self._client.log_pages(self._filter, offset=offset):
            fresh += [line for line in lines if line.id not in self._seen]
            offset += len(lines)
        self._offset = max(self._offset, offset)
        self._seen.update(line.id for line in fresh)
        return await self._names.rows(fresh)

    async def lines(self, last: bool = False) -> list[str]:
        """The same as text. `last`: give lines that are on their way a moment."""
        rows = await self.rows()
        if last and not rows:
            await asyncio.sleep(_PAUSE_S)
            rows = await self.rows()
        return [line_of(row, None) for row in rows]


async def follow_logs(client: HeliostatClient, flow_run_id: UUID, *, level: str, output: str) -> None:
    """Write lines as they come, until the run has ended."""
    run = await client.read_flow_run(flow_run_id)
    tail = LogTail(client, flow_run_id, level)
    ended = False
    while True:
        rows = await tail.rows()
        for row in rows:
            if output == "table":
                click.echo(line_of(row, run.name))
            else:
                write_json(row, indent=False)
        if ended and not rows:
            return
        ended = (await client.read_flow_run(flow_run_id)).is_final()
        await asyncio.sleep(_PAUSE_S)


def line_of(row: Row, flow_run_name: str | None) -> str:
    """One line for people; without the run's name where everybody knows it."""
    task_run_name = row["task_run_name"]
    who = f"Task run {task_run_name!r}" if task_run_name else f"Flow run {flow_run_name!r}"
    if flow_run_name is None and not task_run_name:
        who = "Flow run"
    moment: datetime = row["timestamp"]
    at = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{at} | {wire.level_name(row['level']):<7} | {who} - {row['message']}"


def _filter(flow_run_id: UUID | None, task_run_id: UUID | None, level_min: int) -> dict[str, Any]:
    chosen: dict[str, Any] = {"level": {"ge_": level_min}}
    if task_run_id is not None:
        chosen["task_run_id"] = {"any_": [str(task_run_id)]}
    else:
        chosen["flow_run_id"] = {"any_": [str(flow_run_id)]}
    return chosen


async def _pages(
    client: HeliostatClient, chosen: dict[str, Any], head: int | None, tail: int | None, reverse: bool
) -> AsyncIterator[list[Log]]:
    """The lines asked for, in the order in which they are to be shown."""
    limit = head if head is not None else tail
    newest_first = tail is not None or (reverse and head is None)
    sort = "TIMESTAMP_DESC" if newest_first else "TIMESTAMP_ASC"
    if limit is None:
        async for lines in client.log_pages(chosen, sort=sort):
            yield lines
        return
    kept: list[Log] = []
    while len(kept) < limit:
        lines = await client.read_logs(
            chosen, limit=min(PAGE_ROWS, limit - len(kept)), offset=len(kept), sort=sort
        )
        kept += lines
        if not lines:
            break
    yield kept if newest_first == reverse else kept[::-1]
