"""A task that returns a state ends in that state.

Seen: a task that returned `Failed("no rows")` was recorded as Completed with the state as its value, and the
flow went on with it. A flow did it right.
"""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import flow, task
from heliostat.runtime.foundation.errors import RunCancelled, RunFailure, TaskTimedOut
from heliostat.runtime.states import Cancelled, Completed, Crashed, Failed, Running, State, TimedOut
from heliostat.runtime.store import task_runs

ENDS: list[tuple[State, str, type[Exception] | None]] = [
    (Completed("all well", data=3), "COMPLETED", None),
    (Completed("nothing to do", name="Skipped", data=3), "COMPLETED", None),
    (Failed("no rows"), "FAILED", RunFailure),
    (Failed("wrong rows", name="Invalid"), "FAILED", RunFailure),
    (Failed("bad rows", data=ValueError("row 3")), "FAILED", ValueError),
    (TimedOut("too slow"), "FAILED", TaskTimedOut),
    (Cancelled("not needed"), "CANCELLED", RunCancelled),
    (Crashed("its machine is gone"), "CRASHED", RunFailure),
    (Running(), "FAILED", RunFailure),
]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("how", ["call", "submit", "map"])
@pytest.mark.parametrize(("state", "state_type", "raised"), ENDS, ids=lambda each: getattr(each, "name", ""))
def test_a_returned_state_is_the_state_of_the_call(
    recorded: Any, runner: str, kind: str, how: str, state: State, state_type: str, raised: Any
) -> None:
    @task
    def returns(_: int) -> State:
        return state

    @task
    async def returns_later(_: int) -> State:
        return state

    told = returns if kind == "sync" else returns_later

    @flow
    def asks() -> Any:
        if how == "submit":
            return told.submit(1).result()
        if how == "map":
            return told.map([1]).result()[0]
        return told(1) if kind == "sync" else told.submit(1).result()

    ended = asks(return_state=True)
    (row,) = recorded.tasks().values()
    assert row.state_type == state_type
    if state.message:
        last = task_runs.states_of(row)[-1]
        assert (last.name, last.message) == (state.name, state.message)
    if raised is None:
        assert ended.result() == 3
    else:
        with pytest.raises(raised):
            ended.result()


def test_the_state_of_a_call_has_the_words_of_the_returned_one(recorded: Any, runner: str) -> None:
    @task
    def returns() -> State:
        return Completed("nothing to do", name="Skipped")

    @flow
    def asks() -> list[State]:
        future = returns.submit()
        future.wait()
        return [future.state, returns(return_state=True)]

    told = asks(return_state=True).result()
    assert [(each.name, each.message) for each in told] == [("Skipped", "nothing to do")] * 2


@pytest.mark.parametrize("delay_s", [0, 0.01])
def test_a_returned_failure_is_tried_again(recorded: Any, runner: str, delay_s: float) -> None:
    answers = [Failed("not yet"), Failed("not yet"), 7]

    @task(retries=2, retry_delay_seconds=delay_s)
    def returns() -> Any:
        return answers.pop(0)

    @flow
    def asks() -> Any:
        return returns.submit().result()

    assert asks() == 7
    (row,) = recorded.tasks().values()
    assert (row.state_type, row.run_count) == ("COMPLETED", 3)


def test_a_condition_of_retries_and_the_hooks_see_a_returned_failure(recorded: Any, runner: str) -> None:
    failed: list[str] = []

    @task(
        retries=2,
        retry_condition_fn=lambda error: not isinstance(error, ValueError),
        on_failure=[lambda _task, _run, state: failed.append(state.message)],
    )
    def returns() -> State:
        return Failed("bad rows", data=ValueError("row 3"))

    @flow
    def asks() -> Any:
        return returns.submit().result()

    with pytest.raises(ValueError, match="row 3"):
        asks()
    assert failed == ["bad rows"]
    assert [row.run_count for row in recorded.tasks().values()] == [1]


@pytest.mark.parametrize("make", [list, tuple, set, lambda states: dict(enumerate(states))])
def test_a_collection_of_states_ends_as_its_members_did(recorded: Any, runner: str, make: Any) -> None:
    @task
    def returns(states: list[State]) -> Any:
        return make(states)

    @flow
    def asks(states: list[State]) -> Any:
        return returns.submit(states).result()

    assert not asks([Completed(data=1), Failed("one is bad")], return_state=True).is_completed()
    assert recorded.counts() == {"FAILED": 1}
    assert asks([Completed(data=1), Completed(data=2)], return_state=True).is_completed()
    assert recorded.counts() == {"COMPLETED": 1}


def test_a_value_that_only_holds_a_state_among_others_is_a_result(recorded: Any, runner: str) -> None:
    @task
    def returns() -> Any:
        return [Failed("looked at"), 1]

    @flow
    def asks() -> Any:
        return returns.submit().result()[1]

    assert asks() == 1
