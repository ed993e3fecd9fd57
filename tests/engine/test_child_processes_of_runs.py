"""Child processes that a flow or a task starts belong to its run: what they call, log and print is recorded.

Seen: a forked child had its parent's journal, whose thread it had not: calls and lines went into a buffer
that nobody emptied. A spawned one knew of no run. Now the child gets a ticket of its run, and tells its
parent what is to be recorded.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from heliostat import flow, get_run_logger, task
from heliostat.runtime.engine.open_calls import UnrecordedCall

pytestmark = pytest.mark.usefixtures("recorded", "found_by_children")


@pytest.fixture
def found_by_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned child imports this file by the name that it has here, wherever the tests were started."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[__name__.count(".")]))


Work = Callable[[int], int]


@task
def double(number: int) -> int:
    get_run_logger().info("line %d", number)
    print("print", number)
    return 2 * number


@flow
def child_flow(number: int) -> int:
    return double(number) + double.submit(number).result()


def _work(number: int) -> int:
    get_run_logger().info("own %d", number)
    return double(number) + double.submit(number).result() - 2 * number


def _call_flow(number: int) -> int:
    return child_flow(number)


def _put(work: Work, number: int, queue: Any) -> None:
    queue.put(work(number))


def _processes(work: Work, method: str) -> list[int]:
    context: Any = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    children = [context.Process(target=_put, args=(work, number, queue)) for number in range(2)]
    for child in children:
        child.start()
    values = sorted(queue.get() for _ in children)
    for child in children:
        child.join(60)
    return values


def _executor(work: Work, method: str) -> list[int]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        return list(pool.map(work, range(2)))


def _pool(work: Work, method: str) -> list[int]:
    with multiprocessing.get_context(method).Pool(2) as pool:
        return [*pool.map(work, range(1)), pool.apply_async(work, (1,)).get(60)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("way", [_processes, _executor, _pool], ids=lambda way: way.__name__.strip("_"))
def test_every_call_and_line_of_child_processes_is_recorded(recorded: Any, way: Any, method: str) -> None:
    @task
    def outer() -> list[int]:
        return way(_work, method)

    @flow
    def run() -> list[Any]:
        return [way(_work, method), outer()]

    assert run() == [[0, 2]] * 2
    names = [row.task_name for row in recorded.tasks().values()]
    assert (names.count("double"), names.count("outer")) == (8, 1)
    assert recorded.counts() == {"COMPLETED": 9}
    lines = recorded.logs()
    doubles = {row.id for row in recorded.tasks().values() if row.task_name == "double"}
    assert {row.task_run_id for row in lines if row.message.startswith("line")} == doubles
    said = [row.message for row in lines]
    for number in range(2):
        counts = [said.count(f"{what} {number}") for what in ("own", "line", "print")]
        assert counts == [2, 4, 4]


def test_sub_flows_in_child_processes_are_sub_flows(recorded: Any) -> None:
    @flow
    def parent() -> list[int]:
        return _executor(_call_flow, "fork")

    assert parent() == [0, 4]
    above, *below = recorded.runs()
    assert [run.state_type for run in below] == ["COMPLETED"] * 2 and all(
        run.parent_task_run_id for run in below
    )
    assert [recorded.counts(run) for run in below] == [{"COMPLETED": 2}] * 2


def test_a_run_logger_and_prints_of_a_forked_child_are_recorded(recorded: Any) -> None:
    @flow
    def run() -> None:
        logger = get_run_logger()

        def speak() -> None:
            logger.info("given to the child")
            print("printed by the child")

        child = multiprocessing.get_context("fork").Process(target=speak)
        child.start()
        child.join(60)

    run()
    assert recorded.messages() == ["given to the child", "printed by the child"]


def test_a_pool_that_outlives_runs_records_each_call_with_the_run_that_made_it(recorded: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:

        @flow
        def run() -> int:
            return pool.submit(_work, 1).result(60)

        assert [run(), run()] == [2, 2]
        assert pool.submit(os.getpid).result(60) != os.getpid()
    assert [recorded.counts(run) for run in recorded.runs()] == [{"COMPLETED": 2}] * 2


def test_a_bare_fork_says_that_its_calls_are_not_recorded(recorded: Any) -> None:
    @flow
    def run() -> int:
        logger = get_run_logger()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                logger.info("lost")
                with warnings.catch_warnings(record=True) as told:
                    warnings.simplefilter("always")
                    value = double(4)
                named = any(
                    each.category is UnrecordedCall and "forked" in str(each.message) for each in told
                )
                code = 0 if value == 8 and named else 2
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert run() == 0
    assert recorded.counts() == {} and recorded.run().state_type == "COMPLETED"
