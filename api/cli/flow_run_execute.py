"""`heliostat flow-run execute`: the command that a worker starts for each run."""

from __future__ import annotations

import os
from uuid import UUID

import click

from ...runtime.foundation.errors import NotFound, UserError
from .failures import Exit
from .lazy import Verb


@click.command("execute", cls=Verb, examples=("heliostat flow-run execute 0192f1e0-...",))
@click.argument("run", metavar="[RUN]", required=False)
def execute(run: str | None) -> int:
    """Execute a claimed run in this process, as workers do. RUN is its whole id.

    By default HELIOSTAT_FLOW_RUN_ID names the run. The exit code is 1 if it did not complete.
    """
    named = run or os.environ.get("HELIOSTAT_FLOW_RUN_ID") or os.environ.get("PREFECT__FLOW_RUN_ID")
    if not named:
        raise UserError("Which run?", hint="heliostat flow-run execute ID")
    try:
        run_id = UUID(named)
    except ValueError:
        raise NotFound(f"{named!r} is not the id of a run.", hint="give the whole id") from None
    from ...runtime.running.execute import execute_run

    state = execute_run(run_id)
    return Exit.OK if state.is_completed() or state.is_paused() else Exit.FAILED
