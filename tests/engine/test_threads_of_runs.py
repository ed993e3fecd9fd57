"""Threads that a flow or a task starts belong to its run: what they call, log and print is recorded there.

Seen: a flow handed its tasks to a ThreadPoolExecutor; every call ran, and none was recorded, nor were the
lines of a run logger in a plain thread. Python gives a new thread an empty context, so that nothing in it
knew of the run. Now threads and pools take the run along, and where that cannot be, somebody says so.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

from heliostat import current_flow_run, current_task_run, flow, get_run_logger, tags, task
from heliostat.runtime.engine.open_calls import UnrecordedCall
from heliostat.runtime.foundation.errors import RunIsOver

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


Work = Callable[[int], int]


def _plain_threads(work: Work) -> list[int]:
    values: list[int] = [0, 0, 0]

    def fill(at: int) -> None:
        values[at] = work(at)

    threads = [threading.Thread(target=fill, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return values


def _subclass_of_thread(work: Work) -> list[int]:
    class Worker(threading.Thread):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.at, self.value = at, -1

        def run(self) -> None:
            self.value = work(self.at)

    workers = [Worker(at) for at in range(3)]
    for worker in workers:
        worker.start()
        worker.join(30)
    return [worker.value for worker in workers]


def _timers(work: Work) -> list[int]:
    values: list[int] = []
    for at in range(3):
        timer = threading.Timer(0, lambda at=at: values.append(work(at)))
        timer.start()
        timer.join(30)
    return values


def _executor(work: Work) -> list[int]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, range(3)))


def _thread_pool(work: Work) -> list[int]:
    with ThreadPool(2) as pool:
        return [*pool.map(work, range(1)), *pool.imap(work, [1]), pool.apply_async(work, (2,)).get(30)]


def _thread_in_a_thread(work: Work) -> list[int]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_plain_threads, work).result(30)


def _to_thread(work: Work) -> list[int]:
    async def all_of_them() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(work, at) for at in range(3))))

    return asyncio.run(all_of_them())


def _run_in_executor(work: Work) -> list[int]:
    async def all_of_them() -> list[int]:
        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.run_in_executor(None, work, at) for at in range(3))))

    return asyncio.run(all_of_them())


def _loop_in_a_thread(work: Work) -> list[int]:
    async def one(at: int) -> int:
        return work(at)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    values = [asyncio.run_coroutine_threadsafe(one(at), loop).result(30) for at in range(3)]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()
    return values


WAYS = [
    _plain_threads,
    _subclass_of_thread,
    _timers,
    _executor,
    _thread_pool,
    _thread_in_a_thread,
    _to_thread,
    _run_in_executor,
    _loop_in_a_thread,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_every_call_and_line_of_threads_is_recorded(recorded: Any, way: Callable[[Work], list[int]]) -> None:
    @task
    def double(number: int) -> int:
        get_run_logger().info("line %d", number)
        print("print", number)
        return 2 * number

    @task
    def outer() -> list[int]:
        return way(double)

    @flow
    def run() -> list[Any]:
        logger = get_run_logger()

        def work(number: int) -> int:
            logger.info("given %d", number)
            get_run_logger().info("own %d", number)
            return double(number)

        with tags("spread"):
            direct = way(work)
        return [direct, outer(), outer.submit().result()]

    assert run() == [[0, 2, 4]] * 3
    tasks = recorded.tasks()
    names = [row.task_name for row in tasks.values()]
    assert (names.count("double"), names.count("outer")) == (9, 2)
    assert recorded.counts() == {"COMPLETED": 11}
    assert sum("spread" in row.tags for row in tasks.values()) == 3
    lines = recorded.logs()
    of_doubles = {row.id for row in tasks.values() if row.task_name == "double"}
    for number in range(3):
        assert [row.message for row in lines].count(f"line {number}") == 3
        assert [row.message for row in lines].count(f"print {number}") == 3
        [given, own] = [row for row in lines if row.message in (f"given {number}", f"own {number}")]
        assert given.task_run_id is own.task_run_id is None
    said = [row for row in lines if row.message.startswith(("line", "print"))]
    assert {row.task_run_id for row in said} == of_doubles


def test_a_pool_that_outlives_runs_records_each_call_with_the_run_that_made_it(recorded: Any) -> None:
    pool, other = ThreadPoolExecutor(1), ThreadPool(1)

    @task
    def who() -> Any:
        return current_flow_run().id

    @flow
    def run() -> Any:
        return [current_flow_run().id, pool.submit(who).result(30), other.apply(who)]

    @flow
    def parent() -> Any:
        return pool.submit(run).result(30)

    try:
        for values in [run(), run()]:
            assert len(set(values)) == 1
        assert pool.submit(who).result(30) not in {row.id for row in recorded.runs()}
        assert other.apply(contextvars.copy_context) is not None
    finally:
        pool.shutdown()
        other.terminate()
    assert [recorded.counts(row) for row in recorded.runs()] == [{"COMPLETED": 2}] * 2


def test_threads_outside_of_runs_are_left_as_they_are(recorded: Any) -> None:
    @flow
    def run() -> None: ...

    run()
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(len(contextvars.copy_context())))
    thread.start()
    thread.join(30)
    assert seen == [0] and "run" not in vars(thread)


def test_other_libraries_variables_do_not_come_along(recorded: Any) -> None:
    mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="unset")

    @flow
    def run() -> list[str]:
        mine.set("set")
        with ThreadPoolExecutor(1) as pool:
            return [mine.get(), pool.submit(mine.get).result(30)]

    assert run() == ["set", "unset"]


def test_sub_flows_in_threads_are_sub_flows(recorded: Any) -> None:
    @task
    def step() -> None: ...

    @flow
    def child(number: int) -> int:
        step.submit().result()
        return number

    @flow
    def parent() -> list[int]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(child, range(3)))

    assert parent() == [0, 1, 2]
    above, *below = recorded.runs()
    assert len(below) == 3 and all(run.parent_task_run_id for run in below)
    assert recorded.counts(above) == {"COMPLETED": 3}


def test_calls_of_many_threads_are_each_numbered_once(recorded: Any) -> None:
    @task
    def step(number: int) -> int:
        return number

    @task
    def outer() -> int:
        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(lambda at: step(at) + step.submit(at).result(), range(40)))

    @flow
    def run() -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            direct = sum(pool.map(step, range(100)))
        return [direct, outer(), outer.submit().result()]

    assert run() == [4950, 1560, 1560]
    assert recorded.counts() == {"COMPLETED": 100 + 2 + 160}


@pytest.fixture
def thread_from_before() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """A thread that was started before any run and is given work by a queue."""
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve() -> None:
        while (each := work.get()) is not None:
            function, done = each
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

    thread = threading.Thread(target=serve)
    thread.start()

    def give(function: Callable[[], Any]) -> Any:
        done: Future[Any] = Future()
        work.put((function, done))
        return done.result(30)

    yield give
    work.put(None)
    thread.join(30)


def test_a_call_whose_run_cannot_be_told_says_how_to_do_it(recorded: Any, thread_from_before: Any) -> None:
    @task
    def step(number: int) -> int:
        return number

    @flow
    def run() -> list[int]:
        logger = get_run_logger()
        thread_from_before(lambda: logger.info("the logger knows its run"))
        with pytest.warns(UnrecordedCall, match=r"copy_context"):
            lost = thread_from_before(lambda: step(1))
        context = contextvars.copy_context()
        return [lost, thread_from_before(lambda: context.run(step, 2))]

    assert run() == [1, 2]
    assert recorded.counts() == {"COMPLETED": 1}
    assert recorded.messages() == ["the logger knows its run"]


def test_without_a_run_in_the_process_a_task_outside_of_flows_runs_without_a_word(
    recorded: Any, thread_from_before: Any
) -> None:
    @task
    def step() -> int:
        return 1

    @flow
    def run() -> None: ...

    run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step() == thread_from_before(step) == 1


def test_threads_that_outlive_their_run_get_an_error_and_what_ran_is_recorded(recorded: Any) -> None:
    inside, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    @task
    def quick() -> None: ...

    @task
    def slow() -> None:
        inside.set()
        go_on.wait(30)

    @flow
    def child() -> None: ...

    def calls() -> None:
        for call in (quick, slow, quick, quick.submit, child):
            try:
                call()
            except Exception as error:
                seen.append(error)

    @flow
    def run() -> threading.Thread:
        thread = threading.Thread(target=calls)
        thread.start()
        inside.wait(30)
        return thread

    thread = run()
    go_on.set()
    thread.join(30)
    assert [type(error) for error in seen] == [RunIsOver] * 4, seen
    assert "is over" in str(seen[0]) and "Wait for the threads" in (seen[0].hint or "")
    assert recorded.run().state_type == "COMPLETED"
    assert {row.name: row.state_type for row in recorded.tasks().values()} == {
        "quick-0": "COMPLETED",
        "slow-0": "CRASHED",
    }


def test_a_logger_that_outlives_its_run_goes_on_as_a_plain_logger(recorded: Any, capsys: Any) -> None:
    @flow
    def run() -> Any:
        logger = get_run_logger()
        logger.info("in time")
        return [logger]

    [logger] = run()
    with pytest.warns(UserWarning, match="after its run"):
        logger.info("too late")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logger.info("later still")
    assert recorded.messages() == ["in time"]


def test_a_run_logger_stays_with_its_run(recorded: Any) -> None:
    class Holder:
        def __init__(self) -> None:
            self.log = get_run_logger()

    @task
    def uses(holder: Holder, as_pickled: bytes) -> Any:
        holder.log.info("held")
        copy.deepcopy(holder).log.info("copied")
        pickle.loads(as_pickled).info("pickled")
        get_run_logger().info("own")
        return current_task_run().id

    @flow
    def run() -> Any:
        holder = Holder()
        return uses.submit(holder, pickle.dumps(holder.log)).result()

    task_run_id = run()
    said = {row.message: row.task_run_id for row in recorded.logs()}
    assert said == {"held": None, "copied": None, "pickled": None, "own": task_run_id}
