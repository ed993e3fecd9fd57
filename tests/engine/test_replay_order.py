"""Replays of flows whose calls come in another order.

Concurrent calls were known by their order alone: after a retry or a resume in which they came in another
order they got each other's results. A recorded completion answers a call only when the inputs are the same,
and what completed is not executed again because the order changed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from heliostat import current_flow_run, current_task_run, flow, task
from heliostat.runtime.engine.flow.flow_call import call_flow
from heliostat.runtime.engine.flow.flow_run import Resumption
from heliostat.runtime.foundation.errors import NondeterministicReplay
from heliostat.runtime.foundation.settings import reload_settings
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.store import flow_runs


@dataclass(frozen=True)
class Item:
    number: int


class Model(BaseModel):
    name: str


INPUTS: list[Any] = [
    "a",
    1,
    Path("a"),
    Path("b"),
    Item(1),
    Item(2),
    date(2026, 1, 1),
    Model(name="m"),
    (1, "a"),
]


@dataclass
class Plan:
    """What goes wrong, and in which order calls come, by attempt."""

    orders: list[list[int]]  # places in INPUTS, once or more
    failing: list[set[int]]  # places whose calls fail
    attempt: int = -1
    run_id: UUID | None = None
    done: Counter[int] = field(default_factory=Counter[int])  # completions by place


plan = Plan([], [])


def work(what: Any) -> str:
    place = next(place for place, each in enumerate(INPUTS) if type(each) is type(what) and each == what)
    if place in plan.failing[plan.attempt]:
        raise ValueError(what)
    plan.done[place] += 1
    return f"result of {what!r}"


@task
async def load(what: Any) -> str:
    return work(what)


@flow
async def child(what: Any) -> str:
    return work(what)


@flow(retries=1, validate_parameters=False)
async def parent(how: str) -> list[tuple[int, str]]:
    plan.attempt, plan.run_id = plan.attempt + 1, current_flow_run().id
    call: Any = load if how == "tasks" else child

    async def one(place: int) -> tuple[int, str]:
        return place, await call(INPUTS[place])

    got = await asyncio.gather(*map(one, plan.orders[plan.attempt]), return_exceptions=True)
    failed = [each for each in got if isinstance(each, BaseException)]
    if failed or plan.attempt < len(plan.orders) - 1:
        raise RuntimeError(f"{len(failed)} calls failed")
    return [each for each in got if not isinstance(each, BaseException)]


@st.composite
def plans(draw: st.DrawFn, places: int) -> Plan:
    calls = draw(st.lists(st.integers(0, places - 1), min_size=1, max_size=4))
    orders = [list(draw(st.permutations(calls))) for _ in range(draw(st.integers(2, 3)))]
    failing: list[set[int]] = [draw(st.sets(st.sampled_from(calls))) for _ in orders]
    failing[-1] = set()
    return Plan(orders, failing)


def execute(how: str, drawn: Plan) -> list[tuple[int, str]]:
    """The flow with its retry, and resumed as often as it takes."""
    global plan
    plan = drawn
    state = asyncio.run(parent(how, return_state=True))
    while not state.is_completed() and plan.attempt < len(plan.orders):
        assert plan.run_id is not None
        run = current_recording().call(flow_runs.read, plan.run_id)
        state = asyncio.run(call_flow(parent, {"how": how}, True, Resumption(run, None)))
    return state.result()


def holds(how: str, drawn: Plan) -> None:
    got = execute(how, drawn)
    assert got == [(place, f"result of {INPUTS[place]!r}") for place in drawn.orders[-1]]
    assert drawn.done == Counter(drawn.orders[-1])  # each call completed once, whatever the order


@pytest.fixture
def committed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event waits for company: a plan would wait more than it works."""
    monkeypatch.setenv("HELIOSTAT_JOURNAL_FLUSH_MS", "0")
    reload_settings()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("committed_at_once", "recorded")
@given(plans(len(INPUTS)))
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_task_calls_in_any_order_over_retries_and_resumes_get_their_own_results_and_complete_once(
    drawn: Plan,
) -> None:
    holds("tasks", drawn)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("committed_at_once", "recorded")
@given(plans(len(INPUTS)))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_sub_flow_calls_in_any_order_get_their_own_results_and_complete_once(
    drawn: Plan,
) -> None:
    holds("sub-flows", drawn)


