"""How log lines of a run are written, for `flow-run logs` and `task-run logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from .. import wire
from .output import Row, note, write_json
from .records import TaskRunNames, level_number, log_pages

if TYPE_CHECKING:
    from ...runtime.store.database.database import Database
    from ...runtime.store.database.rows import LogRow


async def write_logs(
    db: Database,
    flow_run_id: UUID,
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
    names = TaskRunNames(db, flow_run_id)
    collected: list[Row] = []
    written = 0
    async for rows in log_pages(
        db,
        flow_run_id=None if task_run_id else flow_run_id,
        task_run_id=task_run_id,
        head=head,
        tail=tail,
        reverse=reverse,
        level_min=level_number(level),
    ):
        await names.learn({row.task_run_id for row in rows if row.task_run_id})
        written += len(rows)
        for row in rows:
            task_run_name = names[row.task_run_id] if row.task_run_id else None
            if output == "table":
                click.echo(_line(row, flow_run_name, task_run_name))
                continue
            line = {**wire.log(row), "task_run_name": task_run_name}
            if output == "json":
                collected.append(line)
            else:
                write_json(line, indent=False)
    if output == "json":
        write_json(collected)
    elif not written:
        note("No log lines.")


def _line(row: LogRow, flow_run_name: str, task_run_name: str | None) -> str:
    who = f"Task run {task_run_name!r}" if task_run_name else f"Flow run {flow_run_name!r}"
    at = row.timestamp.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{at} | {wire.level_name(row.level):<7} | {who} - {row.message}"
