"""Time limits: they fire on tasks and flows wherever these run, and what they end is recorded as TimedOut."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from heliostat import flow, task
from heliostat.runtime.engine.deadline import DeadlinePassed, time_limit
from heliostat.runtime.foundation.errors import TaskTimedOut, UserError

# The time limit of a test takes the same signal as the limits under test.
pytestmark = pytest.mark.timeout(60, method="thread")

FOREVER = 30.0


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any) -> None: ...


def busy(seconds: float) -> None:
    """Keep the interpreter working: on threads only bytecode can be interrupted."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@task(timeout_seconds=0.05)
def slow() -> None:
    busy(FOREVER)


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_task_that_takes_too_long_is_interrupted_and_timed_out(recorded: Any, runner: str) -> None:
    @flow(task_runner=runner)
    def run() -> None:
        with pytest.raises(TaskTimedOut, match=r"'slow' ran longer than its timeout of 0\.05 s"):
            slow()
        future = slow.submit()
        assert future.wait().name == "TimedOut"
        with pytest.raises(TimeoutError):
            future.result()

    run()
    for name in ("slow-0", "slow-1"):
        assert (recorded.task(name).state_type, recorded.task(name).state_name) == ("FAILED", "TimedOut")
        assert "ran longer than its timeout" in recorded.task(name).message


def test_on_the_main_thread_even_a_sleeping_task_is_interrupted() -> None:
    @task(timeout_seconds=0.05)
    def asleep() -> None:
        time.sleep(FOREVER)

    @flow
    def run() -> bool:
        return asleep(return_state=True).name == "TimedOut"

    assert run()


def test_a_handler_for_exceptions_does_not_swallow_the_end_of_the_time() -> None:
    @task(timeout_seconds=0.05)
    def careful() -> None:
        while True:
            try:
                busy(FOREVER)
            except Exception:
                pass

    @flow
    def run() -> str:
        return careful(return_state=True).name

    assert run() == "TimedOut"


def test_a_timed_out_attempt_may_be_tried_again(recorded: Any) -> None:
    tried: list[int] = []

    @task(timeout_seconds=0.05, retries=1)
    def slow_once() -> int:
        tried.append(1)
        if len(tried) == 1:
            busy(FOREVER)
        return len(tried)

    @flow
    def run() -> int:
        return slow_once()

    assert run() == 2
    assert recorded.task_states("slow_once-0") == ["Pending", "Running", "Retrying", "Completed"]


def test_the_time_limit_reaches_into_a_generator() -> None:
    @task(timeout_seconds=0.05)
    def slowly() -> Iterator[int]:
        yield 1
        busy(FOREVER)

    @flow
    def run() -> str:
        return slowly(return_state=True).name

    assert run() == "TimedOut"


async def test_async_tasks_time_out_and_a_timeout_error_of_their_own_is_a_failure(recorded: Any) -> None:
    @task(timeout_seconds=0.05)
    async def slow_async() -> None:
        await asyncio.sleep(FOREVER)

    @task(timeout_seconds=FOREVER)
    async def own() -> None:
        raise TimeoutError("the server's")

    @flow(task_runner="threads")
    async def run() -> list[str]:
        return [
            (await slow_async(return_state=True)).name,
            slow_async.submit().wait().name,
            (await own(return_state=True)).name,
        ]

    assert await run() == ["TimedOut", "TimedOut", "Failed"]


def test_a_flow_that_takes_too_long_is_timed_out(recorded: Any) -> None:
    @flow(timeout_seconds=0.05)
    def run() -> None:
        time.sleep(FOREVER)

    with pytest.raises(TaskTimedOut, match="flow run ran longer than its timeout of 0.05 s"):
        run()
    assert recorded.run().state_name == "TimedOut" and recorded.run().state_type == "FAILED"


def test_a_flows_time_runs_out_inside_a_task_that_it_calls(recorded: Any) -> None:
    @task(retries=3)
    def asleep() -> None:
        time.sleep(FOREVER)

    @flow(timeout_seconds=0.1)
    def run() -> None:
        asleep()

    with pytest.raises(TaskTimedOut, match="flow run"):
        run()
    assert recorded.run().state_name == "TimedOut"
    row = recorded.task("asleep-0")
    assert (row.state_type, row.run_count) == ("CANCELLED", 1)


def test_a_flows_time_is_not_stretched_by_a_longer_limit_of_its_task(recorded: Any) -> None:
    @task(timeout_seconds=FOREVER)
    def asleep() -> None:
        time.sleep(FOREVER)

    @flow(timeout_seconds=0.1)
    def run() -> None:
        asleep()

    with pytest.raises(TaskTimedOut, match="flow run"):
        run()
    assert recorded.task("asleep-0").state_type == "CANCELLED"


def test_a_flows_time_runs_out_inside_a_submitted_inline_task(recorded: Any) -> None:
    @task
    def asleep() -> None:
        time.sleep(FOREVER)

    @flow(timeout_seconds=0.1, task_runner="inline")
    def run() -> None:
        asleep.map([1]) if False else asleep.submit()

    with pytest.raises(TaskTimedOut, match="flow run"):
        run()
    assert recorded.run().state_name == "TimedOut"
    assert recorded.task("asleep-0").state_type == "CANCELLED"


