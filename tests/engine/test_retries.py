"""Retries of tasks and flows: how often, how late, after what, and the states recorded on the way."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import current_task_run, flow, task
from heliostat.runtime.authoring.retry import RetryPolicy
from heliostat.runtime.foundation import settings
from heliostat.runtime.foundation.errors import UserError

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


def _succeeds_at(attempt: int, **options: Any) -> Any:
    """A task that fails until that attempt; `tried` counts them."""
    tried: list[int] = []

    @task(name="stubborn", **options)
    def stubborn() -> int:
        tried.append(current_task_run().attempt)
        if len(tried) < attempt:
            raise ValueError(f"attempt {len(tried)}")
        return len(tried)

    stubborn.tried = tried  # type: ignore[attr-defined]
    return stubborn


def _called(work: Any, how: str) -> Any:
    """The task's value when it is called in a flow in one of the three ways."""

    @flow
    def run() -> Any:
        if how == "call":
            return work()
        return work.submit().result()

    return run()


@pytest.fixture(params=["call", "submit"])
def how(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_failed_task_is_tried_again_at_once_and_every_attempt_is_recorded(recorded: Any, how: str) -> None:
    work = _succeeds_at(3, retries=2)
    assert _called(work, how) == 3
    assert work.tried == [1, 2, 3]
    row = recorded.task("stubborn-0")
    assert (row.state_name, row.run_count) == ("Completed", 3)
    assert recorded.task_states("stubborn-0") == ["Pending", "Running", "Retrying", "Retrying", "Completed"]
    assert row.policy["retries"] == 2


@pytest.mark.parametrize("delay", [0.01, [0.01, 0.02], lambda attempt: 0.01 * attempt])
def test_a_delay_is_a_number_a_list_or_a_function_and_shows_as_awaiting_retry(
    recorded: Any, how: str, delay: Any
) -> None:
    work = _succeeds_at(3, retries=2, retry_delay_seconds=delay, retry_jitter_factor=0.5)
    assert _called(work, how) == 3
    assert work.tried == [1, 2, 3]
    states = ["Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
    assert recorded.task_states("stubborn-0") == states
    timeline = recorded.task("stubborn-0").timeline
    assert timeline[2][3] == "ValueError: attempt 1"
    assert [entry[2] for entry in timeline] == sorted(entry[2] for entry in timeline)


def test_when_all_attempts_fail_the_last_error_is_raised(recorded: Any, how: str) -> None:
    work = _succeeds_at(9, retries=2)
    with pytest.raises(ValueError, match="attempt 3"):
        _called(work, how)
    row = recorded.task("stubborn-0")
    assert (row.state_name, row.run_count, row.message) == ("Failed", 3, "ValueError: attempt 3")


def test_a_condition_decides_which_errors_are_worth_another_attempt(recorded: Any, how: str) -> None:
    asked: list[str] = []

    def condition(error: BaseException) -> bool:
        asked.append(str(error))
        return "2" not in str(error)

    work = _succeeds_at(9, retries=5, retry_condition_fn=condition)
    with pytest.raises(ValueError, match="attempt 2"):
        _called(work, how)
    assert asked == ["attempt 1", "attempt 2"]
    assert recorded.task("stubborn-0").run_count == 2


def test_a_delay_function_that_fails_ends_the_call_with_the_tasks_own_error(recorded: Any, how: str) -> None:
    def delay(attempt: int) -> float:
        raise LookupError("no such delay")

    with pytest.raises(ValueError, match="attempt 1") as raised:
        _called(_succeeds_at(9, retries=2, retry_delay_seconds=delay), how)
    assert recorded.task("stubborn-0").state_name == "Failed"
    if how == "call":
        assert "no such delay" in "".join(raised.value.__notes__)


def test_in_a_map_each_call_has_its_own_attempts(recorded: Any) -> None:
    failed: set[int] = set()

    @task(retries=1, retry_delay_seconds=0.01)
    def once(number: int) -> int:
        if number % 3 == 0 and number not in failed:
            failed.add(number)
            raise ValueError(number)
        return number

    @flow
    def run() -> list[int]:
        return once.map(range(30)).result()

    assert run() == list(range(30))
    counts = [row.run_count for row in recorded.tasks().values()]
    assert sorted(counts) == [1] * 20 + [2] * 10


def test_calls_behind_a_retried_one_wait_for_its_last_attempt() -> None:
    work = _succeeds_at(2, retries=1, retry_delay_seconds=0.01)

    @task
    def after(value: int) -> int:
        return value * 10

    @flow
    def run() -> int:
        return after.submit(work.submit()).result()

    assert run() == 20


def test_a_nested_call_that_waits_for_a_retry_does_not_hang() -> None:
    work = _succeeds_at(2, retries=1, retry_delay_seconds=0.01)
    outer_tried: list[int] = []

    @task(retries=1, retry_delay_seconds=0.01)
    def outer() -> int:
        outer_tried.append(1)
        if len(outer_tried) == 1:
            raise ValueError("first")
        return work.submit().result()

    @flow
    def run() -> int:
        return outer.submit().result()

    assert run() == 2


def test_settings_give_retries_to_tasks_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOSTAT_DEFAULT_RETRIES", "2")
    settings.reload_settings()
    assert _called(_succeeds_at(3), "call") == 3
    with pytest.raises(ValueError, match="attempt 1"):
        _called(_succeeds_at(3, retries=0), "call")


def test_a_failed_flow_is_tried_again_and_its_completed_tasks_are_not_run_again(recorded: Any) -> None:
    ran: list[str] = []

    @task
    def step(name: str) -> str:
        ran.append(name)
        return name

    @flow
    def child() -> str:
        ran.append("child")
        return step("in child")

    @flow(retries=2, retry_delay_seconds=0.01)
    def run() -> list[Any]:
        values = [step("a"), step.submit("b").result(), step.map(["c", "d"]).result(), child()]
        ran.append("body")
        if ran.count("body") < 3:
            raise RuntimeError("again")
        return values

    assert run() == ["a", "b", ["c", "d"], "in child"]
    assert sorted(ran) == ["a", "b", "body", "body", "body", "c", "child", "d", "in child"]
    parent = recorded.runs()[0]
    assert recorded.states(parent) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert parent.run_count == 3
    assert recorded.counts(parent) == {"COMPLETED": 5}
    assert len(recorded.runs()) == 2


def test_tasks_that_failed_run_again_when_their_flow_is_tried_again(recorded: Any) -> None:
    tried: list[int] = []

    @task
    def step(number: int) -> int:
        tried.append(number)
        if number == 1 and tried.count(1) == 1:
            raise ValueError("first time")
        return number

    @flow(retries=1)
    def run() -> list[int]:
        return step.map(range(3)).result()

    assert run() == [0, 1, 2]
    assert sorted(tried) == [0, 1, 1, 2]
    assert recorded.counts() == {"COMPLETED": 3}


def test_a_flow_that_fails_for_good_raises_its_last_error(recorded: Any) -> None:
    tried: list[int] = []

    @flow(retries=1)
    def run() -> None:
        tried.append(1)
        raise RuntimeError(f"time {len(tried)}")

    with pytest.raises(RuntimeError, match="time 2"):
        run()
    assert recorded.states() == ["Pending", "Running", "AwaitingRetry", "Retrying", "Failed"]
    assert {decision.rule for decision in recorded.decisions()}


async def test_async_flows_and_tasks_are_tried_again(recorded: Any) -> None:
    tried: list[str] = []

    @task(retries=2, retry_delay_seconds=[0, 0.01])
    async def step() -> str:
        tried.append("step")
        if tried.count("step") < 3:
            raise ValueError("no")
        return "done"

    @flow(retries=1, retry_delay_seconds=0.01)
    async def run() -> str:
        value = await step()
        tried.append("body")
        if tried.count("body") < 2:
            raise RuntimeError("again")
        return value

    assert await run() == "done"
    assert tried == ["step", "step", "step", "body", "body"]
    assert recorded.task("step-0").run_count == 3


def test_policies_that_cannot_work_are_refused_where_the_task_is_made() -> None:
    for options in ({"retries": -1}, {"retries": 1, "retry_delay_seconds": "soon"}, {"retries": 1.5}):
        with pytest.raises(UserError):
            task(**options)(lambda: 1)  # pyright: ignore
    assert RetryPolicy().retries == 0
