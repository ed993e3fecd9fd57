"""Limits on tags hold for calls of our own engine, however they are made.

A limit on a tag was kept for stock clients only: with a limit of 1, three calls of a native task with that
tag ran at once. Now each attempt of a call holds a slot of every limited tag of its task while it executes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from waiting import wait_for

from heliostat import flow, task
from heliostat.runtime.engine import slot_desk
from heliostat.runtime.foundation.errors import NoSlotEver
from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.store import concurrency_limits, concurrency_slots, explaining, task_slots
from heliostat.runtime.store.concurrency_limits import TAG_PREFIX
from heliostat.runtime.store.explaining import Reason
from heliostat.runtime.store.slot_rows import SlotWant
from tests.engine.conftest import Recorded


def limit(tag: str, slots: int) -> None:
    current_recording().call(concurrency_limits.set_tag_limit, tag, slots)


def slots_taken(tag: str) -> float:
    return current_recording().call(concurrency_limits.read, TAG_PREFIX + tag).active_slots


class AtOnce:
    """How many calls were inside at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def submitted(run: Any, count: int) -> list[Any]:
    return [future.result() for future in [run.submit(i) for i in range(count)]]


def mapped(run: Any, count: int) -> list[Any]:
    return run.map(range(count)).result()


def called_in_threads(run: Any, count: int) -> list[Any]:
    @task
    def caller(i: int) -> Any:
        return run(i)

    return caller.map(range(count)).result()


@pytest.mark.parametrize("runner", ["inline", "threads"])
@pytest.mark.parametrize("make", [submitted, mapped, called_in_threads])
def test_no_more_calls_run_at_once_than_the_limit_of_their_tag(
    recorded: Recorded, runner: str, make: Callable[[Any, int], list[Any]]
) -> None:
    limit("db", 2)
    inside = AtOnce()

    @task(tags=["db", "unlimited"])
    def query(i: int) -> int:
        with inside:
            threading.Event().wait(0.005)
        return i

    @flow(task_runner=runner)
    def limited() -> list[Any]:
        return make(query, 12)

    assert limited() == list(range(12))
    assert 1 <= inside.most <= 2
    assert slots_taken("db") == 0


def test_asynchronous_calls_hold_slots_too(recorded_on_both: Recorded) -> None:
    limit("db", 2)
    inside = AtOnce()

    @task(tags=["db"])
    async def query(i: int) -> int:
        with inside:
            await asyncio.sleep(0.005)
        return i

    @flow(task_runner="threads")
    async def limited() -> list[int]:
        direct = await asyncio.gather(*(query(i) for i in range(8)))
        return direct + query.map(range(8)).result()

    assert asyncio.run(limited()) == [*range(8), *range(8)]
    assert 1 <= inside.most <= 2
    assert slots_taken("db") == 0


def test_a_call_needs_a_slot_of_each_of_its_limited_tags_at_once(recorded: Recorded) -> None:
    limit("a", 1)
    limit("b", 3)
    inside = AtOnce()

    def run(i: int) -> int:
        with inside:
            threading.Event().wait(0.005)
        return i

    both = task(tags=["a", "b"])(run)

    @flow(task_runner="threads")
    def limited() -> list[int]:
        return both.map(range(6)).result()

    assert limited() == list(range(6))
    assert inside.most == 1


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_limit_of_zero_fails_the_call_at_once(recorded: Recorded, runner: str) -> None:
    limit("db", 0)

    @task(tags=["db"], retries=3)
    def query() -> None: ...

    @flow(task_runner=runner)
    def limited() -> None:
        with pytest.raises(NoSlotEver, match="'db' is 0"):
            query()
        with pytest.raises(NoSlotEver, match="'db' is 0"):
            query.submit().result()

    limited()
    assert [row.state_name for row in recorded.tasks().values()] == ["Failed", "Failed"]


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_call_inside_the_holder_of_all_slots_is_told_instead_of_waiting_for_ever(
    recorded: Recorded, runner: str
) -> None:
    limit("db", 1)

    @task(tags=["db"])
    def inner() -> None: ...

    @task
    def between() -> None:
        inner()

    @task(tags=["db"])
    def outer() -> None:
        with pytest.raises(NoSlotEver, match="wait for ever"):
            inner()
        between()

    @flow(task_runner=runner)
    def limited() -> None:
        with pytest.raises(NoSlotEver, match="wait for ever"):
            outer.submit().result()

    limited()
    assert slots_taken("db") == 0


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_sub_flow_inside_the_holder_of_all_slots_is_told_too(recorded: Recorded, runner: str) -> None:
    """Seen: a task held the only slot of a tag and called a flow whose task wanted it: both waited for ever,
    and only `explain` showed why. What is called inside a holder is known across flow runs.
    """
    limit("db", 1)

    @task(tags=["db"])
    def inner() -> None: ...

    @flow(task_runner=runner)
    def innermost() -> None:
        with pytest.raises(NoSlotEver, match="wait for ever"):
            inner()
        with pytest.raises(NoSlotEver, match="wait for ever"):
            inner.submit().result()

    @flow(task_runner=runner)
    def between() -> None:
        innermost()

    @task(tags=["db"])
    def outer() -> str:
        between()
        return "went on"

    @flow(task_runner=runner)
    def limited() -> str:
        inner()  # beside the holder, not inside it
        return outer.submit().result()

    assert limited() == "went on"
    assert slots_taken("db") == 0


