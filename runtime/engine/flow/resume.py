"""Resumes a flow run whose process died, or that ended without completing."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from ...foundation.errors import RunStillAlive, UserError
from ...journal.current import current_recording
from ...projects.entrypoints import load_flow
from ...states import State
from ...store import flow_runs, leases
from ...store.database.rows import FlowRunRow
from .. import payload
from ..owner import is_dead, is_gone
from .flow_call import run_to_end
from .flow_run import Resumption
from .origin import code_revision

_log = logging.getLogger("heliostat.flow_runs")


def resume_flow_run(run_id: UUID) -> State:
    """Execute a run again: completed task runs answer from the journal, the others run. Returns its final
    state.

    It needs the machine and the code of the run. Raises RunStillAlive while its owner lives, UserError when
    it has completed or cannot be started again, MissingFlow when its code is gone.
    """
    recording = current_recording()
    # The lease is read first: a run that completes in between gives it back, and is then refused.
    lease = recording.call(leases.read, run_id)
    run = recording.call(flow_runs.read, run_id)
    _refuse_unless_resumable(run)
    if lease is not None and not is_dead(lease):
        raise RunStillAlive(
            f"flow run {run.name} is still executed by process {lease.pid} on {lease.host}",
            hint="Wait until it ends; if that machine is gone, wait until its lease has lapsed "
            f"({lease.until:%H:%M:%S} UTC).",
        )
    assert run.entrypoint is not None and run.parameters_pickle is not None
    flow = load_flow(run.entrypoint)
    if run.code_revision is not None and code_revision(flow.fn) != run.code_revision:
        _log.warning("the code of flow %r has changed since this run began", flow.name)
    parameters: dict[str, Any] = payload.load(run.parameters_pickle)
    return run_to_end(flow, parameters, Resumption(run, lease.epoch if lease else None))


def is_left_here(run_id: UUID) -> bool:
    """Whether a process of this machine executed the run and died before the run ended."""
    lease = current_recording().call(leases.read, run_id)
    return lease is not None and lease.owner is not None and is_gone(lease)


def _refuse_unless_resumable(run: FlowRunRow) -> None:
    if run.state_type == "COMPLETED":
        raise UserError(f"flow run {run.name} has completed", hint="There is nothing left to do.")
    if run.parent_task_run_id is not None:
        raise UserError(f"flow run {run.name} is a sub-flow run", hint="Resume the flow run that called it.")
    if run.entrypoint is None:
        raise UserError(
            f"flow run {run.name} was started from code that is in no file",
            hint="Put the flow into a file to be able to resume its runs.",
        )
    if run.parameters_pickle is None:
        raise UserError(
            f"the parameters of flow run {run.name} could not be kept",
            hint="Use parameters that can be pickled (16 MB at most), or run the flow anew.",
        )
