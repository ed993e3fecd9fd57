"""Calling, submitting and mapping tasks: what comes back, and what is recorded of it."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from heliostat import (
    TaskFuture,
    as_completed,
    flow,
    tags,
    task,
    wait,
)
from heliostat.runtime.foundation.errors import NotInAFlow, ParameterMismatch, UserError

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


@task
def double(number: int) -> int:
    return 2 * number


@task
def add(left: Any, right: Any = 0) -> Any:
    return left + right


@task
def fail(message: str = "no") -> int:
    raise ValueError(message)


@task
def told(value: Any) -> str:
    return f"{type(value).__name__}: {value}"


def test_a_direct_call_gives_the_value_and_is_recorded(recorded: Any) -> None:
    @flow
    def run() -> int:
        return double(21)

    assert run() == 42
    row = recorded.task("double-0")
    assert (row.state_type, row.state_name, row.run_count) == ("COMPLETED", "Completed", 1)
    assert row.start_time is not None and row.end_time is not None and row.end_time >= row.start_time
    assert recorded.task_states("double-0") == ["Pending", "Running", "Completed"]
    assert recorded.states() == ["Pending", "Running", "Completed"]
    assert recorded.run().state_type == "COMPLETED"


def test_a_submitted_call_gives_a_future_and_is_recorded(recorded: Any) -> None:
    @flow
    def run() -> int:
        future = double.submit(21)
        assert isinstance(future, TaskFuture)
        state = future.wait()
        assert state.is_completed() and state.result() == 42
        assert state.timestamp == future.state.timestamp
        assert future.done()
        return future.result()

    assert run() == 42
    assert recorded.counts() == {"COMPLETED": 1}


def test_futures_know_the_id_under_which_their_call_is_recorded(recorded: Any) -> None:
    ids: list[Any] = []

    @flow
    def run() -> None:
        ids.append(double.submit(1).task_run_id)
        ids.extend(future.task_run_id for future in double.map([1, 2]))

    run()
    assert [recorded.task(f"double-{index}").id for index in range(3)] == ids


def test_calls_that_nobody_waits_for_end_before_their_flow_does(recorded: Any) -> None:
    @flow
    def run() -> str:
        double.map(range(50))
        return "done"

    assert run() == "done"
    assert recorded.counts() == {"COMPLETED": 50}


def test_return_state_gives_states_of_calls_and_maps() -> None:
    @flow
    def run() -> None:
        assert double(2, return_state=True).result() == 4
        assert double.submit(2, return_state=True).result() == 4
        assert [state.result() for state in double.map([1, 2], return_state=True)] == [2, 4]
        failed = fail(return_state=True)
        assert failed.is_failed() and isinstance(failed.result(raise_on_failure=False), ValueError)
        assert fail.submit(return_state=True).name == "Failed"

    run()


def test_as_completed_gives_each_call_once_in_the_order_of_ending() -> None:
    gates = [threading.Event() for _ in range(3)]

    @task(pack=False)
    def gated(number: int) -> int:
        gates[number].wait(10)
        return number

    @flow(task_runner="threads")
    def run() -> list[int]:
        ended: list[int] = []
        order = [2, 0, 1]
        gates[order[0]].set()
        for future in as_completed(gated.map(range(3))):
            ended.append(future.result())
            if len(ended) < 3:
                gates[order[len(ended)]].set()
        return ended

    assert run() == [2, 0, 1]


def test_as_completed_and_wait_stop_when_the_time_is_over() -> None:
    gate = threading.Event()

    @task(pack=False)
    def gated(number: int) -> int:
        if number:
            gate.wait(10)
        return number

    @flow(task_runner="threads")
    def run() -> None:
        futures = gated.map([0, 1])
        futures[0].wait()
        done, not_done = wait(futures, timeout_s=0.05)
        assert {f.position for f in done} == {0} and {f.position for f in not_done} == {1}
        assert next(as_completed(futures, timeout_s=5)).position == 0
        with pytest.raises(TimeoutError, match="1 of the calls"):
            list(as_completed(futures, timeout_s=0.05))
        with pytest.raises(TimeoutError, match="gated-1"):
            futures[1].result(timeout_s=0.05)
        assert futures[1].wait(timeout_s=0).name == "Running"
        gate.set()

    run()


def test_futures_can_be_listed_sliced_counted_and_compared() -> None:
    @flow
    def run() -> None:
        futures = double.map(range(10))
        futures.wait()
        assert len(futures) == 10 and futures[-1].result() == 18
        assert [f.result() for f in futures[2:5]] == [4, 6, 8]
        assert futures[3] == list(futures)[3] and len({futures[3], futures[3]}) == 1
        assert futures.counts() == {"Completed": 10}
        assert repr(futures) == "TaskFutureList('double', 10 calls: 10 Completed)"
        assert repr(futures[3]) == "TaskFuture('double-3', Completed)"
        with pytest.raises(IndexError):
            futures[10]

    run()


def test_a_call_that_waits_can_be_cancelled(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(10)

    @flow(task_runner="threads")
    def run() -> str:
        waiting = double.submit(1, wait_for=[gated.submit()])
        assert waiting.cancel()
        gate.set()
        assert not waiting.cancel()
        return waiting.wait().name

    assert run() == "Cancelled"
    assert recorded.task("double-0").state_type == "CANCELLED"
    assert recorded.task("double-0").start_time is None


def test_with_options_gives_another_task_and_leaves_the_first(recorded: Any) -> None:
    twice = double.with_options(name="twice", tags=["t"])

    @flow
    def run() -> int:
        return twice(2) + twice.submit(3).result() + double(1)

    assert run() == 12
    assert sorted(recorded.tasks()) == ["double-0", "twice-0", "twice-1"]
    assert recorded.task("twice-0").tags == ["t"] and recorded.task("double-0").tags == []
    assert double.name == "double"


def test_unknown_options_are_refused_with_the_known_ones_listed() -> None:
    with pytest.raises(UserError, match="no option 'retrys'"):
        task(retrys=3)(lambda: 1)  # pyright: ignore
    with pytest.raises(UserError, match="no option 'retrys'"):
        double.with_options(retrys=3)
    with pytest.raises(UserError, match="no option 'nme'"):
        flow(nme="x")(lambda: 1)  # pyright: ignore


def test_a_decorator_around_something_that_is_no_function_is_refused() -> None:
    with pytest.raises(UserError, match="@task needs a function"):
        task("clean")  # pyright: ignore
    with pytest.raises(UserError, match="@flow needs a function"):
        flow("clean")  # pyright: ignore
    with pytest.raises(UserError, match="@task needs a function"):
        task(name="x")("clean")  # pyright: ignore


def test_a_task_submitted_outside_of_a_flow_is_refused_and_called_there_just_runs() -> None:
    with pytest.raises(NotInAFlow, match=r"double\.submit\(\)") as refused:
        double.submit(1)
    assert refused.value.hint is not None and "@flow" in refused.value.hint
    with pytest.raises(NotInAFlow):
        double.map([1])
    assert double(4) == 8
    assert double.fn(4) == 8


def test_wrong_arguments_are_refused_before_anything_is_recorded(recorded: Any) -> None:
    @flow
    def run() -> None:
        for call in (
            lambda: double(),  # pyright: ignore
            lambda: double.submit(1, 2),
            lambda: double.map([1], nmber=[2]),
        ):
            with pytest.raises(ParameterMismatch):
                call()

    run()
    assert recorded.tasks() == {}


def test_methods_classmethods_and_staticmethods_can_be_tasks(recorded: Any) -> None:
    class Shop:
        rate = 3

        def __init__(self, discount: int) -> None:
            self.discount = discount

        @task
        def price(self, amount: int) -> int:
            return amount * self.rate - self.discount

        @task
        @classmethod
        def gross(cls, amount: int) -> int:
            return amount * cls.rate

        @classmethod
        @task
        def net(cls, amount: int) -> int:
            return amount * cls.rate - 1

        @task
        @staticmethod
        def half(amount: int) -> int:
            return amount // 2

        @staticmethod
        @task
        def third(amount: int) -> int:
            return amount // 3

    class Dear(Shop):
        rate = 10

    @flow
    def run() -> list[Any]:
        shop = Shop(1)
        return [
            shop.price(2),
            shop.price.submit(2).result(),
            shop.price.map([1, 2]).result(),
            shop.price.with_options(retries=1)(2),
            [Shop.gross(2), shop.gross(2), Dear.gross(2), Dear.gross.submit(3).result()],
            [Shop.net(2), Dear(1).net.submit(2).result()],
            [Shop.half(8), shop.half.submit(8).result(), shop.half.with_options(retries=1)(8)],
            [Shop.third(9), shop.third.map([9, 6]).result()],
        ]

    assert run() == [5, 5, [2, 5], 5, [6, 6, 20, 30], [5, 19], [4, 4, 4], [3, [3, 2]]]
    assert recorded.task("price-0").task_key == recorded.task("price-4").task_key


def test_calls_of_one_method_in_a_loop_ride_together() -> None:
    from heliostat.runtime.engine.session import flow_session

    class Shop:
        @task
        def price(self, amount: int) -> int:
            return amount

    @flow
    def run() -> None:
        shop = Shop()
        session = flow_session.get()
        assert session is not None
        groups = {id(session.group_of(shop.price)) for _ in range(10)}
        groups |= {id(session.group_of(double)), id(session.group_of(double.with_options(retries=None)))}
        assert len(groups) == 3

    run()


def test_generators_give_their_values_as_a_list() -> None:
    @task
    def count(stop: int) -> Any:
        yield from range(stop)

    @flow
    def run() -> Any:
        return [count(3), count.submit(2).result(), count.map([1, 2]).result()]

    assert run() == [[0, 1, 2], [0, 1], [[0], [0, 1]]]


def test_tasks_called_in_tasks_are_recorded_within_their_callers_scope(recorded: Any) -> None:
    @task
    def outer(number: int) -> int:
        return double(number) + double.submit(number).result()

    @flow
    def run() -> list[int]:
        double(100)
        return outer.map([1, 2]).result()

    assert run() == [4, 8]
    rows = recorded._ask(
        __import__("heliostat.runtime.store.task_runs", fromlist=["list"]).list, recorded.run().id
    )
    assert len(rows) == 7 and len({row.id for row in rows}) == 7
    assert {row.dynamic_key for row in rows if row.task_name == "outer"} == {"0", "1"}
    nested = {row.dynamic_key for row in rows if row.task_name == "double"}
    assert len(nested) == 5, "a nested call shares its key with another one"


def test_tasks_that_submit_and_wait_for_themselves_do_not_hang(recorded: Any) -> None:
    @task
    def factorial(number: int) -> int:
        return 1 if number <= 1 else number * factorial.submit(number - 1).result()

    @flow
    def run() -> int:
        return factorial.submit(60).result()

    assert run() == math.factorial(60)
    assert recorded.counts() == {"COMPLETED": 60}


def test_many_mapped_tasks_that_submit_do_not_nest_into_each_other() -> None:
    @task
    def outer(number: int) -> int:
        return double.submit(number).result()

    @flow
    def run() -> int:
        return sum(outer.map(range(300)).result())

    assert run() == sum(range(300)) * 2


def test_tags_of_task_flow_and_context_are_recorded(recorded: Any) -> None:
    @task(tags=["b", "a"])
    def tagged() -> None: ...

    @flow(tags=["nightly"])
    def run() -> None:
        tagged()
        with tags("x", "a"):
            tagged.submit().result()
            double(1)
        double(2)

    with tags("outside"):
        run()
    assert set(recorded.run().tags) == {"nightly", "outside"}
    assert set(recorded.task("tagged-0").tags) == {"a", "b", "outside"}
    assert set(recorded.task("tagged-1").tags) == {"a", "b", "outside", "x"}
    assert set(recorded.task("double-0").tags) == {"outside", "x", "a"}
    assert set(recorded.task("double-1").tags) == {"outside"}