def somebody_holds(tag: str) -> SlotWant:
    """Another process that has a slot."""
    want = SlotWant(uuid7(), [tag], uuid7(), uuid7())
    current_recording().call(task_slots.exchange, [], [want], 60.0)
    return want


@pytest.mark.parametrize("how", ["gives back", "raises", "deletes", "resets"])
def test_whoever_waits_goes_on_when_a_slot_comes_free_or_the_limit_changes(
    recorded_on_both: Recorded, how: str
) -> None:
    limit("db", 1)
    other = somebody_holds("db")
    began = threading.Event()

    @task(tags=["db"])
    def query(i: int) -> int:
        began.set()
        return i

    def let_go() -> None:
        call = current_recording().call
        wait_for(lambda: call(concurrency_slots.waiting, TAG_PREFIX + "db"))
        assert not began.is_set()
        if how == "gives back":
            call(task_slots.exchange, [other.id], [], 60.0)
        elif how == "raises":
            limit("db", 2)
        elif how == "deletes":
            call(concurrency_limits.delete, TAG_PREFIX + "db")
        else:
            call(concurrency_slots.reset, TAG_PREFIX + "db", [], 60.0)

    @flow(task_runner="threads")
    def limited() -> list[int]:
        helper = threading.Thread(target=let_go)
        helper.start()
        results = query.map(range(3)).result()
        helper.join()
        return [*results, query(3)]

    assert limited() == [0, 1, 2, 3]


def test_a_call_that_waits_for_its_slot_can_be_cancelled(recorded: Recorded) -> None:
    limit("db", 1)
    other = somebody_holds("db")

    @task(tags=["db"])
    def query() -> int:
        return 1

    @flow(task_runner="threads")
    def limited() -> int:
        future = query.submit()
        wait_for(lambda: current_recording().call(concurrency_slots.waiting, TAG_PREFIX + "db"))
        assert future.cancel()
        again = query.submit()
        current_recording().call(task_slots.exchange, [other.id], [], 60.0)
        return again.result()

    assert limited() == 1
    assert sorted(row.state_name for row in recorded.tasks().values()) == ["Cancelled", "Completed"]
    assert slots_taken("db") == 0
    assert not current_recording().call(concurrency_slots.waiting, TAG_PREFIX + "db")


def test_an_attempt_that_comes_later_holds_no_slot_until_then(recorded: Recorded) -> None:
    limit("db", 1)
    order: list[str] = []

    @task(tags=["db"], retries=1, retry_delay_seconds=0.3)
    def failing() -> None:
        order.append("failing")
        if order.count("failing") == 1:
            raise ValueError

    @task(tags=["db"])
    def query() -> None:
        order.append("query")

    @flow(task_runner="threads")
    def limited() -> None:
        first = failing.submit()
        wait_for(lambda: order)
        query.submit().result()
        first.result()

    limited()
    assert order == ["failing", "query", "failing"]


@pytest.mark.parametrize("direct", [True, False])
def test_a_call_that_waits_is_shown_with_what_it_waits_for(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    monkeypatch.setattr(slot_desk, "TOLD_AFTER_S", 0.0)
    limit("db", 1)
    other = somebody_holds("db")
    reasons: list[Reason] = []

    @task(tags=["db"])
    def query() -> int:
        return 1

    def look() -> None:
        call = current_recording().call
        wait_for(
            lambda: [row.state_name for row in recorded.tasks().values()],
            lambda names: "AwaitingConcurrencySlot" in names,
        )
        reasons.extend(call(explaining.explain, recorded.run().id).reasons)
        call(task_slots.exchange, [other.id], [], 60.0)

    @flow(task_runner="threads")
    def limited() -> int:
        watcher = threading.Thread(target=look)
        watcher.start()
        result = query() if direct else query.submit().result()
        watcher.join()
        return result

    assert limited() == 1
    (reason,) = reasons
    assert reason.code == "tag-limit" and "'db' (limit 1)" in reason.text
    assert recorded.task_states("query-0") == ["Pending", "AwaitingConcurrencySlot", "Running", "Completed"]
