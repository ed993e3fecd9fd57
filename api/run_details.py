"""Everything about one run in one document: what `inspect` shows, from the database or through the API."""

from __future__ import annotations

from ..runtime.foundation.settings import current_settings
from ..runtime.store import flow_runs, leases, task_runs
from ..runtime.store.database.database import Database
from ..runtime.store.database.rows import FlowRunRow, TaskRunRow
from . import wire
from .executors import with_executors


async def flow_run_details(db: Database, row: FlowRunRow) -> wire.Wire:
    """FlowRun with its flow's name, its states, the decisions of rules, and its task runs by state."""
    history = await flow_runs.history(db, row.id)
    held = await leases.read_many(db, [row.id])
    run = wire.flow_run(row, history[-1] if history else None)
    (run,) = with_executors([run], held, current_settings().lease_s)
    return {
        **run,
        "flow_name": row.flow_name,
        "entrypoint": row.entrypoint,
        "code_revision": row.code_revision,
        "error": row.error,
        "task_run_counts": await task_runs.count_by_state(db, row.id),
        "states": [wire.flow_run_state(state) for state in history],
        "decisions": [wire.decision(each) for each in await flow_runs.decisions(db, row.id)],
    }


def task_run_details(row: TaskRunRow) -> wire.Wire:
    """TaskRun with its states, where it ran, and its error."""
    states = task_runs.states_of(row)
    return {
        **wire.task_run(row, states),
        "states": [wire.task_run_state(row, state) for state in states],
        "error": row.error,
        "result_kind": row.result_kind,
        "node": row.node,
        "pid": row.pid,
    }
