"""Flows that are generators: the body runs in its run, and its values go to the caller as they come.

Seen: the call of such a flow made the generator and ended the run; its body began later, when the caller
consumed it, and none of its tasks was recorded. Now the run lasts as long as its body, and what the caller
does between two values is none of the run's.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import islice
from typing import Any

import pytest
from waiting import wait_until

from heliostat import flow, get_run_logger, tags, task
from heliostat.runtime.authoring.context import flow_run_info
from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import ParameterMismatch, TaskTimedOut

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


@task
def double(number: int) -> int:
    return 2 * number


@flow
def numbers(count: int) -> Iterator[int]:
    for number in range(count):
        get_run_logger().info("line %d", number)
        yield double(number) + double.submit(number).result()


@flow
async def async_numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        get_run_logger().info("line %d", number)
        await asyncio.sleep(0)
        yield double(number) + double.submit(number).result()


def _consumed(count: int) -> list[int]:
    return list(numbers(count))


def _consumed_async(count: int) -> list[int]:
    async def consume() -> list[int]:
        return [value async for value in async_numbers(count)]

    return asyncio.run(consume())


@pytest.mark.parametrize("consume", [_consumed, _consumed_async])
def test_the_body_runs_in_its_run(recorded: Any, consume: Callable[[int], list[int]]) -> None:
    assert consume(3) == [0, 4, 8]
    assert recorded.states() == ["Pending", "Running", "Completed"]
    assert recorded.counts() == {"COMPLETED": 6}
    assert recorded.messages() == ["line 0", "line 1", "line 2"]


def test_values_come_while_the_body_runs(recorded: Any) -> None:
    reached: list[int] = []

    @flow
    def counts() -> Iterator[int]:
        for number in range(3):
            reached.append(number)
            yield number

    stream = counts()
    assert reached == [] and recorded.runs() == []  # nothing has begun before a value is asked for
    assert next(stream) == 0 and reached == [0]
    assert recorded.run().state_type in ("PENDING", "RUNNING")
    assert list(stream) == [1, 2] and recorded.run().state_type == "COMPLETED"


def test_a_stream_that_nobody_consumes_has_no_run(recorded: Any) -> None:
    stream = numbers(3)
    stream.close()  # type: ignore[attr-defined]
    assert list(stream) == []
    del stream
    with pytest.raises(ParameterMismatch):
        numbers("many")  # type: ignore[arg-type]
    assert recorded.runs() == []


def test_closed_early_a_run_has_completed_and_its_cleanup_belongs_to_it(recorded: Any) -> None:
    @flow
    def cleans_up() -> Iterator[int]:
        try:
            for number in range(100):
                yield double(number)
        finally:
            double(-1)

    with closing(cleans_up()) as stream:  # type: ignore[type-var]
        assert list(islice(stream, 2)) == [0, 2]
    run = recorded.run()
    assert run.state_type == "COMPLETED"
    assert "closed by its caller after 2 values" in recorded.state_message(run)
    assert recorded.counts() == {"COMPLETED": 3}


def test_an_asynchronous_stream_closed_early_has_completed(recorded: Any) -> None:
    async def main() -> list[int]:
        async with aclosing(async_numbers(100)) as stream:  # type: ignore[type-var]
            return [await anext(stream), await anext(stream)]

    assert asyncio.run(main()) == [0, 4]
    assert recorded.run().state_type == "COMPLETED" and recorded.counts() == {"COMPLETED": 4}


def test_a_stream_that_is_forgotten_half_way_completes(recorded: Any) -> None:
    for value in numbers(100):
        if value:
            break
    assert recorded.run().state_type == "COMPLETED"
    assert recorded.counts() == {"COMPLETED": 4}


def test_a_stream_that_the_collector_finds_completes(recorded: Any) -> None:
    class Node:
        pass

    node = Node()
    node.me, node.stream = node, numbers(100)  # type: ignore[attr-defined]
    next(node.stream)  # type: ignore[attr-defined]
    del node
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "heliostat-stream-close":
            thread.join(30)
    assert recorded.run().state_type == "COMPLETED"


def test_an_asynchronous_stream_that_is_left_open_is_closed_with_its_loop(recorded: Any) -> None:
    kept: list[Any] = []
    ended: list[str] = []

    @flow
    async def waits() -> AsyncIterator[int]:
        try:
            yield double(1)
            yield double(2)
        finally:
            await asyncio.sleep(0)
            ended.append(str(double(3)))

    async def main() -> None:
        kept.append(waits())
        assert await anext(kept[0]) == 2

    asyncio.run(main())
    assert ended == ["6"] and recorded.run().state_type == "COMPLETED"
    assert recorded.counts() == {"COMPLETED": 2}


def test_an_asynchronous_stream_that_is_forgotten_completes(recorded: Any) -> None:
    async def main() -> str:
        async for value in async_numbers(100):
            if value:
                break
        gc.collect()
        return await wait_until(lambda: recorded.run().state_type, "COMPLETED")

    assert asyncio.run(main()) == "COMPLETED"


def test_an_exception_of_the_body_fails_the_run_and_reaches_the_caller(recorded: Any) -> None:
    @flow
    def breaks() -> Iterator[int]:
        yield double(1)
        raise ValueError("broken")

    stream = breaks()
    assert next(stream) == 2
    with pytest.raises(ValueError, match="broken"):
        next(stream)
    assert list(stream) == []
    assert recorded.states() == ["Pending", "Running", "Failed"]


def test_what_the_caller_sends_and_throws_reaches_the_body(recorded: Any) -> None:
    @flow
    def talks() -> Any:
        got: list[Any] = []
        while len(got) < 2:
            try:
                got.append((yield double(len(got))))
            except KeyError as error:
                got.append(error.args[0])
        return got

    def outer() -> Any:
        return (yield from talks())

    stream = outer()
    assert next(stream) == 0
    assert stream.send("sent") == 2
    with pytest.raises(StopIteration) as stopped:
        stream.throw(KeyError("thrown"))
    assert stopped.value.value == ["sent", "thrown"]
    assert recorded.run().state_type == "COMPLETED"


def test_an_asynchronous_body_gets_what_is_sent_and_thrown(recorded: Any) -> None:
    @flow
    async def talks() -> Any:
        got = yield 1
        try:
            yield got
        except KeyError as error:
            yield error.args[0]

    async def main() -> list[Any]:
        stream = talks()
        return [await anext(stream), await stream.asend("sent"), await stream.athrow(KeyError("thrown"))]

    assert asyncio.run(main()) == [1, "sent", "thrown"]
    assert recorded.run().state_type == "COMPLETED"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_is_tried_again_only_before_its_first_value(recorded: Any, is_async: bool) -> None:
    attempts: list[str] = []

    def attempt(fails_before: bool, name: str) -> None:
        attempts.append(name)
        if fails_before == (len(attempts) == 1):
            raise ValueError(name)

    @flow(retries=2)
    def early() -> Iterator[int]:
        attempt(True, "early")
        yield 1

    @flow(retries=2)
    def late() -> Iterator[int]:
        yield 1
        attempt(False, "late")

    @flow(retries=2)
    async def early_async() -> AsyncIterator[int]:
        attempt(True, "early")
        yield 1

    @flow(retries=2)
    async def late_async() -> AsyncIterator[int]:
        yield 1
        attempt(False, "late")

    def values_of(stream: Any) -> list[int]:
        async def consume() -> list[int]:
            return [value async for value in stream]

        return asyncio.run(consume()) if is_async else list(stream)

    assert values_of(early_async() if is_async else early()) == [1]
    assert attempts == ["early", "early"]
    with pytest.raises(ValueError, match="late"):
        values_of(late_async() if is_async else late())
    assert attempts == ["early", "early", "late"]
    first, second = recorded.runs()
    assert (first.state_type, second.state_type) == ("COMPLETED", "FAILED")


def test_with_return_state_the_values_are_the_result_and_retries_as_ever(recorded: Any) -> None:
    attempts: list[int] = []

    @flow(retries=1)
    def late() -> Iterator[int]:
        yield double(1)
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("once")
        yield double(2)

    assert late(return_state=True).result() == [2, 4]
    assert recorded.counts() == {"COMPLETED": 2}  # the first call answered from the record

    state = asyncio.run(async_numbers(2, return_state=True))
    assert state.result() == [0, 4]


def test_the_time_of_a_flow_does_not_pass_while_it_waits_for_its_caller(recorded: Any) -> None:
    @flow(timeout_seconds=5)
    def patient() -> Iterator[int]:
        yield 1
        yield 2

    @flow(timeout_seconds=0.2)
    def slow() -> Iterator[int]:
        yield 1
        clock.sleep(30)

    stream = patient()
    next(stream)
    assert list(stream) == [2]
    with pytest.raises(TaskTimedOut):
        list(slow())
    assert recorded.states()[-1] == "TimedOut"


def test_an_asynchronous_stream_that_takes_too_long_times_out(recorded: Any) -> None:
    @flow(timeout_seconds=0.2)
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(30)

    async def main() -> None:
        async for _ in slow():
            pass

    with pytest.raises(TaskTimedOut):
        asyncio.run(main())
    assert recorded.states()[-1] == "TimedOut"


def test_streams_between_whose_values_others_run_record_each_in_its_own(recorded: Any) -> None:
    @flow
    def named(name: str) -> Iterator[int]:
        with tags(name):
            for number in range(3):
                get_run_logger().info("%s %d", name, number)
                yield double(number)

    @flow
    def other() -> int:
        return double(7)

    seen: list[Any] = []
    for left, right in zip(named("left"), named("right"), strict=True):
        seen.append((left, right, flow_run_info.get(), other()))
    assert seen == [(2 * number, 2 * number, None, 14) for number in range(3)]
    by_name: dict[Any, list[Any]] = {}
    for run in recorded.runs():
        by_name.setdefault(run.parameters.get("name"), []).append(run)
    assert len(by_name[None]) == 3 and all(recorded.counts(run) == {"COMPLETED": 1} for run in by_name[None])
    for name in ("left", "right"):
        [run] = by_name[name]
        assert recorded.counts(run) == {"COMPLETED": 3}
        assert recorded.messages(run) == [f"{name} {number}" for number in range(3)]
        assert all(list(row.tags) == [name] for row in recorded.tasks(run).values())


def test_a_sub_flow_is_consumed_lazily_and_ends_with_its_parent(recorded: Any) -> None:
    @flow
    def parent() -> list[int]:
        whole = list(numbers(2))
        left_open = numbers(100)
        kept.append(left_open)
        return [*whole, next(left_open), double(5)]

    kept: list[Any] = []
    assert parent() == [0, 4, 0, 10]
    assert list(kept[0]) == []
    above, *below = recorded.runs()
    assert [run.state_type for run in (above, *below)] == ["COMPLETED"] * 3
    assert [recorded.counts(run) for run in below] == [{"COMPLETED": 4}, {"COMPLETED": 2}]
    assert recorded.counts(above) == {"COMPLETED": 3}  # its own task, and two that stand for the sub-flows


def test_an_asynchronous_sub_flow_ends_with_its_parent(recorded: Any) -> None:
    kept: list[Any] = []

    @flow
    async def parent() -> list[int]:
        whole = [value async for value in async_numbers(2)]
        kept.append(async_numbers(100))
        return [*whole, await anext(kept[0])]

    assert asyncio.run(parent()) == [0, 4, 0]
    assert [run.state_type for run in recorded.runs()] == ["COMPLETED"] * 3


def test_futures_given_to_a_stream_are_waited_for(recorded: Any) -> None:
    @flow
    def parent() -> list[int]:
        return list(numbers(double.submit(1)))  # type: ignore[arg-type]

    assert parent() == [0, 4]


def test_scopes_may_span_the_values_of_an_asynchronous_body(recorded: Any) -> None:
    """A timeout and a task group belong to the asyncio task that entered them; so the body stays in one."""

    @flow
    async def spans() -> AsyncIterator[int]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            working = group.create_task(asyncio.to_thread(double, 4))
            yield 1
            yield await working

    async def main() -> list[int]:
        return [value async for value in spans()]

    assert asyncio.run(main()) == [1, 8]
    assert recorded.counts() == {"COMPLETED": 1}


def test_a_generator_that_a_plain_flow_returns_is_consumed_in_the_run(recorded: Any) -> None:
    @flow
    def returns() -> Any:
        return (double(number) for number in range(3))

    assert returns() == [0, 2, 4]
    assert recorded.counts() == {"COMPLETED": 3}


def test_generator_methods_are_flows_too(recorded: Any) -> None:
    class Source:
        def __init__(self, start: int) -> None:
            self.start = start

        @flow
        def values(self, count: int) -> Iterator[int]:
            for number in range(count):
                yield double(self.start + number)

    assert list(Source(10).values(2)) == [20, 22]
    assert recorded.counts() == {"COMPLETED": 2}
