"""Scripts whose processes, workers and nodes are killed; what they leave is read from the database and from a
file of effects.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime.store import flow_runs, logs, task_runs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import FlowRunRow, LogRow, TaskRunRow

FLOWS = '''
"""Flows whose tasks leave one line a call in effects.txt: what was done, by which process."""

import os
import sys
import time

from heliostat import flow, task

HERE = os.path.dirname(os.path.abspath(__file__))


def leave(word):
    file = os.open(os.path.join(HERE, "effects.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{word} {os.getpid()}\\n".encode())
    os.close(file)


def is_there(name):
    return os.path.exists(os.path.join(HERE, name))


@task
def work(number):
    leave(number)
    time.sleep(0.0005)
    return number


@task
def poison(number):
    leave(number)
    if number == 7:
        os._exit(1)
    return number


@task
def slow(number):
    leave(number)
    time.sleep(0.05)
    return number


@task
def total(numbers):
    return sum(numbers)


@flow
def many(count: int = 10_000):
    numbers = work.map(range(count)).result()
    assert numbers == list(range(count))
    return total(numbers)


@flow
def with_poison(count: int = 60):
    results = poison.map(range(count)).result(raise_on_failure=False)
    assert [each for each in results if isinstance(each, int)] == [n for n in range(count) if n != 7]


@flow
def endless():
    slow.map(range(100_000)).result()


@flow
def waits_for_permission():
    first = work.map(range(20)).result()
    while not is_there("permission"):
        time.sleep(0.01)
    return total(work.map(range(20, 40)).result() + first)


@flow
def inner(count: int):
    return total(slow.map(range(count)).result())


@flow
def outer(count: int = 60):
    before = total(work.map(range(10)).result())
    return before + inner(count)


if __name__ == "__main__":
    print("the flow gave", globals()[sys.argv[1]]())
'''


class Effects:
    """The lines that tasks have left."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def lines(self) -> list[tuple[str, int]]:
        """What was done, and the process that did it, in the order in which it happened."""
        if not self._file.exists():
            return []
        complete = self._file.read_text().rpartition("\n")[0]
        return [(word, int(pid)) for word, pid in map(str.split, complete.splitlines())]

    def count(self) -> int:
        return len(self.lines())

    def times(self) -> Counter[str]:
        """How often each was done."""
        return Counter(word for word, _ in self.lines())

    def permit(self) -> None:
        """Let `waits_for_permission` go on."""
        self._file.with_name("permission").touch()

    def twice(self) -> list[str]:
        return [word for word, count in self.times().items() if count > 1]


class Left:
    """What a database holds, read by verbs: `left(flow_runs.list)`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
        async def ask() -> Any:
            db = await Database.open(self.url)
            try:
                return await verb(db, *args, **options)
            finally:
                await db.close()

        return asyncio.run(ask())

    def runs(self) -> list[FlowRunRow]:
        """All flow runs, the oldest first."""
        return sorted(self(flow_runs.list), key=lambda run: run.created)

    def run(self) -> FlowRunRow:
        """The first flow run."""
        return self.runs()[0]

    def states(self) -> list[str]:
        return [state.name for state in self(flow_runs.history, self.run().id)]

    def last_message(self) -> str:
        """What the first flow run's last state says."""
        return self(flow_runs.history, self.run().id)[-1].message or ""

    def tasks(self, run: FlowRunRow | None = None, **filters: Any) -> list[TaskRunRow]:
        return self(task_runs.list, (run or self.run()).id, limit=100_000, **filters)

    def completed(self, task_name: str) -> set[str]:
        """The indexes of a task's calls that are recorded as completed."""
        return {
            row.dynamic_key
            for run in self.runs()[:1]
            for row in self.tasks(run)
            if row.task_name == task_name and row.state_type == "COMPLETED"
        }

    def counts(self, run: FlowRunRow | None = None) -> dict[str, int]:
        return self(task_runs.count_by_state, (run or self.run()).id)

    def log(self) -> list[LogRow]:
        return self(logs.read, flow_run_id=self.run().id, limit=10_000)

    def messages(self) -> list[str]:
        return [row.message for row in self.log()]


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A file of flows; `python FILE NAME` runs one of them."""
    file = tmp_path / "flows.py"
    file.write_text(FLOWS)
    return file


@pytest.fixture
def effects(flows: Path) -> Effects:
    return Effects(flows.with_name("effects.txt"))


@pytest.fixture
def left(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Left:
    """The database of the scripts; the test runs once on each kind."""
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", database_url)
    return Left(database_url)


@pytest.fixture
def start(run_script: Callable[..., Any], flows: Path, left: Left, ray_cluster: str) -> Callable[..., Any]:
    """Start a flow of that file on Ray, or (`"flow-run", "resume", ...`) a command line."""

    def start(*words: str, **environment: str) -> Any:
        command = words if words[0].startswith("flow") else (flows, *words)
        return run_script(*command, HELIOSTAT_RAY_ADDRESS=ray_cluster, **environment)

    return start
