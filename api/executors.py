"""Which process executes a run that has not ended, and what to do when it is gone or silent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..runtime.engine.owner import is_gone
from ..runtime.foundation.settings import current_settings
from ..runtime.store.database.rows import FlowRunRow, LeaseRow

HOLDING = ("PENDING", "RUNNING", "CANCELLING")
"""Types of the states in which a run has an executor."""


@dataclass(frozen=True, slots=True)
class Executor:
    """The process that holds a run."""

    host: str | None
    pid: int | None
    silent_s: float
    alive: bool | None
    """None: it has not renewed its lease, and this machine cannot tell whether it is alive."""

    def to_json(self) -> dict[str, Any]:
        """The executor as JSON data."""
        return {
            "host": self.host,
            "pid": self.pid,
            "alive": self.alive,
            "silent_seconds": round(self.silent_s, 1),
        }


def executor_of(lease: LeaseRow | None, lease_s: float) -> Executor | None:
    """The process that holds a lease, as seen from this machine; None when no process does."""
    if lease is None or lease.owner is None:
        return None
    heard_for_s = lease_s - lease.left_s
    alive = False if is_gone(lease) else None if lease.lapsed else True
    return Executor(lease.host, lease.pid, max(0.0, heard_for_s), alive)


def with_executors(
    rows: Iterable[dict[str, Any]], leases: Iterable[LeaseRow], lease_s: float
) -> list[dict[str, Any]]:
    """Runs as JSON; those that have an executor get it as `executor`, and a note for people as
    `executor_note`.
    """
    by_run = {lease.run_id: lease for lease in leases}
    shown: list[dict[str, Any]] = []
    for row in rows:
        held = str(row.get("state_type")) in HOLDING
        executor = executor_of(by_run.get(UUID(str(row["id"]))), lease_s) if held else None
        shown.append(
            {
                **row,
                "executor": None if executor is None else executor.to_json(),
                "executor_note": None if executor is None else note_on(executor, row),
            }
        )
    return shown


def executor_note(run: FlowRunRow, lease: LeaseRow) -> str | None:
    """A note for people on a run's executor, as seen from this machine; None when all is well."""
    executor = executor_of(lease, current_settings().lease_s)
    facts = {
        "name": run.name,
        "parent_task_run_id": run.parent_task_run_id,
        "deployment_id": run.deployment_id,
    }
    return None if executor is None else note_on(executor, facts)


def note_on(executor: Executor, run: Mapping[str, Any]) -> str | None:
    """A note for people on a run whose executor is gone or silent; None when all is well."""
    if executor.alive:
        return None
    if executor.alive is None:
        said = f"its process has not been heard of for {executor.silent_s:.0f} s"
    else:
        said = (
            f"its process {executor.pid} on {executor.host} is gone"
            f" and has not been heard of for {executor.silent_s:.0f} s"
        )
    return f"{said}; {_way_on(run)}"


def _way_on(run: Mapping[str, Any]) -> str:
    if run.get("parent_task_run_id") is not None:
        return "resume the flow run that called this one"
    if run.get("deployment_id") is not None:
        return "a server gives it to another process"
    return f"resume with `heliostat flow-run resume {shlex.quote(str(run['name']))}`"
