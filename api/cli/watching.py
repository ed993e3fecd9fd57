"""Follows a run on a server to its end: its states and log lines as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import click

from ...runtime.foundation import clock
from .failures import Exit
from .output import note
from .remote import with_client
from .times import duration

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import FlowRun

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0


def watch_run(
    run_id: UUID, timeout_s: float | None = None, *, logs: bool = True, pause_s: float | None = None
) -> int:
    """Follow a run until it has ended; returns the exit code of its outcome.

    Ctrl-C ends the watching, not the run, and a message says so. `pause_s` is the longest pause of looking.
    """
    try:
        run = with_client(
            lambda client: _follow(client, run_id, timeout_s, logs, pause_s or _LONGEST_PAUSE_S)
        )
    except KeyboardInterrupt:
        note(f"Watching has ended; the run goes on. hint: heliostat flow-run watch {run_id}")
        return Exit.INTERRUPTED
    state = run.state
    if state is None or not state.is_final():
        note(f"Flow run {run.name!r} is still {run.state_name}. hint: heliostat flow-run explain {run_id}")
        return Exit.FAILED
    message = f": {state.message}" if state.message else ""
    note(f"Flow run {run.name!r} ended as {state.name} after {duration(run.total_run_time)}{message}")
    if state.is_completed():
        return Exit.OK
    note(f"hint: heliostat flow-run inspect {run_id}")
    return Exit.FAILED


async def _follow(
    client: HeliostatClient, run_id: UUID, timeout_s: float | None, logs: bool, longest_pause_s: float
) -> FlowRun:
    from .logs import LogTail

    began, pause_s = clock.monotonic_s(), _FIRST_PAUSE_S
    tail = LogTail(client, run_id) if logs else None
    shown: str | None = None
    while True:
        run = await client.read_flow_run(run_id)
        news = await tail.lines() if tail else []
        for line in news:
            click.echo(line)
        if run.state_name != shown:
            shown = run.state_name
            note(f"{run.name}: {shown}")
            pause_s = _FIRST_PAUSE_S
        if run.is_final():
            for line in await tail.lines(last=True) if tail else []:
                click.echo(line)
            return run
        if timeout_s is not None and clock.monotonic_s() - began >= timeout_s:
            return run
        pause_s = _FIRST_PAUSE_S if news else min(pause_s * 1.5, longest_pause_s)
        await asyncio.sleep(pause_s)
