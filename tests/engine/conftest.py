"""Flows run in the test's own process; what they leave in the database is read through the store's verbs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from heliostat.runtime.foundation import settings
from heliostat.runtime.journal.current import close_current_recording, current_recording
from heliostat.runtime.store import flow_runs, logs, task_runs
from heliostat.runtime.store.commits import cache
from heliostat.runtime.store.database.rows import FlowRunRow, LogRow, TaskRunRow


class Recorded:
    """What the database knows. A run is meant by its row; without one, the last run that began."""

    def runs(self) -> list[FlowRunRow]:
        """All flow runs, in the order in which they began."""
        return sorted(self._ask(flow_runs.list), key=lambda run: run.start_time)

    def run(self, run_id: UUID | None = None) -> FlowRunRow:
        if run_id is not None:
            return self._ask(flow_runs.read, run_id)
        return self._ask(flow_runs.find, "@last")

    def states(self, run: FlowRunRow | None = None) -> list[str]:
        """The names of a flow run's states."""
        return [state.name for state in self._ask(flow_runs.history, (run or self.run()).id)]

    def state_message(self, run: FlowRunRow | None = None) -> str | None:
        """What the last state of a flow run says."""
        return self._ask(flow_runs.history, (run or self.run()).id)[-1].message

    def decisions(self, run: FlowRunRow | None = None) -> list[Any]:
        return self._ask(flow_runs.decisions, (run or self.run()).id)

    def tasks(self, run: FlowRunRow | None = None) -> dict[str, TaskRunRow]:
        """Task runs by name, with their results."""
        listed = self._ask(task_runs.list, (run or self.run()).id, limit=10_000)
        return {row.name: self._ask(task_runs.read, row.id) for row in listed}

    def task(self, name: str, run: FlowRunRow | None = None) -> TaskRunRow:
        return self.tasks(run)[name]

    def task_states(self, name: str, run: FlowRunRow | None = None) -> list[str]:
        """The names of the states that a task run went through."""
        return [state.name for state in task_runs.states_of(self.task(name, run))]

    def counts(self, run: FlowRunRow | None = None) -> dict[str, int]:
        """Task runs by state type."""
        return self._ask(task_runs.count_by_state, (run or self.run()).id)

    def logs(self, run: FlowRunRow | None = None) -> list[LogRow]:
        """The author's log lines and prints, without the engine's own."""
        rows = self._ask(logs.read, flow_run_id=(run or self.run()).id, limit=10_000)
        return [row for row in rows if row.name != "heliostat.engine"]

    def said(self, run: FlowRunRow | None = None) -> list[str]:
        """The engine's own log lines."""
        rows = self._ask(logs.read, flow_run_id=(run or self.run()).id, limit=10_000)
        return [row.message for row in rows if row.name == "heliostat.engine"]

    def kept(self, cache_key: str) -> Any:
        """What the cache has under a key."""
        return self._ask(cache.get, cache_key)

    def messages(self, run: FlowRunRow | None = None) -> list[str]:
        return [row.message for row in self.logs(run)]

    def _ask(self, verb: Any, *args: Any, **options: Any) -> Any:
        return current_recording().call(verb, *args, **options)


@pytest.fixture
def recorded(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """A SQLite database for the flows of this test."""
    yield from _recorded(sqlite_url, monkeypatch)


@pytest.fixture
def recorded_on_both(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """The same; the test runs once on each kind of database."""
    yield from _recorded(database_url, monkeypatch)


def _recorded(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", url)
    monkeypatch.setenv("HELIOSTAT_TASK_RUNNER", "inline")
    settings.reload_settings()
    yield Recorded()
    close_current_recording()


@pytest.fixture(params=["inline", "threads"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where submitted tasks run; the test runs once with each."""
    monkeypatch.setenv("HELIOSTAT_TASK_RUNNER", request.param)
    settings.reload_settings()
    return request.param
