"""Fanning out on Ray: what comes back, and what is recorded of every call."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from heliostat import allow_failure, current_task_run, flow, get_run_logger, task
from heliostat.runtime.engine import cancelling
from heliostat.runtime.foundation.errors import RunCancelled
from heliostat.runtime.states import Cancelled, Completed, Failed

pytestmark = pytest.mark.usefixtures("recorded")


def ray_task() -> str:
    """The Ray call that executes this."""
    import ray

    return ray.get_runtime_context().get_task_id() or ""


@task
def double(number: int) -> int:
    return 2 * number


@task
def where(_number: int) -> tuple[int, str]:
    return os.getpid(), ray_task()


def test_results_come_in_the_order_of_the_calls(recorded: Any) -> None:
    @flow
    def run() -> list[int]:
        return double.map(range(500)).result()

    assert run() == [2 * number for number in range(500)]
    assert recorded.counts() == {"COMPLETED": 500}


def test_every_call_of_a_pack_has_its_own_state(recorded: Any) -> None:
    @task(pack=40)
    def even(number: int) -> int:
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number

    @flow
    def run() -> list[Any]:
        return even.map(range(40)).result(raise_on_failure=False)

    results = run()
    assert results[::2] == list(range(0, 40, 2))
    assert [str(error) for error in results[1::2]] == [f"{number} is odd" for number in range(1, 40, 2)]
    assert all(isinstance(error, ValueError) for error in results[1::2])
    assert recorded.counts() == {"COMPLETED": 20, "FAILED": 20}
    failed = recorded.tasks()["even-7"]
    assert (failed.state_name, failed.message) == ("Failed", "ValueError: 7 is odd")
    assert "raise ValueError" in failed.error["traceback"]


@pytest.mark.parametrize("pack", [20, False])
def test_states_that_calls_return_are_their_states(recorded: Any, pack: Any) -> None:
    @task(pack=pack, retries=1)
    def judged(number: int) -> Any:
        attempt = current_task_run().attempt
        ends = [Completed("fine", data=number), Failed("bad"), Cancelled("no need"), Failed("not yet")]
        return number if number % 4 == 3 and attempt == 2 else ends[number % 4]

    @flow
    def run() -> list[Any]:
        return judged.map(range(20)).result(raise_on_failure=False)

    results = run()
    assert results[::4] == list(range(0, 20, 4)) and results[3::4] == list(range(3, 20, 4))
    assert {str(error) for error in results[1::4]} == {"bad"}
    assert all(isinstance(error, RunCancelled) for error in results[2::4])
    assert recorded.counts() == {"COMPLETED": 10, "FAILED": 5, "CANCELLED": 5}
    assert {row.run_count for row in recorded.tasks().values() if row.state_type == "FAILED"} == {2}


def test_many_short_calls_ride_in_few_ray_calls(recorded: Any) -> None:
    @flow
    def run() -> list[tuple[int, str]]:
        return where.map(range(1_000)).result()

    places = run()
    assert len({call for _, call in places}) < 100
    assert os.getpid() not in {pid for pid, _ in places}


def test_without_packing_every_call_is_a_ray_call_of_its_own(recorded: Any) -> None:
    @flow
    def run() -> list[tuple[int, str]]:
        return where.with_options(pack=False).map(range(60)).result()

    assert len({call for _, call in run()}) == 60


def test_calls_that_go_alone_fail_are_tried_again_and_log_as_packed_ones_do(recorded: Any) -> None:
    @task(pack=False, retries=1)
    def uneven(number: int, note: str) -> int:
        current = current_task_run()
        get_run_logger().warning("%s %s %s", note, number, current.attempt)
        if number == 31 or (number == 30 and current.attempt == 1):
            raise ValueError(f"{number} will not do")
        return number

    @flow
    def run() -> list[Any]:
        return uneven.map(range(40), "try").result(raise_on_failure=False)

    values = run()
    assert [value for value in values if not isinstance(value, ValueError)] == [*range(31), *range(32, 40)]
    assert recorded.counts() == {"COMPLETED": 39, "FAILED": 1}
    assert recorded.tasks()["uneven-30"].run_count == 2
    lines = sorted(row.message for row in recorded.logs() if row.message.startswith("try"))
    assert lines == sorted([*(f"try {n} 1" for n in range(40)), "try 30 2", "try 31 2"])


def test_a_given_pack_size_is_kept(recorded: Any) -> None:
    @flow
    def run() -> list[tuple[int, str]]:
        return where.with_options(pack=50).map(range(150)).result()

    calls = [call for _, call in run()]
    assert len(set(calls)) == 3
    assert [len({*calls[at : at + 50]}) for at in (0, 50, 100)] == [1, 1, 1]


def test_a_loop_of_submits_is_packed_too(recorded: Any) -> None:
    @flow
    def run() -> list[tuple[int, str]]:
        futures = [where.submit(number) for number in range(1_000)]
        return [future.result() for future in futures]

    assert len({call for _, call in run()}) < 500
    assert recorded.counts() == {"COMPLETED": 1_000}


def test_a_failure_upstream_reaches_only_what_needs_it(recorded: Any) -> None:
    @task
    def invert(number: int) -> float:
        return 1 / number

    @task
    def told(value: Any) -> str:
        return type(value).__name__

    @flow
    def run() -> tuple[list[Any], list[str]]:
        inverted = invert.map([1, 0, 2])
        doubled = double.map(inverted)
        names = told.map([allow_failure(each) for each in inverted])
        return doubled.result(raise_on_failure=False), names.result()

    doubled, names = run()
    assert (doubled[0], doubled[2]) == (2.0, 1.0)
    assert "invert-1" in str(doubled[1])
    assert names == ["float", "ZeroDivisionError", "float"]
    assert recorded.tasks()["double-1"].state_name == "NotReady"


def test_a_retry_without_delay_stays_in_its_pack(recorded: Any) -> None:
    @task(pack=10, retries=2)
    def third_time(number: int) -> tuple[int, str]:
        from heliostat import current_task_run

        attempt = current_task_run().attempt
        if number == 4 and attempt < 3:
            raise ConnectionError(f"attempt {attempt}")
        return attempt, ray_task()

    @flow
    def run() -> list[tuple[int, str]]:
        return third_time.map(range(10)).result()

    results = run()
    assert [attempt for attempt, _ in results] == [1, 1, 1, 1, 3, 1, 1, 1, 1, 1]
    assert len({call for _, call in results}) == 1
    retried = recorded.tasks()["third_time-4"]
    assert (retried.state_name, retried.run_count) == ("Completed", 3)
    assert recorded.states(retried) == ["Pending", "Running", "Retrying", "Retrying", "Completed"]


def test_a_delayed_retry_lets_the_others_of_its_pack_go_on(recorded: Any) -> None:
    @task(pack=10, retries=1, retry_delay_seconds=0.2)
    def second_time(number: int) -> str:
        from heliostat import current_task_run

        if number == 4 and current_task_run().attempt == 1:
            raise ConnectionError("not yet")
        return ray_task()

    @flow
    def run() -> list[str]:
        return second_time.map(range(10)).result()

    calls = run()
    assert len(set(calls)) == 2 and calls.count(calls[4]) == 1
    retried = recorded.tasks()["second_time-4"]
    assert (retried.state_name, retried.run_count) == ("Completed", 2)
    assert recorded.states(retried) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


def test_a_call_over_its_time_is_stopped_and_the_rest_of_its_pack_runs(recorded: Any) -> None:
    @task(pack=10, timeout_seconds=0.3)
    def sleepy(number: int) -> int:
        if number == 4:
            time.sleep(60)
        return number

    @flow
    def run() -> list[Any]:
        return sleepy.map(range(10)).result(raise_on_failure=False)

    results = run()
    assert isinstance(results[4], TimeoutError)
    assert results[:4] + results[5:] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert recorded.tasks()["sleepy-4"].state_name == "TimedOut"


def test_a_call_that_does_not_hear_its_timeout_is_killed_alone(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "TIMEOUT_GRACE_S", 0.5)

    @task(pack=10, timeout_seconds=0.4)
    def deaf(number: int) -> int:
        if number == 4:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(60)
        return number

    @flow
    def run() -> list[Any]:
        return deaf.map(range(10)).result(raise_on_failure=False)

    results = run()
    assert isinstance(results[4], TimeoutError)
    assert results[:4] + results[5:] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert recorded.tasks()["deaf-4"].state_name == "TimedOut"
    assert {row.run_count for row in recorded.tasks().values()} == {1}


def test_a_call_that_does_not_hear_its_timeout_is_tried_again(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cancelling, "TIMEOUT_GRACE_S", 0.5)

    @task(timeout_seconds=0.4, retries=1)
    def deaf() -> str:
        if not (tmp_path / "tried").exists():
            (tmp_path / "tried").touch()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(60)
        return "heard"

    @flow
    def run() -> str:
        return deaf.submit().result()

    assert run() == "heard"
    retried = recorded.tasks()["deaf-0"]
    assert recorded.states(retried) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert retried.run_count == 2


def test_async_calls_of_a_pack_run_side_by_side(recorded: Any) -> None:
    @task(pack=20)
    async def meet(_number: int) -> int:
        # Each waits until all of its pack are there: one after another they would wait for ever.
        present.append(1)
        while len(present) < 20:
            await asyncio.sleep(0.005)
        return len(present)

    present: list[int] = []

    @flow
    def run() -> list[int]:
        return meet.map(range(20)).result(timeout_s=60)

    assert run() == [20] * 20


def test_calls_of_a_pack_that_wait_for_each_other_do_not_starve(recorded: Any, tmp_path: Path) -> None:
    @task(pack=2)
    def meet(number: int) -> int:
        (tmp_path / str(number)).touch()
        while not (tmp_path / str(1 - number)).exists():
            time.sleep(0.01)
        return number

    @flow
    def run() -> list[int]:
        return meet.map(range(2)).result(timeout_s=60)

    assert run() == [0, 1]
    assert recorded.counts() == {"COMPLETED": 2}
    assert {row.run_count for row in recorded.tasks().values()} == {1}
