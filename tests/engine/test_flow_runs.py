"""Flow runs and sub-flows: parameters, names, hooks, states, and how they hang together in the record."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from heliostat import current_flow_run, flow, task
from heliostat.runtime.foundation.errors import ParameterMismatch, UserError
from heliostat.runtime.store import leases, task_runs

pytestmark = pytest.mark.usefixtures("recorded")


@task
def double(number: int) -> int:
    return 2 * number


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Order(BaseModel):
    item: str
    count: int = Field(ge=1)


def test_parameters_are_coerced_from_their_annotations_before_the_run_starts(recorded: Any) -> None:
    @flow
    def run(
        number: int, path: Path, order: Order, point: Point, colour: Colour, more: list[int]
    ) -> list[Any]:
        return [number, path, order, point, colour, more]

    got = run("3", "a/b", {"item": "tea", "count": "2"}, {"x": "1"}, "red", ("4", 5))  # type: ignore[arg-type]
    assert got == [3, Path("a/b"), Order(item="tea", count=2), Point(1), Colour.RED, [4, 5]]
    kept = recorded.run().parameters
    assert kept["number"] == 3 and kept["order"] == {"item": "tea", "count": 2} and kept["colour"] == "red"


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        (("x", {"item": "tea", "count": 1}), {}, "number"),
        ((1, {"item": "tea", "count": 0}), {}, "count"),
        ((1,), {}, "order"),
        ((1, {"item": "tea", "count": 1}), {"nmber": 3}, "nmber"),
        ((1, {"item": "tea", "count": 1}, 3), {}, "positional"),
    ],
)
def test_parameters_that_do_not_fit_are_named_and_nothing_is_recorded(
    recorded: Any, args: Any, kwargs: Any, named: str
) -> None:
    began: list[int] = []

    @flow
    def run(number: int, order: Order) -> None:
        began.append(1)

    with pytest.raises(ParameterMismatch, match=named):
        run(*args, **kwargs)
    with pytest.raises(ParameterMismatch, match=named):
        run(*args, **kwargs, return_state=True)
    assert began == [] and recorded.runs() == []


def test_without_validation_parameters_pass_as_they_are(recorded: Any) -> None:
    @flow(validate_parameters=False)
    def run(number: int) -> Any:
        return number

    assert run("x") == "x"  # type: ignore[arg-type]
    with pytest.raises(ParameterMismatch):
        run()  # type: ignore[call-arg]
    assert len(recorded.runs()) == 1


def test_a_flow_tells_the_json_schema_of_its_parameters() -> None:
    @flow
    def run(number: int, order: Order, note: str = "none") -> None:
        """Run it.

        Args:
            number: how many
        """

    schema = run.parameter_schema()
    assert schema["required"] == ["number", "order"]
    assert schema["properties"]["number"]["description"] == "how many"
    assert schema["properties"]["note"]["default"] == "none"


def test_variadic_and_keyword_only_parameters_arrive(recorded: Any) -> None:
    @flow
    def run(first: int, *rest: int, flag: bool = False, **more: str) -> Any:
        return first, rest, flag, more

    assert run(1, 2, 3, flag=True, a="b") == (1, (2, 3), True, {"a": "b"})


def test_a_run_has_a_friendly_name_unless_the_flow_gives_one(recorded: Any) -> None:
    @flow
    def plain() -> str:
        return current_flow_run().name

    @flow(flow_run_name="report {day} of {flow_name}", name="daily")
    def templated(day: str) -> str:
        return current_flow_run().name

    @flow(flow_run_name=lambda parameters: f"by function {parameters['day']}")
    def by_function(day: str) -> str:
        return current_flow_run().name

    assert "-" in plain()
    assert templated("monday") == "report monday of daily" == recorded.run().name
    assert by_function("friday") == "by function friday" == recorded.run().name
    assert plain.named("special")() == "special"


def test_a_run_name_that_cannot_be_made_stops_the_run_before_it_is_recorded(recorded: Any) -> None:
    @flow(flow_run_name="report {dy}")
    def run(day: str) -> None: ...

    with pytest.raises(UserError, match=r"\{dy\}"):
        run("monday")
    assert recorded.runs() == []


def test_task_runs_get_names_from_their_template(recorded: Any) -> None:
    @task(task_run_name="clean {path} ({index})")
    def clean(path: str) -> None: ...

    @task(task_run_name="bad {nothing}")
    def bad(path: str) -> None: ...

    @flow
    def run() -> None:
        clean("a")
        clean.submit("b").result()
        clean.map(["c", "d"]).result()
        bad("e")

    run()
    names = {row.name for row in recorded.tasks().values() if row.task_name == "clean"}
    assert names == {"clean a (0)", "clean b (1)", "clean c (2)", "clean d (3)"}
    (bad_name,) = {row.name for row in recorded.tasks().values() if row.task_name == "bad"}
    assert "bad" in bad_name and "nothing" in bad_name


async def test_async_task_runs_get_names_from_their_template(recorded: Any) -> None:
    @task(task_run_name="fetch {url}")
    async def fetch(url: str) -> None: ...

    @flow
    async def run() -> None:
        await fetch("a")
        await fetch.map(["b"])

    await run()
    assert set(recorded.tasks()) == {"fetch a", "fetch b"}


def test_flows_with_names_that_the_standard_forbids_are_refused() -> None:
    with pytest.raises(UserError, match="holds one of"):
        flow(name="a/b")(lambda: None)  # pyright: ignore


def test_a_run_records_where_it_comes_from_and_gives_its_lease_back(recorded: Any) -> None:
    @flow(version="7", tags=["x"])
    def run() -> None: ...

    run()
    row = recorded.run()
    assert row.flow_name == "run" and row.flow_version == "7" and row.tags == ["x"]
    assert row.code_revision and "test_flow_runs" in row.entrypoint
    assert row.start_time is not None and row.end_time is not None
    lease = recorded._ask(leases.read, row.id)
    assert lease.owner is None


# Sub-flows.


def test_a_sub_flow_is_a_run_of_its_own_linked_to_a_task_run_of_its_parent(recorded: Any) -> None:
    @flow
    def child(number: int) -> int:
        return double(number) + double.submit(number).result()

    @flow
    def parent() -> int:
        return child(1) + child(2)

    assert parent() == 12
    by_name: dict[str, list[Any]] = {}
    for run in recorded.runs():
        by_name.setdefault(run.flow_name, []).append(run)
    (top,), children = by_name["parent"], by_name["child"]
    assert len(children) == 2
    tracking = {row.id: row for row in recorded.tasks(top).values()}
    assert {row.name for row in tracking.values()} == {"child-0", "child-1"}
    for run in children:
        assert tracking[run.parent_task_run_id].state_type == "COMPLETED"
        assert recorded.counts(run) == {"COMPLETED": 2}
    assert recorded.counts(top) == {"COMPLETED": 2}


def test_a_failed_sub_flow_fails_its_parent_unless_that_handles_it(recorded: Any) -> None:
    @flow
    def child() -> None:
        raise ValueError("in child")

    @flow
    def careful() -> str:
        state = child(return_state=True)
        assert state.is_failed()
        with pytest.raises(ValueError, match="in child"):
            child()
        return "fine"

    @flow
    def careless() -> None:
        child()

    assert careful() == "fine"
    top = recorded.runs()[0]
    assert {row.state_name for row in recorded.tasks(top).values()} == {"Failed"}
    with pytest.raises(ValueError, match="in child"):
        careless()
    assert [run.state_type for run in recorded.runs() if run.flow_name == "careless"] == ["FAILED"]


def test_a_sub_flow_can_be_called_in_a_submitted_task(recorded: Any) -> None:
    @flow
    def child(number: int) -> int:
        return double(number)

    @task
    def through(number: int) -> int:
        return child(number) + child(number)

    @flow(task_runner="threads")
    def parent() -> list[int]:
        return through.map([1, 2]).result()

    assert parent() == [4, 8]
    children = [run for run in recorded.runs() if run.flow_name == "child"]
    assert len({run.id for run in children}) == 4
    assert all(run.parent_task_run_id is not None for run in children)


def test_sub_flows_may_use_another_runner_than_their_parent(recorded: Any) -> None:
    import threading

    @task
    def where() -> str:
        return threading.current_thread().name

    @flow(task_runner="threads")
    def child() -> str:
        return where.submit().result()

    @flow(task_runner="inline")
    def parent() -> list[str]:
        return [where.submit().result(), child(), where.submit().result()]

    here, there, again = parent()
    assert here == again == threading.current_thread().name
    assert there.startswith("heliostat-task")


def test_a_flow_that_calls_itself_gets_a_run_for_each_call(recorded: Any) -> None:
    @flow
    def countdown(number: int) -> int:
        return 0 if number == 0 else 1 + countdown(number - 1)

    assert countdown(4) == 4
    assert len(recorded.runs()) == 5
    assert {run.state_type for run in recorded.runs()} == {"COMPLETED"}


def test_many_runs_follow_each_other_in_one_process(recorded: Any) -> None:
    @flow(task_runner="threads")
    def run(number: int) -> int:
        return double.submit(number).result()

    assert [run(number) for number in range(10)] == [2 * number for number in range(10)]
    assert {run.state_type for run in recorded.runs()} == {"COMPLETED"}


def test_a_method_can_be_a_flow(recorded: Any) -> None:
    class Shop:
        rate = 3

        @flow
        def total(self, count: int) -> int:
            return count * self.rate

        @flow
        @classmethod
        def of_class(cls, count: int) -> int:
            return count * cls.rate

        @flow
        @staticmethod
        def of_none(count: int) -> int:
            return count

    assert [Shop().total(2), Shop.of_class(2), Shop().of_class("3"), Shop.of_none(4)] == [6, 6, 9, 4]  # type: ignore
    assert {run.flow_name for run in recorded.runs()} == {"total", "of-class", "of-none"}


def test_what_a_flow_does_is_recorded_on_both_databases(recorded_on_both: Any) -> None:
    @task(retries=1, retry_delay_seconds=0.01, tags=["t"])
    def sometimes(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    @flow
    def child() -> str:
        print("in child")
        return "c"

    @flow(task_runner="threads", flow_run_name="r {number}")
    def run(number: int) -> Any:
        print("begins")
        child()
        return sometimes.map(range(number)).result(raise_on_failure=False)[:3]

    assert run(5) == [0, 1, 2]
    top = recorded_on_both.runs()[0]
    assert top.name == "r 5" and top.state_type == "COMPLETED"
    assert recorded_on_both.counts(top) == {"COMPLETED": 5, "FAILED": 1}
    row = recorded_on_both.task("sometimes-3", top)
    assert row.error["type"] == "ValueError" and row.run_count == 2 and row.tags == ["t"]
    assert [state.name for state in task_runs.states_of(row)] == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Failed",
    ]
    assert recorded_on_both.messages(top) == ["begins"]
    assert isinstance(row.id, UUID)


# Hooks.


def test_hooks_of_flows_are_called_with_flow_run_and_state(recorded: Any) -> None:
    calls: list[tuple[Any, ...]] = []

    def note(what: str) -> Any:
        def hook(flow: Any, flow_run: Any, state: Any) -> None:
            calls.append((what, flow.name, flow_run.id, state.name))

        return [hook]

    @flow(
        on_running=note("running"),
        on_completion=note("completion"),
        on_failure=note("failure"),
        on_cancellation=note("cancellation"),
        on_crashed=note("crashed"),
    )
    def run(end: str) -> None:
        if end == "fail":
            raise ValueError("no")
        if end == "interrupt":
            raise KeyboardInterrupt
        if end == "crash":
            raise SystemExit(3)

    run("complete")
    for end, kind in (("fail", ValueError), ("interrupt", KeyboardInterrupt), ("crash", SystemExit)):
        with pytest.raises(kind):
            run(end)
    assert [(what, state) for what, _, _, state in calls] == [
        ("running", "Running"),
        ("completion", "Completed"),
        ("running", "Running"),
        ("failure", "Failed"),
        ("running", "Running"),
        ("cancellation", "Cancelled"),
        ("running", "Running"),
        ("crashed", "Crashed"),
    ]
    assert [call[2] for call in calls[::2]] == [run.id for run in recorded.runs()]


def test_hooks_of_tasks_are_called_where_the_task_runs(recorded: Any) -> None:
    calls: list[tuple[Any, ...]] = []

    def hook(task: Any, task_run: Any, state: Any) -> None:
        calls.append((task_run.name, state.type.value, state.name))

    every = {"on_running": [hook], "on_completion": [hook], "on_failure": [hook]}

    @task(**every)
    def good() -> None: ...

    @task(retries=1, **every)
    def bad() -> None:
        raise ValueError("no")

    @flow
    def run() -> None:
        good()
        good.submit().result()
        bad.submit().wait()

    run()
    assert calls == [
        ("good-0", "RUNNING", "Running"),
        ("good-0", "COMPLETED", "Completed"),
        ("good-1", "RUNNING", "Running"),
        ("good-1", "COMPLETED", "Completed"),
        ("bad-0", "RUNNING", "Running"),
        ("bad-0", "FAILED", "Failed"),
    ]


def test_asynchronous_hooks_are_awaited_and_hooks_that_fail_change_nothing(recorded: Any) -> None:
    calls: list[str] = []

    async def waits(subject: Any, run: Any, state: Any) -> None:
        calls.append(state.name)

    def fails(subject: Any, run: Any, state: Any) -> None:
        raise LookupError("hook")

    @task(on_completion=[fails, waits])
    def good() -> int:
        return 1

    @flow(on_completion=[fails, waits])
    def run() -> int:
        return good()

    @flow(on_completion=[fails, waits])
    async def run_async() -> int:
        return good()

    assert run() == 1
    assert calls == ["Completed", "Completed"]
    assert recorded.run().state_type == "COMPLETED"
    assert any("hook fails failed" in message for message in recorded.messages())

    import asyncio

    assert asyncio.run(run_async()) == 1
    assert calls == ["Completed"] * 4
