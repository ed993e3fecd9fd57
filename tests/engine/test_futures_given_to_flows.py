"""Futures as parameters of sub-flows and inside of what flows return; what holds itself as an argument.

A sub-flow's parameters were validated as they came, so that `add(number.submit(), 2)` was refused because a
future is no int. A sub-flow now gets the values, as a task does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from heliostat import allow_failure, flow, task
from heliostat.runtime.foundation.errors import HiddenFuture, ParameterMismatch, UpstreamFailed, UserError

pytestmark = pytest.mark.usefixtures("recorded")


@task
def number(value: int = 5) -> int:
    return value


@task
def broken() -> int:
    raise ValueError("two")


@task
def size(value: Any) -> int:
    return len(value)


@flow
def add(x: int, y: int = 1) -> int:
    return x + y


@flow
async def add_async(x: int, y: int = 1) -> int:
    return x + y


@flow
def total(values: list[int], named: dict[str, int]) -> int:
    return sum(values) + sum(named.values())


@flow
def given(value: Any) -> Any:
    return value


@dataclass
class Settings:
    depth: Any


class Opaque:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def test_a_sub_flow_gets_the_values_of_futures_and_records_them(runner: str, recorded: Any) -> None:
    @flow
    def main() -> Any:
        one = number.submit(1)
        settings = given(Settings(one))
        return (
            add(one, y=number.submit(2)),
            total([one, number.submit(2)], {"a": number.submit(3)}),
            total(number.map([1, 2, 3]), {}),
            add(one, return_state=True).result(),
            settings.depth,
        )

    assert main() == (3, 6, 6, 2, 1)
    by_flow = {run.flow_name: run.parameters for run in recorded.runs()}
    assert by_flow["total"] == {"values": [1, 2, 3], "named": {}}


def test_values_of_futures_are_validated(runner: str) -> None:
    @flow
    def main() -> Any:
        with pytest.raises(ParameterMismatch, match="x"):
            add(given.fn("no number"))
        add(number.submit("no number"))

    with pytest.raises(ParameterMismatch, match="no number"):
        main()


async def test_an_asynchronous_sub_flow_waits_without_holding_up_the_loop() -> None:
    import asyncio
    import threading

    let_go = threading.Event()

    @task
    def held() -> int:
        assert let_go.wait(60)
        return 4

    @flow(task_runner="threads")
    async def main() -> int:
        waiting = asyncio.ensure_future(add_async(held.submit(), 2))
        await asyncio.sleep(0)
        let_go.set()  # from the loop, which must be free for it
        return await waiting

    assert await main() == 6


def test_a_sub_flow_whose_upstream_failed_does_not_begin(runner: str, recorded: Any) -> None:
    @flow
    def main() -> Any:
        failed = broken.submit()
        state = add(failed, return_state=True)
        assert state.name == "NotReady" and not state.is_final()
        with pytest.raises(UpstreamFailed, match="'add' was not started: upstream .*broken-0 ended Failed"):
            add([failed])
        arrived = given({"error": allow_failure(failed)})
        return repr(arrived["error"])

    assert main() == "ValueError('two')"
    assert [run.flow_name for run in recorded.runs()] == ["main", "given"]


async def test_an_asynchronous_sub_flow_whose_upstream_failed_does_not_begin() -> None:
    @flow
    async def main() -> None:
        failed = broken.submit()
        assert (await add_async(failed, return_state=True)).name == "NotReady"
        await add_async(failed)

    with pytest.raises(UpstreamFailed, match="'add-async' was not started"):
        await main()


def test_a_future_in_an_object_that_is_not_looked_into_is_named_with_its_parameter(runner: str) -> None:
    @flow
    def main() -> Any:
        given({"deep": Opaque(number.submit())})

    with pytest.raises(HiddenFuture, match=r"parameter 'value': TaskFuture\('number-0'.*not searched"):
        main()


def test_futures_nested_in_what_a_flow_returns_become_values(runner: str) -> None:
    @flow
    def main() -> Any:
        one = number.submit(1)
        return {
            "a": [one, (number.submit(2),)],
            "b": Settings(one),
            "c": {one},
            "failed": allow_failure(broken.submit()),
        }

    returned = main()
    assert returned.pop("failed").args == ("two",)
    assert returned == {"a": [1, (2,)], "b": Settings(1), "c": {1}}


def test_what_holds_itself_is_called_submitted_mapped_and_given_to_sub_flows(runner: str) -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    knot: dict[str, Any] = {"in a tuple": (ring,)}
    knot["itself"] = knot

    @flow
    def main() -> Any:
        with_future: list[Any] = [number.submit()]
        with_future.append(with_future)
        arrived = given(with_future)
        assert arrived[0] == 5 and arrived[1] is arrived
        return [
            size(ring),
            size.submit(ring).result(),
            size(value=knot),
            size.submit(value=knot).result(),
            size(with_future),
            size.submit((with_future, knot)).result(),
            *size.map([ring, knot, with_future]).result(),
            len(given(ring)),
        ]

    assert main() == [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]


def test_sharing_between_arguments_survives_when_futures_are_replaced(runner: str) -> None:
    @task
    def is_shared(a: Any, b: Any) -> bool:
        return a["x"] is b[0]

    @flow
    def main() -> Any:
        shared = [number.submit()]
        return is_shared({"x": shared}, [shared]), is_shared.submit({"x": shared}, b=[shared]).result()

    assert main() == (True, True)


def test_wait_for_allows_failures_in_every_form_and_refuses_values(runner: str) -> None:
    @task
    def cleanup() -> str:
        return "done"

    @flow
    def main() -> Any:
        calls = number.map([1, 2])
        failed = broken.submit()
        waits: list[Any] = [
            allow_failure(failed),
            [allow_failure(failed), calls],
            allow_failure([failed, calls]),
            (allow_failure(each) for each in [failed]),
            calls,
            calls[0],
        ]
        states = [cleanup.submit(wait_for=wait).wait().name for wait in waits]
        states += [cleanup(wait_for=allow_failure(failed), return_state=True).name]
        states += [state.name for state in size.map([[1]], wait_for=allow_failure(failed)).wait()]
        assert cleanup.submit(wait_for=failed).wait().name == "NotReady"
        with pytest.raises(UserError, match="wait_for takes futures, not 'done'"):
            cleanup.submit(wait_for=[cleanup()])
        return set(states)

    assert main() == {"Completed"}
