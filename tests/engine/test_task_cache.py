"""Answers from the cache: who gets them, for how long, and what is recorded of a call that did not run."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from heliostat import CacheKeyFn, flow, task
from heliostat.runtime.foundation import clock
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.store.commits import cache
from heliostat.runtime.values.caching import INPUTS, NO_CACHE, RUN_ID, TASK_SOURCE

ran: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@task(cache_policy=INPUTS)
def square(number: int, note: str = "") -> int:
    ran.append(number)
    return number * number


@pytest.fixture(params=["call", "submit", "map"])
def how(request: pytest.FixtureRequest) -> str:
    return request.param


def _called(work: Any, how: str, *args: Any, runner: str = "inline", **kwargs: Any) -> Any:
    """The task's value when a flow of its own calls it."""

    @flow(task_runner=runner)
    def run() -> Any:
        if how == "map":
            return work.map([args[0]], *args[1:], **kwargs).result()[0]
        return work(*args, **kwargs) if how == "call" else work.submit(*args, **kwargs).result()

    return run()


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_call_with_the_same_inputs_answers_from_an_earlier_run(
    recorded_on_both: Any, how: str, runner: str
) -> None:
    assert _called(square, how, 3, runner=runner) == 9
    assert _called(square, how, 3, runner=runner) == 9
    assert _called(square, how, 4, runner=runner) == 16
    assert ran == [3, 4]
    first, second, third = recorded_on_both.runs()
    cached = recorded_on_both.task("square-0", second)
    assert (cached.state_type, cached.state_name, cached.run_count) == ("COMPLETED", "Cached", 0)
    assert cached.start_time is None and cached.cache_key
    assert cached.cache_key == recorded_on_both.task("square-0", first).cache_key
    assert cached.cache_key != recorded_on_both.task("square-0", third).cache_key
    assert recorded_on_both.task("square-0", first).state_name == "Completed"


def test_calls_of_one_run_answer_each_other(recorded: Any) -> None:
    @flow
    def run() -> list[int]:
        return [square(3), square(3), square.submit(3).result(), *square.map([3, 5]).result()]

    assert run() == [9, 9, 9, 9, 25]
    assert ran == [3, 5]
    assert [recorded.task(f"square-{i}").state_name for i in range(5)] == [
        "Completed",
        *["Cached"] * 3,
        "Completed",
    ]


def test_defaults_and_keywords_are_the_same_inputs(recorded: Any) -> None:
    _called(square, "call", 3)
    _called(square, "call", number=3, note="")
    assert ran == [3]
    _called(square, "call", 3, note="other")
    assert ran == [3, 3]


def test_inputs_left_out_of_the_policy_do_not_count(recorded: Any) -> None:
    lenient = square.with_options(cache_policy=INPUTS - "note", name="lenient")
    _called(lenient, "call", 3, note="a")
    _called(lenient, "call", 3, note="b")
    assert ran == [3]


def test_results_of_futures_are_inputs_like_any_other(recorded: Any) -> None:
    @task
    def three() -> int:
        return 3

    @flow
    def run() -> int:
        return square.submit(three.submit()).result()

    assert (run(), run()) == (9, 9)
    assert ran == [3]


def test_by_task_source_a_changed_function_runs_again(recorded: Any) -> None:
    def make(body: str) -> Any:
        if body == "a":

            @task(name="sourced", cache_policy=TASK_SOURCE)
            def sourced() -> str:
                ran.append("a")
                return "a"
        else:

            @task(name="sourced", cache_policy=TASK_SOURCE)
            def sourced() -> str:
                ran.append("b")
                return "b"

        return sourced

    assert [_called(make(body), "call") for body in "aabb"] == ["a", "a", "b", "b"]
    assert ran == ["a", "b"]


def test_by_run_id_answers_stay_within_a_run(recorded: Any) -> None:
    in_run = square.with_options(cache_policy=INPUTS + RUN_ID, name="in_run")

    @flow
    def run() -> None:
        in_run(2)
        in_run(2)

    run()
    run()
    assert ran == [2, 2]


def test_a_key_function_of_the_authors_decides(recorded: Any, how: str) -> None:
    def by_parity(context: Any, inputs: dict[str, Any]) -> str | None:
        return None if inputs["number"] == 0 else f"parity-{inputs['number'] % 2}"

    parity = square.with_options(cache_key_fn=by_parity, cache_policy=None, name="parity")
    assert [_called(parity, how, number) for number in (1, 3, 2, 4, 0, 0)] == [1, 1, 4, 4, 0, 0]
    assert ran == [1, 2, 0, 0]
    same = square.with_options(cache_policy=CacheKeyFn(by_parity), name="same")
    assert _called(same, how, 5) == 1


