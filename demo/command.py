"""What `heliostat demo` does: run the survey, then ask the database what was recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..runtime.foundation import clock
from ..runtime.foundation.settings import current_settings
from ..runtime.journal.current import current_recording
from .survey import Survey, survey

if TYPE_CHECKING:
    from ..runtime.authoring.context import FlowRunInfo
    from ..runtime.states import State

SHOWN_UNREADABLE = 8


@dataclass(frozen=True)
class Summary:
    """A survey that has ended, with what the database recorded of it."""

    flow_run_id: UUID
    flow_run_name: str
    runner: str
    database: str
    elapsed_s: float  # of the flow run
    task_run_counts: dict[str, int]  # by state type
    survey: Survey

    @property
    def tasks(self) -> int:
        return sum(self.task_run_counts.values())

    @property
    def tasks_per_s(self) -> float:
        return self.tasks / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def look_further(self) -> tuple[str, ...]:
        """Commands that show more."""
        run = self.flow_run_id
        return (
            f"heliostat flow-run inspect {run}",
            f"heliostat task-run ls --flow-run {run} --state FAILED",
            f"heliostat flow-run logs {run}",
        )

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON data."""
        return {
            "flow_run_id": self.flow_run_id,
            "flow_run_name": self.flow_run_name,
            "runner": self.runner,
            "database": self.database,
            "elapsed_s": round(self.elapsed_s, 3),
            "tasks": self.tasks,
            "tasks_per_s": round(self.tasks_per_s, 1),
            "task_run_counts": self.task_run_counts,
            "files": self.survey.files,
            "failed_files": [{"path": each.path, "reason": each.reason} for each in self.survey.unreadable],
            "tables": [
                {"title": table.title, "columns": table.columns, "rows": table.rows}
                for table in self.survey.tables
            ],
        }


@dataclass(frozen=True)
class Outcome:
    """How the demo's flow run ended."""

    flow_run_id: UUID
    state: State
    summary: Summary | None  # when it completed


def run_demo(files: int | None, runner: str | None, say: Callable[[str], None]) -> Outcome:
    """Survey this installation and read what was recorded; `say` tells people about slow steps."""
    runner = runner or current_settings().task_runner
    if runner == "ray":
        _connect_to_ray(say)
    begun: list[FlowRunInfo] = []

    def note_run(_flow: object, run: FlowRunInfo, _state: object) -> None:
        begun.append(run)

    flow = survey.with_options(task_runner=runner, on_running=[note_run])
    state: State = flow.run({"files": files}, return_state=True)
    run_id = begun[0].id
    if not state.is_completed():
        return Outcome(run_id, state, None)
    settings = current_settings()
    database = settings.api_url or settings.masked("database_url")
    return Outcome(run_id, state, _summary(run_id, state, runner, database))


def outcome_of(run_id: UUID, runner: str, database: str) -> Outcome:
    """How a survey that ran elsewhere ended; without a summary when its result cannot be read here.

    `database` names the database that recorded it.
    """
    from ..runtime.engine.flow.flow_results import restore_result
    from ..runtime.states import State, StateType
    from ..runtime.store import flow_runs

    run = current_recording().call(flow_runs.read, run_id)
    state = restore_result(run, survey) if run.state_type == "COMPLETED" else None
    if state is not None:
        return Outcome(run_id, state, _summary(run_id, state, runner, database))
    return Outcome(
        run_id, State(StateType(run.state_type or "CRASHED"), name=run.state_name or "Unknown"), None
    )


def _connect_to_ray(say: Callable[[str], None]) -> None:
    """Start Ray before the survey needs it, to tell people why it takes a while."""
    address = current_settings().ray_address
    say(f"Joining Ray at {address} ..." if address else "Starting a local Ray, which takes a few seconds ...")
    began_s = clock.monotonic_s()
    from ..runtime.engine import ray_cluster

    ray_cluster.connect(address)
    say(f"Ray is up after {clock.monotonic_s() - began_s:.1f} s.")


def _summary(run_id: UUID, state: State, runner: str, database: str) -> Summary:
    from ..runtime.store import flow_runs, task_runs

    recording = current_recording()
    run = recording.call(flow_runs.read, run_id)
    assert run.start_time is not None and run.end_time is not None
    return Summary(
        run.id,
        run.name,
        runner,
        database,
        (run.end_time - run.start_time).total_seconds(),
        recording.call(task_runs.count_by_state, run_id),
        state.result(),
    )
