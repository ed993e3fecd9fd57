"""What happens inside tasks on workers: logs and prints, further tasks, sub-flows."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from heliostat import flow, get_run_logger, task

pytestmark = pytest.mark.usefixtures("recorded")


def test_logs_and_prints_of_workers_are_recorded_with_their_task_runs(recorded: Any) -> None:
    @task(pack=25)
    def talk(number: int) -> int:
        get_run_logger().info("logged by %d", number)
        print("printed by", number)
        return number

    @flow
    def run() -> None:
        talk.map(range(50)).result()

    run()
    ids = {name: row.id for name, row in recorded.tasks().items()}
    said = {(line.message, line.task_run_id) for line in recorded.logs() if line.task_run_id}
    assert said == {
        (f"{how} by {number}", ids[f"talk-{number}"]) for number in range(50) for how in ("logged", "printed")
    }


def test_the_last_line_before_the_end_is_recorded(recorded: Any) -> None:
    @task
    def last_words(number: int) -> int:
        print("goodbye from", number)
        return number

    @flow
    def run(number: int) -> int:
        return last_words.submit(number).result()

    for number in range(10):
        run(number)
    for number, flow_run in enumerate(recorded.runs()):
        assert f"goodbye from {number}" in [line.message for line in recorded.logs(flow_run)]


def test_prints_of_threads_that_a_task_starts_are_recorded(recorded: Any) -> None:
    @task
    def delegate() -> None:
        import contextvars

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(print, "from a thread"))
        thread.start()
        thread.join()

    @flow
    def run() -> None:
        delegate.submit().result()

    run()
    [line] = [line for line in recorded.logs() if line.message == "from a thread"]
    assert line.task_run_id == recorded.tasks()["delegate-0"].id


@task
def increment(number: int) -> int:
    return number + 1


@flow
def add_up(count: int) -> int:
    return sum(increment.map(range(count)).result())


def test_tasks_called_inside_tasks_are_recorded_with_the_run(recorded: Any) -> None:
    @task
    def outer(number: int) -> int:
        return increment(number) + increment.submit(number).result()

    @flow
    def run() -> list[int]:
        return outer.map(range(5)).result()

    assert run() == [2 * number + 2 for number in range(5)]
    names = [row.task_name for row in recorded.tasks().values()]
    assert (names.count("outer"), names.count("increment")) == (5, 10)
    assert recorded.counts() == {"COMPLETED": 15}


def test_sub_flows_inside_tasks_are_recorded_as_runs_of_their_own(recorded: Any) -> None:
    @task
    def outer(count: int) -> int:
        return add_up(count)

    @flow
    def run() -> list[int]:
        return outer.map([3, 4]).result()

    assert run() == [6, 10]
    parent, *children = recorded.runs()
    assert [child.flow_name for child in children] == ["add-up", "add-up"]
    assert {child.state_type for child in children} == {"COMPLETED"}
    assert all(child.parent_task_run_id for child in children)
    assert sorted(len(recorded.tasks(child.id)) for child in children) == [3, 4]


def test_a_failure_inside_a_nested_task_reaches_the_flow_with_the_authors_lines(recorded: Any) -> None:
    @task
    def broken(number: int) -> int:
        raise KeyError(f"number {number}")

    @task
    def outer(number: int) -> int:
        return broken(number)

    @flow
    def run() -> int:
        return outer.submit(3).result()

    with pytest.raises(KeyError, match="number 3"):
        run()
    assert recorded.counts() == {"FAILED": 2}
    assert "raise KeyError" in recorded.tasks()["outer-0"].error["traceback"]


def test_modules_that_only_the_driver_has_are_named(recorded: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "only_here_of_test.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_here_of_test  # pyright: ignore[reportMissingImports]

    @task(pack=10)
    def kind(value: Any) -> str:
        return type(value).__name__

    @flow
    def run() -> list[Any]:
        values: list[Any] = [*range(4), only_here_of_test.Thing(), *range(5)]
        return kind.map(values).result(raise_on_failure=False)

    results = run()
    sys.modules.pop("only_here_of_test")
    assert results[:4] + results[5:] == ["int"] * 9
    assert isinstance(results[4], ModuleNotFoundError) and "only_here_of_test" in str(results[4])
    assert recorded.counts() == {"COMPLETED": 9, "FAILED": 1}


def test_a_task_whose_module_a_worker_lacks_fails_with_its_name(
    recorded: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "tasks_of_test.py").write_text("def double(number):\n    return 2 * number\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import tasks_of_test  # pyright: ignore[reportMissingImports]

    @flow
    def run() -> list[Any]:
        return task(tasks_of_test.double).map(range(300)).result(raise_on_failure=False)

    results = run()
    sys.modules.pop("tasks_of_test")
    assert {type(each) for each in results} == {ModuleNotFoundError}
    assert "tasks_of_test" in str(results[0])


def test_workers_show_nothing_themselves(recorded: Any, capfd: Any) -> None:
    @task
    def talk() -> int:
        print("said once")
        return os.getpid()

    @flow
    def run() -> int:
        return talk.submit().result()

    assert run() != os.getpid()
    shown = capfd.readouterr()
    assert (shown.out + shown.err).count("said once") == 1


def test_every_call_and_line_of_threads_that_tasks_start_is_recorded(recorded: Any) -> None:
    """Seen: threads of a task on a worker knew nothing of their run; their calls ran and left no record."""

    @task(pack=2)
    def spread(number: int) -> int:
        logger = get_run_logger()

        def work(at: int) -> int:
            logger.info("given %d", at)
            get_run_logger().info("own %d", at)
            print("printed", at)
            return increment(at) + increment.submit(at).result()

        with ThreadPoolExecutor(3) as pool:
            return sum(pool.map(work, range(number, number + 5)))

    @flow
    def run() -> list[int]:
        return spread.map([0, 10]).result()

    assert run() == [30, 130]
    tasks = recorded.tasks()
    assert len(tasks) == 2 + 20 and recorded.counts() == {"COMPLETED": 22}
    said = [(line.task_run_id, line.message) for line in recorded.logs()]
    for task_run, numbers in ((tasks["spread-0"], range(5)), (tasks["spread-1"], range(10, 15))):
        for number in numbers:
            for message in (f"given {number}", f"own {number}", f"printed {number}"):
                assert said.count((task_run.id, message)) == 1


def test_a_worker_is_as_new_for_the_next_task(recorded: Any) -> None:
    """Seen: a task called `logging.config.dictConfig`, and its worker recorded no line of later tasks."""

    @task(pack=False)
    def meddles(how: int) -> int:
        if how == 0:
            logging.config.dictConfig({"version": 1})
        elif how == 1:
            logging.disable(logging.CRITICAL)
            logging.getLogger().setLevel(logging.CRITICAL)
        else:
            sys.stdout = io.StringIO()
        get_run_logger().info("task line %d", how)
        return os.getpid()

    @task(pack=False)
    def looks(how: int) -> int:
        get_run_logger().info("later line %d", how)
        logging.getLogger("a.library").warning("of a library %d", how)
        print("printed", how)
        return os.getpid()

    @flow
    def run() -> Any:
        workers: set[int] = set()
        for how in range(3):
            meddled = meddles.submit(how).result()
            workers |= {meddled, *looks.map([how] * 8).result()}
        return workers

    workers = run()
    said = [line.message for line in recorded.logs()]
    assert len(workers) <= 4  # few enough that later tasks came to those that were meddled with
    for how in range(3):
        assert said.count(f"task line {how}") == 1
        for what in ("later line", "of a library", "printed"):
            assert said.count(f"{what} {how}") == 8, what


def test_prints_that_a_task_redirects_go_where_they_were_redirected_to(recorded: Any) -> None:
    """Seen: on workers every print went to the run's log alone, and code that captures its own output got
    nothing.
    """

    @task
    def captures() -> str:
        print("recorded")
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            print("inside")
        return text.getvalue()

    @flow
    def run() -> list[str]:
        return [captures(), captures.submit().result()]

    assert run() == ["inside\n"] * 2
    said = [line.message for line in recorded.logs()]
    assert said.count("recorded") == 2 and "inside" not in said


def test_child_processes_of_tasks_record_through_the_driver(recorded: Any) -> None:
    """Seen: a child that a worker forked wrote on the worker's own connection to the driver."""

    def in_a_child(number: int) -> None:
        get_run_logger().info("in a child %d", number)
        increment(number)

    @task(pack=2)
    def spread(number: int) -> None:
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=in_a_child, args=(number + at,)) for at in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)

    @flow
    def run() -> None:
        spread.map([0, 10]).result()

    run()
    assert len(recorded.tasks()) == 2 + 6 and recorded.counts() == {"COMPLETED": 8}
    said = [line.message for line in recorded.logs()]
    assert all(said.count(f"in a child {number}") == 1 for number in (0, 1, 2, 10, 11, 12))
