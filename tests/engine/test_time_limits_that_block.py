"""Time limits reach code that keeps its event loop, or its thread, from hearing of them.

Seen: `time.sleep` in an async task, or an async flow, with a time limit ran to its end and passed for
completed. The rule: it ends on time where that is possible, and nothing that ran past its limit passes for
completed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from heliostat import flow, task
from heliostat.runtime.engine import cancelling, loop_limits
from heliostat.runtime.engine.run_desk import RunDesk
from heliostat.runtime.foundation.errors import TaskTimedOut

FOREVER = 300.0
pytestmark = pytest.mark.timeout(120, method="thread")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any) -> None: ...


def busy() -> None:
    until = time.monotonic() + FOREVER
    while time.monotonic() < until:
        pass


@task(timeout_seconds=0.2)
async def blocks(how: str) -> str:
    if how == "sleeps":
        time.sleep(FOREVER)
    elif how == "computes":
        busy()
    elif how == "swallows":
        try:
            busy()
        except BaseException:
            pass
    elif how == "returns late":
        time.sleep(0.8)
    return how


@pytest.mark.parametrize("how", ["sleeps", "computes", "swallows"])
def test_an_async_task_that_blocks_the_main_thread_ends_on_time(recorded: Any, how: str) -> None:
    @flow
    async def run() -> str:
        return (await blocks(how, return_state=True)).name

    assert asyncio.run(run()) == "TimedOut"
    assert recorded.task("blocks-0").state_name == "TimedOut"


@pytest.mark.parametrize("how", ["computes", "returns late"])
def test_an_async_task_that_blocks_a_thread_is_timed_out(recorded: Any, how: str) -> None:
    """A thread that is blocked in C is not reached; what it returns too late does not count."""

    @flow(task_runner="threads")
    def run() -> str:
        return blocks.submit(how).wait().name

    assert run() == "TimedOut"


def test_other_calls_on_the_blocked_loop_are_left_alone(recorded: Any) -> None:
    @task(timeout_seconds=2.0, pack=3)
    async def call(number: int) -> int:
        if number == 1:
            busy()
        await asyncio.sleep(0.01)
        return number

    @flow(task_runner="inline")
    def run() -> list[str]:
        return [state.name for state in call.map([0, 1, 2]).wait()]

    assert run()[1] == "TimedOut"
    assert run()[0] in ("Completed", "TimedOut")


def test_an_async_flow_that_blocks_its_loop_ends_on_time(recorded: Any) -> None:
    @flow(timeout_seconds=0.2)
    async def run() -> None:
        time.sleep(FOREVER)

    with pytest.raises(TaskTimedOut):
        asyncio.run(run())
    assert recorded.run().state_name == "TimedOut"


def test_an_async_flow_that_blocks_the_loop_of_a_thread_is_timed_out(recorded: Any) -> None:
    @flow(timeout_seconds=0.2)
    async def run() -> None:
        busy()

    raised: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert isinstance(raised[0], TaskTimedOut)
    assert recorded.run().state_name == "TimedOut"


def test_a_flow_that_does_not_hear_that_its_time_is_over_is_told_of_and_timed_out(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    said: list[str] = []

    def say(_desk: RunDesk, what: str, _timeout_s: float) -> None:
        said.append(what)
        told.set()

    monkeypatch.setattr(loop_limits, "OVERRUN_S", 0.1)
    monkeypatch.setattr(RunDesk, "tell_overrun", say)

    @flow(timeout_seconds=0.1)
    def run() -> None:
        # A wait that hears no exception of other threads, as code in C is.
        while not told.wait(30):
            pass

    failures: list[BaseException] = []

    def work() -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert said == ["flow 'run'"]
    assert isinstance(failures[0], TaskTimedOut)
    assert recorded.run().state_name == "TimedOut"


def test_a_task_in_a_thread_that_does_not_hear_its_timeout_is_told_of_and_timed_out(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "TIMEOUT_GRACE_S", 0.2)

    @task(timeout_seconds=0.3)
    def call() -> str:
        time.sleep(2.0)  # in C: the exception takes effect afterwards
        return "too late"

    @flow(task_runner="threads")
    def run() -> str:
        return call.submit().wait().name

    assert run() == "TimedOut"


def test_what_ends_within_its_time_is_not_disturbed_afterwards() -> None:
    @task(timeout_seconds=0.3)
    async def quick() -> int:
        return 1

    @flow
    async def run() -> int:
        total = 0
        for _ in range(20):
            total += await quick()
            await asyncio.sleep(0.03)
        return total

    assert asyncio.run(run()) == 20
    assert loop_limits.OVERRUN_S > 0
