"""A control plane on the session's Ray: journal and pool actors on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from waiting import wait_for

from heliostat.pools.default_pool import ensure_default_pool
from heliostat.runtime.foundation import settings
from heliostat.runtime.journal.current import close_current_recording, current_recording
from heliostat.runtime.store import deployments, flow_runs, flows, logs, scheduled_runs, task_runs, work_pools
from heliostat.runtime.store.database.rows import FlowRunRow
from heliostat.runtime.store.deployment_rows import DeploymentRow, NewDeployment
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Plane:
    """The control actors, and a project whose flows write what they do into a file."""

    def __init__(self, project: Path) -> None:
        from heliostat.actors import tree
        from heliostat.actors.surroundings import settings_here

        self.project = project
        self.ask(ensure_default_pool)
        self.pool = self.ask(work_pools.read, work_pools.DEFAULT_POOL)
        self.children = tree.tree([(self.pool.id, self.pool.name)], settings_here())
        self.ensure()

    def ensure(self) -> None:
        """What the keeper does every few seconds."""
        from heliostat.actors import tree

        for child in self.children:
            tree.ensure(child)

    def ask(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        return current_recording().call(verb, *args, **kwargs)

    def deploy(self, entrypoint: str, **facts: Any) -> DeploymentRow:
        flow = self.ask(flows.get_or_create, entrypoint.rpartition(":")[2])
        given: dict[str, Any] = {"path": str(self.project), "work_pool_name": self.pool.name} | facts
        given = {"name": "test", "entrypoint": entrypoint} | given
        row, _ = self.ask(deployments.upsert, NewDeployment(flow.id, **given))
        return row

    def start(self, deployment: DeploymentRow, **parameters: Any) -> UUID:
        new = NewDeploymentRun(parameters=parameters)
        return self.ask(scheduled_runs.create_run, deployment.id, new)[0]

    def run(self, run_id: UUID) -> FlowRunRow:
        return self.ask(flow_runs.read, run_id)

    def ended(self, run_id: UUID, timeout_s: float = 90.0) -> FlowRunRow:
        """Wait for a run's end."""
        self.wait_until(lambda: self.run(run_id).state_type in FINAL, timeout_s, lambda: self.told(run_id))
        return self.run(run_id)

    def told(self, run_id: UUID) -> str:
        """All that is known of a run, for failures."""
        run = self.run(run_id)
        lines = [line.message for line in self.ask(logs.read, flow_run_id=run_id)]
        return "\n".join([f"{run.state_name}: {run.error}", *lines])

    def messages(self, run_id: UUID) -> list[str]:
        return [line.message for line in self.ask(logs.read, flow_run_id=run_id)]

    def states(self, run_id: UUID) -> list[str]:
        return [state.name for state in self.ask(flow_runs.history, run_id)]

    def counts(self, run_id: UUID) -> dict[str, int]:
        return self.ask(task_runs.count_by_state, run_id)

    def effects(self) -> list[str]:
        """What the flows wrote, line by line."""
        path = self.project / "effects"
        return path.read_text().split() if path.exists() else []

    def carried(self) -> dict[UUID, str | None]:
        """The runs that the pool has under way."""
        import ray

        from heliostat.actors import names

        anything: Any = ray
        pool = names.find(f"{names.CONTROL}pool:{self.pool.name}")
        assert pool is not None
        return anything.get(pool.carried.remote())

    def supervisor_of(self, run_id: UUID) -> int:
        """The process that executes a run, once there is one."""
        from heliostat.runtime.store import leases

        self.wait_until(lambda: self.run(run_id).state_type == "RUNNING", 90.0, lambda: self.told(run_id))
        lease = self.ask(leases.read, run_id)
        assert lease is not None and lease.pid is not None
        return int(lease.pid)

    @staticmethod
    def wait_until(
        reached: Callable[[], bool], timeout_s: float = 90.0, tell: Callable[[], str] = lambda: ""
    ) -> None:
        wait_for(reached, within_s=timeout_s, tell=tell)

    def close(self) -> None:
        from heliostat.actors import names

        # Pools first: they would start what is killed anew.
        for prefix in (names.CONTROL, names.SUPERVISOR, names.JOURNAL):
            for name in names.living(prefix):
                names.end(names.find(name))
        self.wait_until(lambda: not names.living())


@pytest.fixture
def plane(
    database_url: str, ray_cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plane]:
    """A control plane, once on each kind of database."""
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", database_url)
    settings.reload_settings()
    source = Path(__file__).parent / "project"
    project = tmp_path / "project"
    project.mkdir()
    for file in source.glob("*.txt"):
        (project / f"{file.stem}.py").write_text(file.read_text())
    made = Plane(project)
    yield made
    made.close()
    close_current_recording()
    asyncio.set_event_loop(None)
