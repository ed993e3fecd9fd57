"""Flows that run on a real Ray in the test's own process; their tasks are executed by Ray's workers."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import UUID

import cloudpickle
import pytest

from heliostat.runtime.foundation import settings
from heliostat.runtime.journal.current import close_current_recording, current_recording
from heliostat.runtime.store import explaining, flow_runs, logs, task_runs
from heliostat.runtime.store.database.rows import FlowRunRow, LogRow, TaskRunRow
from heliostat.runtime.store.explaining import Reason


class Recorded:
    """What the database knows of the last run that began, or of the one that is named."""

    def run(self, run_id: UUID | None = None) -> FlowRunRow:
        return self._ask(flow_runs.find, str(run_id) if run_id else "@last")

    def runs(self) -> list[FlowRunRow]:
        """All flow runs, the oldest first."""
        return sorted(self._ask(flow_runs.list), key=lambda run: run.created)

    def tasks(self, run_id: UUID | None = None) -> dict[str, TaskRunRow]:
        """Task runs by name."""
        return {row.name: row for row in self._ask(task_runs.list, run_id or self.runs()[0].id, limit=10_000)}

    def states(self, task_run: TaskRunRow) -> list[str]:
        """The names of the states that a task run went through."""
        return [state.name for state in task_runs.states_of(task_run)]

    def counts(self) -> dict[str, int]:
        """Task runs of the first run by state type."""
        return self._ask(task_runs.count_by_state, self.runs()[0].id)

    def reasons(self) -> list[Reason]:
        """What the first run waits for."""
        return self._ask(explaining.explain, self.runs()[0].id).reasons

    def logs(self, run: FlowRunRow | None = None) -> list[LogRow]:
        """Log lines of a run (the first), the engine's own among them."""
        return self._ask(logs.read, flow_run_id=(run or self.runs()[0]).id, limit=10_000)

    def _ask(self, verb: Any, *args: Any, **options: Any) -> Any:
        return current_recording().call(verb, *args, **options)


@pytest.fixture
def recorded(ray_cluster: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """A database of its own for the flows of a test, whose tasks run on Ray."""
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", sqlite_url)
    settings.reload_settings()
    yield Recorded()
    close_current_recording()


@pytest.fixture(autouse=True, scope="module")
def _test_module_travels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Workers cannot import the file of a test: what it defines goes to them by value, as a script's does."""
    module: ModuleType = request.module
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)
