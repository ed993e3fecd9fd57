"""Asynchronous flows and tasks, alone, together and mixed with synchronous ones."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from heliostat import allow_failure, current_flow_run, current_task_run, flow, get_run_logger, task
from heliostat.runtime.foundation.errors import ParameterMismatch

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


@task
async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@task
def triple(number: int) -> int:
    return 3 * number


async def test_an_async_flow_awaits_async_tasks_and_calls_plain_ones(recorded: Any) -> None:
    @flow
    async def run(number: int) -> list[Any]:
        return [
            await double(number),
            triple(number),
            await double.submit(number),
            await triple.submit(number),
            await double.map([1, 2]),
            [value async for value in triple.map([1, 2])],
            double.submit(5).result(),
        ]

    assert await run(2) == [4, 6, 4, 6, [2, 4], [3, 6], 10]
    assert recorded.counts() == {"COMPLETED": 9}
    assert recorded.run().parameters == {"number": 2}


def test_a_plain_flow_submits_async_tasks(recorded: Any) -> None:
    @flow
    def run() -> list[Any]:
        return [
            double.submit(1).result(),
            *double.map([2, 3]).result(),
            *triple.map(double.map([1])).result(),
        ]

    assert run() == [2, 4, 6, 6]
    assert recorded.counts() == {"COMPLETED": 5}


def test_an_async_task_runs_under_any_loop_of_the_author(recorded: Any) -> None:
    assert asyncio.run(double(4)) == 8  # type: ignore[arg-type]

    @flow
    async def run() -> int:
        return await double(4)

    assert asyncio.run(run()) == 8


async def test_async_calls_gathered_in_a_flow_overlap(recorded: Any) -> None:
    arrived = 0
    everyone = asyncio.Event()

    @task
    async def meets(number: int) -> str:
        nonlocal arrived
        arrived += 1
        if arrived == 5:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), 10)
        get_run_logger().info("%d", number)
        return current_task_run().name

    @flow
    async def run() -> list[str]:
        return await asyncio.gather(*(meets(number) for number in range(5)))

    assert await run() == [f"meets-{i}" for i in range(5)]
    ids = {recorded.task(f"meets-{i}").id: str(i) for i in range(5)}
    assert sorted(ids[row.task_run_id] for row in recorded.logs()) == ["0", "1", "2", "3", "4"]
    assert all(ids[row.task_run_id] == row.message for row in recorded.logs())


def test_async_calls_of_one_map_overlap_in_a_pack(recorded: Any) -> None:
    arrived: list[str] = []

    @task(pack=20)
    async def meets(number: int) -> str:
        arrived.append(current_task_run().name)
        while len(arrived) < 20:
            await asyncio.sleep(0)
        return current_task_run().name

    @flow
    def run() -> list[str]:
        return meets.map(range(20)).result()

    assert run() == [f"meets-{i}" for i in range(20)]


async def test_gathered_futures_and_sub_flows_come_back_in_order(recorded: Any) -> None:
    @flow
    async def child(number: int) -> str:
        await double(number)
        return f"{current_flow_run().flow_name} {number}"

    @flow
    async def run() -> Any:
        futures = [double.submit(number) for number in range(20)]
        return await asyncio.gather(*futures), await asyncio.gather(*(child(n) for n in range(3)))

    values, children = await run()
    assert values == [2 * number for number in range(20)]
    assert children == ["child 0", "child 1", "child 2"]
    assert len(recorded.runs()) == 4 and {run.state_type for run in recorded.runs()} == {"COMPLETED"}
    assert len({run.parent_task_run_id for run in recorded.runs()}) == 4


async def test_two_async_flows_side_by_side_do_not_mix(recorded: Any) -> None:
    both = asyncio.Barrier(2)

    @flow
    async def run(number: int) -> str:
        await both.wait()
        get_run_logger().info("%d", number)
        await double(number)
        await both.wait()
        return current_flow_run().parameters["number"]

    assert await asyncio.gather(run(1), run(2)) == [1, 2]
    for row in recorded.runs():
        assert recorded.messages(row) == [str(row.parameters["number"])]
        assert recorded.counts(row) == {"COMPLETED": 1}


async def test_async_failures_keep_their_type_and_can_be_allowed(recorded: Any) -> None:
    @task
    async def fail() -> None:
        raise LookupError("no")

    @task
    async def told(value: Any) -> str:
        return repr(value)

    @flow
    async def run() -> list[str]:
        with pytest.raises(LookupError):
            await fail()
        with pytest.raises(LookupError):
            await fail.submit()
        return [await told(allow_failure(fail.submit())), await told.submit(allow_failure(fail.submit()))]

    assert await run() == ["LookupError('no')"] * 2
    assert recorded.counts() == {"FAILED": 4, "COMPLETED": 2}


async def test_an_async_call_with_return_state_or_wait_for(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(10)

    @flow(task_runner="threads")
    async def run() -> Any:
        before = gated.submit()
        asyncio.get_running_loop().call_later(0.01, gate.set)
        state = await double(2, wait_for=[before], return_state=True)
        assert before.done()
        return state.result()

    assert await run() == 4
    assert "wait_for" in recorded.task("double-0").task_inputs


async def test_async_generators_give_their_values_as_a_list() -> None:
    @task
    async def count(stop: int) -> Any:
        for number in range(stop):
            yield number

    @flow
    async def run() -> list[Any]:
        return [await count(3), await count.submit(2), count.map([1, 2]).result()]

    assert await run() == [[0, 1, 2], [0, 1], [[0], [0, 1]]]


async def test_async_methods_can_be_tasks_and_flows(recorded: Any) -> None:
    class Shop:
        @task
        async def price(self, amount: int) -> int:
            return amount * 3

        @flow
        async def total(self, amount: int) -> int:
            return await self.price(amount) + await self.price.submit(amount)

    assert await Shop().total(2) == 12


async def test_an_async_flow_validates_before_it_starts(recorded: Any) -> None:
    @flow
    async def run(number: int) -> int:
        return number

    assert await run("3") == 3  # type: ignore[arg-type]
    with pytest.raises(ParameterMismatch, match="number"):
        await run("x")  # type: ignore[arg-type]
    assert len(recorded.runs()) == 1


async def test_cancelling_the_awaiting_code_cancels_the_flow_and_its_calls(recorded: Any) -> None:
    started = asyncio.Event()

    @task
    async def waits() -> None:
        started.set()
        await asyncio.sleep(60)

    @flow
    async def run() -> None:
        await waits()

    running = asyncio.create_task(run())
    await asyncio.wait_for(started.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert recorded.run().state_type == "CANCELLED"
    assert recorded.task("waits-0").state_type == "CANCELLED"


async def test_giving_up_on_an_awaited_future_leaves_no_thread_waiting(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> int:
        gate.wait(10)
        return 7

    @flow(task_runner="threads")
    async def run() -> int:
        future = gated.submit()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.ensure_future(_awaited(future)), 0.05)
        gate.set()
        return await future

    assert await run() == 7


async def _awaited(future: Any) -> Any:
    return await future


async def test_a_wait_of_ones_own_that_gives_up_cancels_only_that_call(recorded: Any) -> None:
    @task
    async def waits() -> None:
        await asyncio.sleep(60)

    @flow
    async def run() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waits(), 0.05)
        return "went on"

    assert await run() == "went on"
    assert recorded.run().state_type == "COMPLETED"
    assert recorded.task("waits-0").state_type == "CANCELLED"