@pytest.mark.parametrize("runner_name", ["inline", "threads"])
@pytest.mark.parametrize("how", ["map", "submit"])
def test_a_fan_out_in_another_order_is_answered_from_the_record(
    recorded: Any, how: str, runner_name: str
) -> None:
    orders, executed, lock = (
        [[Path("a"), Path("b"), 3, "d"], [3, "e", Path("b"), "d", Path("a")]],
        [],
        threading.Lock(),
    )

    @task
    def named(what: Any) -> str:
        with lock:
            executed.append(what)
        return f"{current_task_run().name}: {what}"

    @flow(retries=1, task_runner=runner_name)
    def fan_out() -> list[str]:
        order = orders.pop(0)
        futures = named.map(order) if how == "map" else [named.submit(what) for what in order]
        results = [future.result() for future in futures]
        names = [future.state.name for future in futures]
        assert names == ["Completed"] * len(order)
        if orders:
            raise RuntimeError("again")
        return results

    assert fan_out() == ["named-2: 3", "named-4: e", "named-1: b", "named-3: d", "named-0: a"]
    assert Counter(map(str, executed)) == Counter(["a", "b", "3", "d", "e"])
    assert recorded.counts() == {"COMPLETED": 5}


def test_inputs_that_cannot_be_compared_are_executed_again_and_this_is_said(recorded: Any) -> None:
    executed: list[int] = []

    @task
    def guarded(lock: Any, number: int) -> int:
        executed.append(number)
        return number

    @flow(retries=1, task_runner="threads")
    def run() -> list[int]:
        numbers = [guarded(threading.Lock(), number) for number in range(2)]
        if len(executed) == 2:
            raise RuntimeError("again")
        return numbers

    assert run() == [0, 1]
    assert executed == [0, 1, 0, 1]
    assert recorded.counts() == {"COMPLETED": 2}
    assert sum("cannot be compared" in message for message in recorded.messages()) == 1


def test_another_input_than_recorded_runs_beside_the_record_with_a_warning(recorded: Any) -> None:
    attempts: list[int] = []

    @task
    def double(number: int) -> int:
        return 2 * number

    @flow(retries=1)
    def run() -> int:
        attempts.append(1)
        value = double(len(attempts))
        if len(attempts) == 1:
            raise RuntimeError("again")
        return value

    assert run() == 4
    assert recorded.counts() == {"COMPLETED": 2}
    assert any("double-1 has other inputs" in message for message in recorded.messages())


def test_a_divergence_fails_the_run_where_it_is_to_fail(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOSTAT_REPLAY_DIVERGENCE", "fail")
    reload_settings()
    attempts: list[int] = []

    @task
    def double(number: int) -> int:
        return 2 * number

    @flow(retries=1)
    def run(how: str) -> int:
        attempts.append(1)
        value = double(len(attempts)) if how == "call" else double.submit(len(attempts)).result()
        if len(attempts) % 2:
            raise RuntimeError("again")
        return value

    for how in ("call", "submit"):
        with pytest.raises(NondeterministicReplay):
            run(how)


def test_a_task_that_is_tried_again_gets_the_sub_flow_with_its_own_parameters(recorded: Any) -> None:
    @flow
    def named(what: str) -> str:
        return f"result of {what}"

    attempts: list[int] = []

    @task(retries=1)
    def outer() -> str:
        attempts.append(1)
        got = named(f"attempt {len(attempts)}")
        if len(attempts) == 1:
            raise RuntimeError("again")
        return got

    @flow(task_runner="threads")
    def run() -> str:
        return outer.submit().result()

    assert run() == "result of attempt 2"


def test_what_waits_for_a_failed_call_keeps_no_record_of_another_from_being_found(recorded: Any) -> None:
    """A call that was not ready was recorded under its number, over the completion of another call."""
    executed: list[str] = []
    attempts: list[int] = []

    @task
    def broken() -> str:
        raise ValueError("broken")

    @task
    def use(what: Any) -> str:
        executed.append(what)
        return what

    @flow(retries=2, task_runner="threads")
    def run() -> list[str]:
        attempts.append(1)
        if len(attempts) == 1:
            use.submit("good").wait()
            raise RuntimeError("again")
        failed = use.submit(broken.submit())
        failed.wait()
        assert failed.state.name == "NotReady"
        if len(attempts) == 2:
            raise RuntimeError("again")
        return [use.submit("good").result()]

    assert run() == ["good"]
    assert executed == ["good"]
    assert Counter(row.state_name for row in recorded.tasks().values() if row.task_key.startswith("use")) == {
        "Completed": 1,
        "NotReady": 1,
    }