def test_an_answer_expires_and_being_used_does_not_keep_it_alive(recorded: Any) -> None:
    stale = square.with_options(cache_expiration=timedelta(seconds=-1), name="stale")
    assert [_called(stale, "call", 7) for _ in range(2)] == [49, 49]
    assert ran == [7, 7]
    fresh = square.with_options(cache_expiration=timedelta(hours=1), name="fresh")
    _called(fresh, "call", 8)
    row = recorded.task("fresh-0")
    assert row.cache_expiration is not None
    _called(fresh.with_options(cache_expiration=timedelta(days=9)), "call", 8)
    assert ran == [7, 7, 8] and recorded.task("fresh-0").state_name == "Cached"
    assert recorded.kept(row.cache_key).expires == row.cache_expiration


def test_refreshing_runs_again_and_keeps_the_new_answer(recorded: Any) -> None:
    numbers = iter(range(10))

    @task(cache_key_fn=lambda context, inputs: "counter")
    def counter() -> int:
        return next(numbers)

    assert [_called(counter, "call") for _ in range(2)] == [0, 0]
    assert _called(counter.with_options(refresh_cache=True), "call") == 1
    assert _called(counter, "call") == 1


def test_failures_are_not_kept(recorded: Any, how: str) -> None:
    @task(cache_policy=INPUTS)
    def failing(number: int) -> int:
        ran.append(number)
        raise ValueError(number)

    for _ in range(2):
        with pytest.raises(ValueError):
            _called(failing, how, 1)
    assert ran == [1, 1]


def test_without_a_policy_nothing_is_kept(recorded: Any) -> None:
    plain = square.with_options(cache_policy=NO_CACHE, name="plain")
    assert [_called(plain, "call", 3) for _ in range(2)] == [9, 9]
    assert ran == [3, 3]
    assert recorded.task("plain-0").cache_key is None


@pytest.mark.parametrize("value", [None, "x" * 100_000, list(range(50_000))], ids=["none", "text", "list"])
def test_nothing_and_large_values_answer_too(recorded: Any, how: str, value: Any) -> None:
    @task(cache_policy=INPUTS)
    def made(number: int) -> Any:
        ran.append(number)
        return value

    assert _called(made, how, 1) == value
    assert _called(made, how, 1) == value
    assert ran == [1]


