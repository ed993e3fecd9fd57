"""What flows and tasks log and print, and what they can know of the run that they belong to."""

from __future__ import annotations

import builtins
import logging
import threading
from typing import Any

import pytest

from heliostat import current_flow_run, current_task_run, flow, get_run_logger, task
from heliostat.runtime.foundation.errors import HeliostatError

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


def test_log_lines_and_prints_are_recorded_with_the_run_that_made_them(recorded: Any) -> None:
    @task
    def speaks(number: int) -> None:
        get_run_logger().warning("task %s", number)
        print("printed", number, sep="-")
        logging.getLogger("library").error("library %d", number)

    @flow
    def run() -> None:
        get_run_logger().info("flow begins")
        print("flow prints")
        speaks(0)
        speaks.submit(1).result()
        speaks.map([2, 3]).result()
        get_run_logger().info("flow ends")

    run()
    ids = {recorded.task(f"speaks-{i}").id: i for i in range(4)}
    lines = [(ids.get(row.task_run_id), row.level, row.message) for row in recorded.logs()]
    expected = [(None, 20, "flow begins"), (None, 20, "flow prints")]
    for i in range(4):
        expected += [(i, 30, f"task {i}"), (i, 20, f"printed-{i}"), (i, 40, f"library {i}")]
    expected.append((None, 20, "flow ends"))
    assert sorted(lines, key=str) == sorted(expected, key=str)
    assert lines[:2] == expected[:2] and lines[-1] == expected[-1]


def test_lines_below_the_level_of_the_settings_are_left_out(recorded: Any) -> None:
    @flow
    def run() -> None:
        get_run_logger().debug("quiet")
        get_run_logger().info("loud")

    run()
    assert recorded.messages() == ["loud"]


def test_an_exception_that_is_logged_brings_its_traceback(recorded: Any) -> None:
    @task
    def logs() -> None:
        try:
            raise ValueError("inner trouble")
        except ValueError:
            get_run_logger().exception("caught")

    @flow
    def run() -> None:
        logs.submit().result()

    run()
    (message,) = recorded.messages()
    assert message.startswith("caught\n") and "ValueError: inner trouble" in message


@pytest.mark.parametrize("how", ["call", "submit"])
def test_prints_are_not_recorded_where_that_is_switched_off(recorded: Any, how: str) -> None:
    @task(log_prints=False)
    def silent() -> None:
        print("not this")

    @task(log_prints=True)
    def loud() -> None:
        print("but this")

    @flow(log_prints=False)
    def run() -> None:
        print("nor this")
        for work in (silent, loud):
            work() if how == "call" else work.submit().result()

    run()
    assert recorded.messages() == ["but this"]


def test_prints_are_recorded_though_another_library_put_its_own_print_in_place(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with Ray's progress bars: a worker's first line replaced `print`, and no later one was kept."""

    @flow
    def run(text: str) -> None:
        print(text)

    run("before")
    monkeypatch.setattr(builtins, "print", lambda *values, **options: None)
    run("after")
    assert recorded.messages() == ["after"]


def test_prints_still_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def prints(what: str) -> None:
        print(what)

    @flow
    def run() -> None:
        prints("called")
        prints.submit("submitted").result()

    run()
    assert capsys.readouterr().out == "called\nsubmitted\n"


def test_sub_flows_have_lines_of_their_own(recorded: Any) -> None:
    @flow
    def child() -> None:
        print("child")

    @flow
    def parent() -> None:
        print("before")
        child()
        print("after")

    parent()
    by_name = {run.flow_name: recorded.messages(run) for run in recorded.runs()}
    assert by_name == {"parent": ["before", "after"], "child": ["child"]}


def test_hooks_may_log(recorded: Any) -> None:
    def hook(flow: Any, flow_run: Any, state: Any) -> None:
        logging.getLogger("hooks").warning("ended %s", state.name)

    @flow(on_running=[hook])
    def run() -> None: ...

    run()
    assert recorded.run().state_type == "COMPLETED"


def test_a_run_logger_outside_of_a_run_is_refused() -> None:
    with pytest.raises(HeliostatError, match="no flow is running here"):
        get_run_logger()


def test_a_task_called_outside_of_a_flow_logs_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def alone() -> int:
        get_run_logger().info("hello from outside")
        print("plain print")
        return current_task_run().attempt

    assert alone() == 1
    captured = capsys.readouterr()
    assert "hello from outside" in captured.err and captured.out == "plain print\n"


def test_flow_and_task_code_know_their_run(recorded: Any) -> None:
    seen: list[Any] = []

    @task(tags=["t"])
    def looks(number: int) -> None:
        here, above = current_task_run(), current_flow_run()
        seen.append((here.id, here.name, here.task_name, here.attempt, set(here.tags), above.id))
        assert here.idempotency_key == str(here.id)

    @flow(tags=["f"])
    def run(number: int) -> None:
        me = current_flow_run()
        seen.append((me.id, me.name, me.flow_name, me.parameters, me.run_count, set(me.tags)))
        looks(0)
        looks.submit(1).result()
        looks.map([2]).result()

    run(5)
    row = recorded.run()
    assert seen[0] == (row.id, row.name, "run", {"number": 5}, 1, {"f"})
    for index in range(3):
        name = f"looks-{index}"
        assert seen[index + 1] == (recorded.task(name).id, name, "looks", 1, {"t"}, row.id)


def test_the_idempotency_key_is_the_same_at_every_attempt() -> None:
    keys: list[str] = []

    @task(retries=2, retry_delay_seconds=[0, 0.01])
    def tried() -> None:
        keys.append(current_task_run().idempotency_key)
        if len(keys) < 3:
            raise ValueError("no")

    @flow
    def run() -> None:
        tried.submit().result()

    run()
    assert len(keys) == 3 and len(set(keys)) == 1


def test_after_a_call_the_code_around_it_is_itself_again() -> None:
    @task
    def inner() -> str:
        return current_task_run().name

    @task
    def outer() -> list[str]:
        return [current_task_run().name, inner(), current_task_run().name]

    @flow
    def child() -> str:
        with pytest.raises(HeliostatError, match="no task is running"):
            current_task_run()
        return current_flow_run().flow_name

    @flow
    def run() -> list[Any]:
        before = current_flow_run().flow_name
        values = [outer(), outer.submit().result(), child(), current_flow_run().flow_name == before]
        with pytest.raises(HeliostatError, match="no task is running"):
            current_task_run()
        return values

    assert run() == [["outer-0", "inner-0", "outer-0"], ["outer-1", "inner-0", "outer-1"], "child", True]
    with pytest.raises(HeliostatError, match="no flow is running"):
        current_flow_run()


def test_lines_of_calls_on_several_threads_do_not_mix(recorded: Any) -> None:
    both = threading.Barrier(2)

    @task(pack=False)
    def speaks(number: int) -> None:
        for _ in range(3):
            both.wait(10)
            get_run_logger().info("%d", number)

    @flow(task_runner="threads")
    def run() -> None:
        speaks.map([0, 1]).result()

    run()
    ids = {str(recorded.task(f"speaks-{i}").id): str(i) for i in range(2)}
    assert len(recorded.logs()) == 6
    assert all(ids[str(row.task_run_id)] == row.message for row in recorded.logs())
