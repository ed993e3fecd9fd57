"""Executing a run that was claimed for this process: from its row in the database to its last state.

A work pool's supervisor and a worker's subprocess execute their claimed runs here. The row names the flow and
its parameters; the lease of the claim is taken over, so that this process is the only writer.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...foundation import clock
from ...foundation.errors import MissingFlow, ParameterMismatch, StockClientMissing, StockFlow
from ...projects.entrypoints import load_flow
from ...records import LogBatch, LogLine
from ...states import Cancelled, Crashed, Failed, State, StateType
from ...store import block_documents
from ...values import tracebacks
from ...values.block_references import references_in, with_blocks
from .. import payload
from ..owner import owner_of_this_process
from ..relay import recording_here
from .flow_call import run_to_end
from .flow_results import Kept
from .flow_run import Resumption
from .flow_states import transition_of
from .stock_flows import is_stock_flow

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition
    from ...store.database.rows import Adopted, FlowRunRow, Lease

_loading = threading.Lock()


def execute_claimed(
    run_id: UUID, claimed_epoch: int | None, project: Path | None = None, *, is_stock: bool = False
) -> State:
    """Execute a claimed run in this process and return the state that it ended in, or was left in (Paused).

    `claimed_epoch` is the epoch of the claim's lease, or of an execution whose process is known to be dead;
    None when there is no lease. `project` is the folder that the entrypoint is relative to. What an earlier
    execution has completed answers from the journal. A run that has ended meanwhile is left alone; one that
    cannot begin (no such flow, wrong parameters) is Failed, code that cannot be loaded makes it Crashed.
    A flow of the stock client is executed by that one; `is_stock` says so if its code is not here.

    Raises NotFound, LeaseHeld when another process holds the run, LeaseLost when one takes it away.
    """
    adopted = adopt(run_id, claimed_epoch)
    run, lease = adopted.run, adopted.lease
    if _state_of(run).is_final():
        recording_here().release(run_id, lease.epoch, owner_of_this_process().id)
        return _state_of(run)
    if run.state_type == "CANCELLING":
        return end_before_flow(run, lease, Cancelled("cancelled before its flow began"))
    if is_stock:
        return _execute_stock(adopted)
    try:
        with _loading:  # when several runs start in one process, only the first loads the file
            flow = load_claimed_flow(run, project)
        values = _parameters_of(run)
    except StockFlow:
        return _execute_stock(adopted)
    except Exception as error:
        return end_before_flow(run, lease, Crashed(f"the flow cannot be loaded: {error}", data=error))
    is_new = run.run_count == 0 and claimed_epoch in (None, 1)
    try:
        from_json = run.parameters_pickle is None
        values = _with_blocks(values) if from_json else values
        return run_to_end(flow, values, Resumption(run, claimed_epoch, is_new, lease, from_json))
    except ParameterMismatch as error:  # before the run begins; an error of the flow itself becomes a state
        return end_before_flow(run, lease, Failed(tracebacks.headline(error), data=error))


def _execute_stock(adopted: Adopted) -> State:
    from .stock_run import execute_stock_run

    try:
        return execute_stock_run(adopted)
    except StockClientMissing as error:
        return end_before_flow(
            adopted.run, adopted.lease, Crashed(f"the run cannot begin: {error}", data=error)
        )


def adopt(run_id: UUID, claimed_epoch: int | None) -> Adopted:
    """Take a claimed run's lease for this process. Raises NotFound, LeaseHeld."""
    return recording_here().adopt(run_id, owner_of_this_process(), claimed_epoch)


def load_claimed_flow(run: FlowRunRow, project: Path | None) -> FlowDefinition[..., Any]:
    """The flow of a recorded run, from its project's folder. Raises MissingFlow, StockFlow."""
    entrypoint = run.entrypoint
    if entrypoint is None:
        raise MissingFlow(
            f"flow run {run.name} does not say where its flow is",
            hint="give its deployment an entrypoint: path/in/project.py:flow",
        )
    if is_stock_flow(entrypoint, project):
        raise StockFlow(f"{entrypoint} is a flow of the stock client")
    if project is None:
        return load_flow(entrypoint)
    root = str(project)
    if root not in sys.path:
        sys.path.insert(0, root)
    target, colon, name = entrypoint.rpartition(":")
    if not colon:
        target, name = name, ""
    if target.endswith(".py"):
        return load_flow(f"{os.path.join(root, target)}{colon}{name}")
    return load_flow(entrypoint)


def _parameters_of(run: FlowRunRow) -> dict[str, Any]:
    if run.parameters_pickle is not None:
        return payload.load(run.parameters_pickle)
    return dict(run.parameters)


def _with_blocks(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters with the data of the blocks that they refer to. Raises ParameterMismatch."""
    references = sorted(set(references_in(values)))
    if not references:
        return values
    return with_blocks(values, recording_here().call(block_documents.data_of, references))


def _state_of(run: FlowRunRow) -> State:
    return State(StateType(run.state_type or "PENDING"), name=run.state_name or "Pending")


def end_before_flow(run: FlowRunRow, lease: Lease, final: State) -> State:
    """End a run before its flow began: record why, and its final state. `lease` is given back."""
    journal = recording_here().journal.open(run.id, lease.epoch, owner_of_this_process().id, lease.last_seq)
    error = final.data
    kept = Kept(error=json.dumps(tracebacks.capture(error))) if isinstance(error, BaseException) else Kept()
    text = f"{final.message}\nhint: {hint}" if (hint := getattr(error, "hint", None)) else f"{final.message}"
    line = LogLine(clock.epoch_s(), logging.ERROR, "heliostat.engine", text, None)
    journal.append(LogBatch([line]))
    journal.append(transition_of(final, kept, release=True))
    journal.barrier().result()
    journal.close()
    return final