@pytest.mark.parametrize("waits", [True, False])
def test_a_flows_time_runs_out_while_it_waits_for_calls(recorded: Any, waits: bool) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(FOREVER)

    @task
    def after(value: Any) -> None: ...

    @flow(timeout_seconds=0.1, task_runner="threads")
    def run() -> None:
        future = after.submit(gated.submit())
        threading.Timer(0.4, gate.set).start()
        if waits:
            future.result()

    with pytest.raises(TaskTimedOut, match="flow run"):
        run()
    assert recorded.run().state_name == "TimedOut"
    assert recorded.task("after-0").state_type == "CANCELLED"


def test_a_flow_on_another_thread_times_out_as_well(recorded: Any) -> None:
    gate, raised = threading.Event(), []

    @task
    def gated() -> None:
        gate.wait(FOREVER)

    @flow(timeout_seconds=0.1, task_runner="threads")
    def run() -> None:
        future = gated.submit()
        threading.Timer(0.6, gate.set).start()
        future.result()

    def work() -> None:
        try:
            run()
        except TaskTimedOut as error:
            raised.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(FOREVER)
    assert raised and "flow run" in raised[0]
    assert recorded.run().state_name == "TimedOut"


async def test_an_async_flow_times_out_while_a_task_is_awaited(recorded: Any) -> None:
    @task
    async def asleep() -> None:
        await asyncio.sleep(FOREVER)

    @flow(timeout_seconds=0.1)
    async def run() -> None:
        await asleep()

    with pytest.raises(TaskTimedOut, match="flow run"):
        await run()
    assert recorded.run().state_name == "TimedOut"
    assert recorded.task("asleep-0").state_type == "CANCELLED"


async def test_an_async_flow_times_out_while_a_future_is_awaited(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(FOREVER)

    @flow(timeout_seconds=0.1, task_runner="threads")
    async def run() -> None:
        threading.Timer(0.5, gate.set).start()
        await gated.submit()

    with pytest.raises(TaskTimedOut, match="flow run"):
        await run()
    assert recorded.run().state_name == "TimedOut"


def test_a_sub_flow_that_runs_out_of_its_parents_time_is_cancelled(recorded: Any) -> None:
    @flow(timeout_seconds=FOREVER)
    def child() -> None:
        time.sleep(FOREVER)

    @flow(timeout_seconds=0.1)
    def parent() -> None:
        child()

    with pytest.raises(TaskTimedOut, match="flow run"):
        parent()
    by_name = {run.flow_name: run for run in recorded.runs()}
    assert by_name["parent"].state_name == "TimedOut"
    assert by_name["child"].state_type == "CANCELLED"
    assert recorded.tasks(by_name["parent"])["child-0"].state_type == "CANCELLED"


def test_a_timed_out_flow_can_be_tried_again(recorded: Any) -> None:
    tried: list[int] = []

    @flow(timeout_seconds=0.05, retries=1)
    def run() -> int:
        tried.append(1)
        if len(tried) == 1:
            time.sleep(FOREVER)
        return len(tried)

    assert run() == 2
    assert recorded.run().state_name == "Completed"


def test_timeouts_that_are_no_time_are_refused() -> None:
    for timeout in (0, -1, "long"):
        with pytest.raises(UserError, match="timeout_seconds"):
            task(timeout_seconds=timeout)(lambda: 1)  # pyright: ignore
        with pytest.raises(UserError, match="timeout_seconds"):
            flow(timeout_seconds=timeout)(lambda: 1)  # pyright: ignore


# The limits themselves.


def test_limits_inside_each_other_raise_what_is_theirs() -> None:
    with pytest.raises(DeadlinePassed) as raised, time_limit(0.02) as outer, time_limit(FOREVER) as inner:
        time.sleep(FOREVER)
    assert raised.type is outer and raised.type is not inner
    with pytest.raises(DeadlinePassed) as raised, time_limit(FOREVER) as outer:
        with time_limit(0.02) as inner:
            time.sleep(FOREVER)
    assert raised.type is inner


def test_the_outer_limit_goes_on_after_an_inner_one_has_passed() -> None:
    with pytest.raises(DeadlinePassed) as raised, time_limit(0.1) as outer:
        try:
            with time_limit(0.02):
                time.sleep(FOREVER)
        except DeadlinePassed:
            pass
        time.sleep(FOREVER)
    assert raised.type is outer


def test_a_block_that_ends_in_time_leaves_no_timer_and_no_handler() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(FOREVER):
        with time_limit(FOREVER):
            pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_somebody_elses_timer_goes_on_afterwards() -> None:
    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(DeadlinePassed), time_limit(0.01):
            time.sleep(FOREVER)
        assert rung.wait(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_limit_on_another_thread_ends_code_that_runs() -> None:
    raised: list[bool] = []

    def work() -> None:
        limit = None
        try:
            with time_limit(0.02) as limit:
                busy(FOREVER)
        except DeadlinePassed as error:
            raised.append(limit is not None and isinstance(error, limit))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(FOREVER)
    assert raised == [True]