def test_an_answer_whose_stored_value_is_gone_is_made_again(recorded: Any, how: str, tmp_path: Path) -> None:
    @task(cache_policy=INPUTS, persist_result=True, result_storage=str(tmp_path / "results"))
    def kept(number: int) -> int:
        ran.append(number)
        return number + 1

    assert _called(kept, how, 1) == 2
    for file in (tmp_path / "results").rglob("*"):
        if file.is_file():
            file.unlink()
    assert _called(kept, how, 1) == 2
    assert ran == [1, 1]


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "its first byte": lambda whole: whole[:1],
    "half of it": lambda whole: whole[: len(whole) // 2],
    "all but its last byte": lambda whole: whole[:-1],
    "more than it was": lambda whole: whole + b"\0",
    "a header of others": lambda whole: b"{}" + whole[2:],
    "other bytes in its midst": lambda whole: whole[:20] + b"\0" + whole[21:],
    "zeros": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_an_answer_whose_stored_value_is_damaged_is_made_again(
    recorded: Any, tmp_path: Path, damage: str
) -> None:
    """Seen: a machine lost power and left an empty file; from then on every run that wanted the value failed
    on it, though the task could have made it again. A damaged value is one that is not there.
    """

    @task(cache_policy=INPUTS, persist_result=True, result_storage=str(tmp_path / "results"))
    def kept(number: int) -> list[int]:
        ran.append(number)
        return [number] * 50

    assert _called(kept, "call", 3) == [3] * 50
    [file] = [each for each in (tmp_path / "results").rglob("*") if each.is_file()]
    file.write_bytes(_DAMAGES[damage](file.read_bytes()))
    for how in ("map", "call", "submit"):
        assert _called(kept, how, 3) == [3] * 50
    assert ran == [3, 3]


@pytest.mark.parametrize(
    "record",
    [
        b"{",
        b"\xff",
        b"{}",
        b"[]",
        b"",
        b"../../etc/passwd",
        b'{"url": 1, "key": "a", "serializer": "pickle"}',
        b'{"url": "/nowhere", "key": "a/b", "serializer": "pickle"}',
        b'{"url": "/nowhere", "key": "a/b", "serializer": "unknown"}',
    ],
)
def test_an_answer_whose_record_makes_no_sense_is_made_again(
    recorded: Any, tmp_path: Path, record: bytes
) -> None:
    @task(cache_key_fn=lambda *_: "key", persist_result=True, result_storage=str(tmp_path))
    def kept(number: int) -> int:
        ran.append(number)
        return number

    assert _called(kept, "call", 3) == 3
    current_recording().call(cache.put, "key", "stored", record, clock.epoch_s())
    assert _called(kept, "call", 3) == 3
    assert _called(kept, "map", 3) == 3
    assert ran == [3, 3]


def test_a_key_function_that_fails_fails_the_call_and_not_the_run(recorded: Any, how: str) -> None:
    def broken(context: Any, inputs: dict[str, Any]) -> str:
        raise LookupError("no key")

    unlucky = square.with_options(cache_key_fn=broken, cache_policy=None, name="unlucky")

    @flow(task_runner="threads")
    def run() -> str:
        if how == "call":
            with pytest.raises(Exception, match="no key"):
                unlucky(1)
        elif how == "submit":
            with pytest.raises(Exception, match="no key"):
                unlucky.submit(1).result()
        else:
            with pytest.raises(Exception, match="no key"):
                unlucky.map([1, 2]).result()
        return "went on"

    assert run() == "went on"


async def test_async_calls_answer_from_the_cache_too(recorded: Any) -> None:
    @task(cache_policy=INPUTS)
    async def fetched(url: str) -> str:
        ran.append(url)
        return url.upper()

    @flow
    async def run() -> list[str]:
        return [await fetched("a"), *await fetched.map(["a", "b"])]

    assert await run() == ["A", "A", "B"]
    assert await run() == ["A", "A", "B"]
    assert ran == ["a", "b"]


def test_calls_that_cannot_be_told_apart_are_not_cached_and_say_so_once(recorded: Any, how: str) -> None:
    @task(cache_policy=INPUTS)
    def locked(lock: Any, number: int) -> int:
        ran.append(number)
        return number

    @flow(task_runner="threads")
    def run() -> list[int]:
        lock = threading.Lock()
        if how == "call":
            return [locked(lock, 1), locked(lock, 1)]
        if how == "submit":
            return [locked.submit(lock, 1).result(), locked.submit(lock, 1).result()]
        return locked.map(lock, [1, 1]).result()

    assert run() == [1, 1]
    assert ran == [1, 1]
    told = [line for line in recorded.said() if "not cached" in line]
    assert len(told) == 1
    assert (
        "'locked'" in told[0]
        and "'lock' of type _thread.lock" in told[0]
        and 'cache_policy - "lock"' in told[0]
    )


def test_methods_of_two_instances_have_their_own_answers(recorded: Any, how: str) -> None:
    """Seen: a cached method answered for every instance what it had answered for the first."""

    class Rate:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @task(cache_policy=INPUTS)
        def of(self, number: int) -> int:
            ran.append(self.factor)
            return number * self.factor

    assert [_called(Rate(factor).of, how, 5) for factor in (2, 3, 2)] == [10, 15, 10]
    assert ran == [2, 3]


def test_tasks_of_one_name_that_do_different_things_do_not_share_answers(recorded: Any, how: str) -> None:
    """Seen: tasks made by one factory have one name and one key, so the first answered for all of them."""

    def times(factor: int) -> Any:
        @task(cache_policy=INPUTS)
        def scaled(number: int) -> int:
            ran.append(factor)
            return number * factor

        return scaled

    assert [_called(times(factor), how, 5) for factor in (2, 3, 2)] == [10, 15, 10]
    assert ran == [2, 3]
    partials = [task(cache_policy=INPUTS)(functools.partial(pow, base)) for base in (2, 3)]
    assert [_called(each, how, 2) for each in partials] == [4, 9]


def test_task_source_counts_what_a_task_closes_over_and_what_it_wraps(recorded: Any) -> None:
    def times(factors: list[int]) -> Any:
        def scaled(number: int) -> int:
            ran.append(number)
            return number * sum(factors)

        return task(name="scaled", cache_policy=INPUTS + TASK_SOURCE)(functools.cache(scaled))

    assert [_called(times(factors), "call", 5) for factors in ([1], [1, 1], [1])] == [5, 10, 5]
    assert ran == [5, 5]


def test_a_variable_changed_between_two_calls_of_a_run_counts(recorded: Any) -> None:
    @flow
    def run() -> list[int]:
        rate = 1

        @task(cache_policy=INPUTS)
        def priced(number: int) -> int:
            return number * rate

        first = priced(5)
        rate = 2
        return [first, priced(5)]

    assert run() == [5, 10]


def test_what_a_task_writes_itself_does_not_make_it_another_task(recorded: Any) -> None:
    counts = {"calls": 0}
    seen: list[int] = []

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def counted(number: int) -> int:
        counts["calls"] += 1
        seen.append(number)
        return number

    assert [_called(counted, "call", 1) for _ in range(3)] == [1, 1, 1]
    assert (counts, seen) == ({"calls": 1}, [1])


def test_functions_that_do_different_things_are_different_inputs(recorded: Any, how: str) -> None:
    @task(cache_policy=INPUTS)
    def applied(function: Any, number: int) -> int:
        return function(number)

    by_default = [lambda x, k=k: x * k for k in (1, 2, 3)]
    on_one_line = (lambda x: x + 1, lambda x: x * 2)
    assert [_called(applied, how, each, 10) for each in by_default] == [10, 20, 30]
    assert [_called(applied, how, each, 10) for each in on_one_line] == [11, 20]
