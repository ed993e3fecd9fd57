"""The runner over an API that answers as the test says: who gets a run, and what becomes of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from waiting import wait_until

from heliostat.runtime.client.records import FlowRun, state_to_json
from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import Unavailable, UserError
from heliostat.runtime.running.runner import Job, Runner, RunnerTimes
from heliostat.runtime.states import Cancelling, Completed, Pending, Running, Scheduled, State
from heliostat.runtime.store.seen_runs import Told

PATIENCE_S = 30.0
TIMES = RunnerTimes(watch_s=0.01, cancel_s=0.01, term_s=0.2, retry_s=0.0)


class FakeApi:
    """Runs and what was proposed for them; `becomes` is the state that a run is found in."""

    def __init__(self) -> None:
        self.proposed: list[State] = []
        self.becomes: State = Completed()
        self.refuses: bool = False
        self.to_cancel: set[UUID] = set()
        self.before = 0
        self.pid: str | None = None
        self.logged: list[str] = []
        self.released: list[UUID] = []

    async def read(self, run_id: UUID) -> FlowRun:
        return a_run(run_id, self.becomes, infrastructure_pid=self.pid)

    async def propose(self, run_id: UUID, seen: UUID, state: State, *, is_unheld: bool = False) -> Told:
        self.proposed.append(state)
        return Told.REFUSED if self.refuses else Told.ACCEPTED

    async def started(self, run_id: UUID, infrastructure_pid: str) -> None:
        self.pid = infrastructure_pid

    async def cancelling(self, run_ids: Iterable[UUID]) -> set[UUID]:
        return self.to_cancel & set(run_ids)

    async def let_go(self, run_id: UUID) -> None:
        self.released.append(run_id)

    async def losses(self, run_id: UUID) -> int:
        return self.before

    async def log(self, run_id: UUID, lines: Iterable[str]) -> None:
        self.logged += lines

    @property
    def names(self) -> list[str]:
        return [state.name for state in self.proposed]


def a_run(run_id: UUID | None = None, state: State | None = None, **fields: Any) -> FlowRun:
    state = state or Scheduled()
    shown = {**state_to_json(state), "id": str(state.id), "timestamp": state.timestamp.isoformat()}
    return FlowRun(id=run_id or uuid4(), name="brave-owl", flow_id=uuid4(), state=shown, **fields)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def runner_of(api: FakeApi) -> AsyncIterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(*words: str, **options: Any) -> Runner:
        async def job_of(run: FlowRun) -> Job:
            return Job(words or ("true",), stream_output=False)

        options.setdefault("times", TIMES)
        made.append(Runner(api, options.pop("job_of", job_of), **options))
        return made[-1]

    yield make
    for runner in made:
        await runner.stop()


async def idle(runner: Runner) -> None:
    await asyncio.wait_for(runner.idle(), PATIENCE_S)


async def test_a_run_that_ends_in_its_process_is_left_as_it_ended(api: FakeApi, runner_of: Any) -> None:
    runner = runner_of("true")
    assert runner.offer([run := a_run()]) == 1
    assert runner.offer([run]) == 0
    await idle(runner)
    assert api.names == ["Pending", "Submitting"]
    assert api.pid is not None and api.released == []


async def test_who_does_not_get_the_run_starts_nothing(api: FakeApi, runner_of: Any, tmp_path: Path) -> None:
    api.refuses = True
    runner = runner_of("touch", str(tmp_path / "began"))
    runner.offer([a_run()])
    await idle(runner)
    assert api.names == ["Pending"]
    assert not (tmp_path / "began").exists()


async def test_no_more_processes_than_the_limit_and_nothing_before_its_time(
    api: FakeApi, runner_of: Any, tmp_path: Path
) -> None:
    runner = runner_of("sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done", limit=2)
    later = clock.now() + timedelta(hours=1)
    assert runner.offer([a_run(), a_run(next_scheduled_start_time=later)]) == 2
    assert runner.room == 1  # what waits for its time takes no place
    assert runner.offer([a_run(), a_run()]) == 1
    assert runner.room == 0
    (tmp_path / "go").touch()
    drained = asyncio.create_task(runner.drain())
    await asyncio.wait_for(drained, PATIENCE_S)
    assert sorted(api.names) == ["Pending", "Pending", "Submitting", "Submitting"]  # the later one never was
    assert runner.offer([a_run()]) == 0


@pytest.mark.parametrize(
    ("state", "before", "ends"), [(Running(), 0, "AwaitingRetry"), (Running(), 2, "Crashed")]
)
async def test_a_run_whose_process_dies_goes_on_until_its_retries_are_used_up(
    api: FakeApi, runner_of: Any, state: State, before: int, ends: str
) -> None:
    api.becomes, api.before = state, before
    runner = runner_of("sh", "-c", "echo last words; kill -9 $$", crash_retries=2)
    runner.offer([run := a_run()])
    await idle(runner)
    assert api.names == ["Pending", "Submitting", ends]
    message = api.proposed[-1].message or ""
    assert "SIGKILL" in message and "last words" in message
    assert "last words" in api.logged
    assert api.released == [run.id]


async def test_a_process_that_cannot_start_or_ends_before_its_flow_makes_the_run_crashed(
    api: FakeApi, runner_of: Any
) -> None:
    async def no_job(run: FlowRun) -> Job:
        raise UserError("no such variable", hint="there is image")

    for options in ({"job_of": no_job}, {}):
        runner = runner_of("no-such-command-anywhere", **options)
        runner.offer([a_run()])
        await idle(runner)
    crashed = [state for state in api.proposed if state.is_crashed()]
    assert [("no such variable (there is image)" in str(each.message)) for each in crashed] == [True, False]
    assert "no-such-command-anywhere" in str(crashed[1].message)

    api.becomes = Pending()
    runner = runner_of("sh", "-c", "echo no module; exit 3")
    runner.offer([a_run()])
    await idle(runner)
    assert api.proposed[-1].is_crashed()
    assert "exit code 3" in str(api.proposed[-1].message) and "no module" in str(api.proposed[-1].message)


async def test_a_process_that_ignores_a_cancellation_is_killed_with_what_it_started(
    api: FakeApi, runner_of: Any, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    runner = runner_of("sh", "-c", f"trap '' TERM; (sleep 60) & touch {child}; wait; sleep 60")
    runner.offer([run := a_run()])
    await wait_until(child.exists)
    api.becomes, api.to_cancel = Cancelling(), {run.id}
    await idle(runner)
    assert api.names == ["Pending", "Submitting", "Cancelled"]
    assert api.released == [run.id]


async def test_a_drain_that_takes_too_long_leaves_the_runs_to_others(
    api: FakeApi, runner_of: Any, tmp_path: Path
) -> None:
    api.becomes, api.before = Running(), 5
    runner = runner_of("sh", "-c", f"touch {tmp_path}/began; sleep 60")
    runner.offer([a_run()])
    await wait_until((tmp_path / "began").exists)
    await asyncio.wait_for(runner.drain(0.01), PATIENCE_S)
    assert api.names == ["Pending", "Submitting", "AwaitingRetry"]
    assert runner.run_ids == set()


async def test_a_run_that_its_process_has_parked_goes_on_and_is_no_loss(api: FakeApi, runner_of: Any) -> None:
    """Exit code 75: the process got no answer from the server for longer than its lease."""
    api.becomes, api.before = Running(), 5
    runner = runner_of("sh", "-c", "echo the server is gone; exit 75")
    runner.offer([run := a_run()])
    await idle(runner)
    assert api.names == ["Pending", "Submitting", "AwaitingRetry"]
    message = api.proposed[-1].message or ""
    assert "parked" in message and "the server is gone" in message
    assert (api.logged, api.released) == ([], [run.id])


async def test_a_runner_that_is_to_end_does_not_wait_for_a_server_that_is_gone(
    api: FakeApi, runner_of: Any, tmp_path: Path
) -> None:
    """Seen: a worker whose server was gone was told to end, and asked what had become of a run for ever."""
    asked = asyncio.Event()

    async def read(run_id: UUID) -> FlowRun:
        asked.set()
        raise Unavailable("nobody answers")

    api.read = read  # type: ignore[method-assign]
    runner = runner_of("true", times=RunnerTimes(watch_s=0.01, report_s=0.05))
    runner.offer([a_run()])
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    await asyncio.wait_for(runner.drain(), PATIENCE_S)
    assert runner.run_ids == set()


async def test_a_run_that_somebody_else_executes_by_now_is_left_alone(api: FakeApi, runner_of: Any) -> None:
    """A suspended run may be resumed and taken by another worker before its old process is gone."""

    async def read(run_id: UUID) -> FlowRun:
        return a_run(run_id, Running(), infrastructure_pid="elsewhere:1")

    api.read = read  # type: ignore[method-assign]
    runner = runner_of("true")
    runner.offer([a_run()])
    await idle(runner)
    assert api.names == ["Pending", "Submitting"]
