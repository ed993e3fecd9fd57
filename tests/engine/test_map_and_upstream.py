"""Maps, and calls that wait for others: what runs, what does not, and what is recorded of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from heliostat import (
    TaskFuture,
    allow_failure,
    flow,
    task,
    unmapped,
)
from heliostat.runtime.foundation.errors import ParameterMismatch, UpstreamFailed, WaitCycle

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


@pytest.mark.parametrize("entries", [[1, 2, 3], (1, 2, 3), range(1, 4), {1, 2, 3}, {1: 0, 2: 0, 3: 0}.keys()])
def test_map_spreads_sized_collections(recorded: Any, entries: Any) -> None:
    @flow
    def run() -> list[int]:
        return double.map(entries).result()

    assert sorted(run()) == [2, 4, 6]
    assert recorded.counts() == {"COMPLETED": 3}


def test_map_gives_plain_values_text_dicts_and_unmapped_ones_to_every_call() -> None:
    @task
    def tell(number: int, text: str, table: dict[str, int], whole: list[int], blob: bytes) -> tuple[Any, ...]:
        return number, text, table, whole, blob

    @flow
    def run() -> list[Any]:
        return tell.map([1, 2], "ab", table={"k": 1}, whole=unmapped([7, 8]), blob=b"xy").result()

    assert run() == [(n, "ab", {"k": 1}, [7, 8], b"xy") for n in (1, 2)]


def test_map_over_two_columns_takes_them_pairwise() -> None:
    @flow
    def run() -> list[int]:
        return add.map([1, 2, 3], right=[10, 20, 30]).result()

    assert run() == [11, 22, 33]


def test_map_over_an_iterator_reads_it_lazily(recorded: Any) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(5_000):
            read.append(number)
            yield number

    @task
    def ahead(number: int) -> int:
        return len(read) - number

    @flow
    def run() -> int:
        results = ahead.map(numbers()).result()
        assert len(results) == 5_000
        return max(results)

    assert run() < 5_000, "everything was read before the first call ran"
    assert recorded.counts() == {"COMPLETED": 5_000}


def test_calls_after_a_map_over_an_iterator_count_on(recorded: Any) -> None:
    @flow
    def run() -> None:
        double.map(iter([1, 2, 3])).result()
        double(9)

    run()
    assert list(recorded.tasks()) == ["double-0", "double-1", "double-2", "double-3"]


def test_what_an_iterator_raises_reaches_the_author_and_earlier_calls_end(recorded: Any) -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)
        raise LookupError("the source is gone")

    @flow
    def run() -> None:
        double.map(numbers())

    with pytest.raises(LookupError, match="the source is gone"):
        run()
    assert set(recorded.counts()) <= {"COMPLETED"}
    assert recorded.run().state_type == "FAILED"


def test_an_endless_iterator_may_go_with_a_finite_one() -> None:
    @flow
    def run() -> list[int]:
        return add.map(itertools.count(), iter([10, 20])).result()

    assert run() == [10, 21]


def test_sized_columns_beside_an_iterator_must_still_be_of_one_length() -> None:
    @task
    def three(a: int, b: int, c: int) -> int:
        return a + b + c

    @flow
    def run() -> None:
        three.map([1, 2], [1, 2, 3], iter([1, 2]))

    with pytest.raises(ParameterMismatch, match="different lengths"):
        run()


def test_columns_of_different_lengths_are_refused(recorded: Any) -> None:
    @flow
    def run() -> None:
        add.map([1, 2], [1, 2, 3])

    with pytest.raises(ParameterMismatch, match=r"different lengths: \[2, 3\]"):
        run()
    assert recorded.tasks() == {}


def test_a_map_without_anything_to_spread_is_refused() -> None:
    @flow
    def run() -> None:
        double.map(3)

    with pytest.raises(ParameterMismatch, match="at least one argument to spread"):
        run()


def test_a_map_over_nothing_gives_nothing(recorded: Any) -> None:
    @flow
    def run() -> list[int]:
        return double.map([]).result() + double.map(iter(())).result()

    assert run() == []
    assert recorded.tasks() == {}


def test_changing_a_list_after_map_changes_no_call() -> None:
    release = threading.Event()

    @task
    def gate() -> None:
        release.wait(10)

    @flow(task_runner="threads")
    def run() -> list[int]:
        numbers = [1, 2, 3]
        futures = double.map(numbers, wait_for=[gate.submit()])
        numbers.clear()
        release.set()
        return futures.result()

    assert run() == [2, 4, 6]


def test_map_follows_futures_one_to_one_and_records_where_inputs_come_from(recorded: Any) -> None:
    @flow
    def run() -> list[int]:
        return double.map(double.map([1, 2, 3])).result()

    assert run() == [4, 8, 12]
    tasks = recorded.tasks()
    for index in range(3):
        inputs = tasks[f"double-{index + 3}"].task_inputs
        assert inputs == {"number": [{"input_type": "task_run", "id": str(tasks[f"double-{index}"].id)}]}


def test_futures_inside_lists_dicts_and_tuples_arrive_as_values() -> None:
    @task
    def nested(value: Any) -> Any:
        return value

    @flow
    def run() -> Any:
        one, two = double.submit(1), double.submit(2)
        return nested.submit({"a": [one, (two,)], "b": {"c": one}, "all": double.map([3, 4])}).result()

    assert run() == {"a": [2, (4,)], "b": {"c": 2}, "all": [6, 8]}


def test_a_direct_call_takes_futures_as_well(recorded: Any) -> None:
    @flow
    def run() -> Any:
        return add(double.submit(1), right=double.submit(2))

    assert run() == 6
    assert set(recorded.task("add-0").task_inputs) == {"left", "right"}


def test_a_list_of_futures_unmapped_arrives_whole_in_every_call() -> None:
    @task
    def total(number: int, others: list[int]) -> int:
        return number + sum(others)

    @flow
    def run() -> list[int]:
        return total.map([1, 2], unmapped(double.map([10, 20]))).result()

    assert run() == [61, 62]


def test_wait_for_orders_calls_without_data(recorded: Any) -> None:
    order: list[str] = []

    @task
    def first() -> None:
        order.append("first")

    @task
    def second(number: int) -> None:
        order.append("second")

    @flow
    def run() -> None:
        before = first.submit()
        second.submit(1, wait_for=[before])
        second.map([2, 3], wait_for=before)
        second(4, wait_for=[before])

    run()
    assert order == ["first"] + ["second"] * 4
    ids = [{"input_type": "task_run", "id": str(recorded.task("first-0").id)}]
    assert [recorded.task(f"second-{i}").task_inputs for i in range(4)] == [{"wait_for": ids}] * 4


def test_a_map_over_an_iterator_waits_for_what_it_shall_wait_for() -> None:
    release, order = threading.Event(), []

    @task
    def first() -> None:
        release.wait(10)
        order.append("first")

    @task
    def second(number: int) -> None:
        order.append("second")

    @flow(task_runner="threads")
    def run() -> None:
        futures = second.map(iter(range(20)), wait_for=[first.submit()])
        assert len(futures) == 20 and order == []
        release.set()
        futures.wait()

    run()
    assert order == ["first"] + ["second"] * 20


@pytest.mark.parametrize("how", ["argument", "nested", "wait_for"])
def test_what_waits_for_a_failed_call_is_not_started(recorded: Any, how: str) -> None:
    ran: list[Any] = []

    @task
    def after(value: Any = None) -> None:
        ran.append(value)

    @flow
    def run() -> None:
        failed = fail.submit()
        if how == "argument":
            future = after.submit(failed)
        elif how == "nested":
            future = after.submit([{"deep": failed}])
        else:
            future = after.submit(wait_for=[failed])
        state = future.wait()
        assert state.name == "NotReady"
        with pytest.raises(UpstreamFailed, match="fail-0 ended Failed"):
            future.result()
        further = after.submit(future)
        assert further.wait().name == "NotReady"

    run()
    assert ran == []
    assert [recorded.task(f"after-{i}").state_name for i in range(2)] == ["NotReady"] * 2
    assert recorded.task("after-0").start_time is None
    assert recorded.task("after-0").run_count == 0


def test_in_a_map_only_calls_behind_failed_ones_are_not_started(recorded: Any) -> None:
    @task
    def odd(number: int) -> int:
        if number % 2 == 0:
            raise ValueError(number)
        return number

    @flow
    def run() -> list[Any]:
        return double.map(odd.map(range(6))).result(raise_on_failure=False)

    results = run()
    assert [r for r in results if isinstance(r, int)] == [2, 6, 10]
    assert sum(isinstance(r, UpstreamFailed) for r in results) == 3
    assert recorded.counts() == {"COMPLETED": 6, "FAILED": 3, "PENDING": 3}


def test_allow_failure_hands_the_exception_over() -> None:
    @flow
    def run() -> list[str]:
        return [
            told.submit(allow_failure(fail.submit("one"))).result(),
            told(allow_failure(fail.submit("two"))),
            *told.map(allow_failure(fail.map(["three", "four"]))).result(),
            *told.map([allow_failure(fail.submit("five")), 6]).result(),
            told.submit(allow_failure([fail.submit("seven"), 8])).result(),
        ]

    *singles, listed = run()
    assert singles == [f"ValueError: {each}" for each in ("one", "two", "three", "four", "five")] + ["int: 6"]
    assert listed == "list: [ValueError('seven'), 8]"


@pytest.mark.parametrize("wrap", [lambda f: unmapped(allow_failure(f)), lambda f: allow_failure(unmapped(f))])
def test_unmapped_and_allow_failure_go_together_in_both_orders(wrap: Any) -> None:
    @task
    def tell(number: int, upstream: Any) -> str:
        return f"{number} {upstream!r}"

    @flow
    def run() -> list[str]:
        return tell.map([1, 2], wrap(fail.submit("x"))).result()

    assert run() == ["1 ValueError('x')", "2 ValueError('x')"]


def test_allow_failure_in_wait_for_waits_but_does_not_mind() -> None:
    @flow
    def run() -> int:
        return double.submit(2, wait_for=[allow_failure(fail.submit())]).result()

    assert run() == 4


def test_a_call_that_waits_for_itself_is_refused() -> None:
    @flow
    def run() -> None:
        futures: list[Any] = []
        sent: list[Any] = []

        def entries() -> Iterator[Any]:
            # The list that the first call is given names that very call as soon as it is looked at.
            yield sent

        class Early:
            def __init__(self, fanout: Any) -> None:
                self.fanout = fanout

        from heliostat.runtime.engine import dispatcher

        grown = dispatcher.Fanout.grow

        def grow(fanout: Any, count: int) -> Any:
            sent.append(TaskFuture(fanout, 0))
            return grown(fanout, count)

        dispatcher.Fanout.grow = grow  # type: ignore[method-assign]
        try:
            futures.append(told.map(entries()))
        finally:
            dispatcher.Fanout.grow = grown  # type: ignore[method-assign]

    with pytest.raises(WaitCycle, match="told-0 waits for itself"):
        run()
