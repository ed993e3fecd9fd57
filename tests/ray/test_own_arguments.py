"""On Ray each call has arguments of its own: those that its author gave at the time of the call.

A list given to every call of a map was one object for a whole pack, so that calls found what other calls had
done to it; a large constant was kept by its id, so that workers went on with its first value after the author
had changed it; a retry in a worker got what the failed attempt had made of its arguments. Whatever a call
does to its arguments now stays with it, and it behaves as a plain call on a deep copy does.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from heliostat import flow, task, unmapped
from heliostat.runtime.foundation.errors import HiddenFuture

pytestmark = pytest.mark.usefixtures("recorded")


@dataclass
class Record:
    name: str
    parts: list[Any] = field(default_factory=list)


class Node:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def change_everything(*values: Any, **named: Any) -> list[str]:
    """What was found at each step while everything that can be changed is changed."""
    found: list[str] = []
    seen: dict[int, Any] = {}  # with the values, so that no id is given to anything else meanwhile
    pending: list[Any] = [*values, *named.values()]
    while pending:
        value = pending.pop(0)
        if id(value) in seen:
            continue
        kind = type(value).__name__  # a worker may know the classes of this file by import and by value
        if isinstance(value, (list, dict, set, bytearray)) or kind in ("Record", "Node"):
            seen[id(value)] = value
        found.append(_shown(value))
        if isinstance(value, tuple):
            pending += value
        elif isinstance(value, list):
            pending += value
            value.append("changed")
        elif isinstance(value, dict):
            pending += list(value.values())
            value["changed"] = len(value)
        elif isinstance(value, set):
            value.add("changed")
        elif isinstance(value, bytearray):
            value.append(1)
        elif kind == "Record":
            pending.append(value.parts)
            value.name += " changed"
        elif kind == "Node":
            pending.append(value.inner)
            value.inner = "changed"
    return found


def _shown(value: Any, depth: int = 0) -> str:
    if depth > 6:
        return "..."
    if type(value).__name__ == "Record":
        return f"Record({value.name!r}, {_shown(value.parts, depth + 1)})"
    if type(value).__name__ == "Node":
        return f"Node({_shown(value.inner, depth + 1)})"
    if isinstance(value, (list, tuple)):
        return type(value).__name__ + str([_shown(each, depth + 1) for each in value])
    if isinstance(value, dict):
        return str({key: _shown(each, depth + 1) for key, each in value.items()})
    return str(sorted(map(str, value))) if isinstance(value, (set, frozenset)) else repr(value)


def _with_itself(values: list[Any]) -> list[Any]:
    return [*values, (values, values)]


LEAVES = st.one_of(
    st.integers(-5, 5),
    st.text(max_size=3),
    st.none(),
    st.binary(max_size=3),
    st.binary(max_size=3).map(bytearray),
    st.sets(st.integers(0, 3), max_size=2),
    st.frozensets(st.integers(0, 3), max_size=2),
)
ARGUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(_with_itself),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.builds(Record, st.text(max_size=2), st.lists(inner, max_size=2)),
        st.builds(Node, inner),
    ),
    max_leaves=6,
)

changing = task(change_everything, name="changing")


@settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # each example is some hundred calls: too many to shrink it
    suppress_health_check=list(HealthCheck),
)
@given(
    columns=st.lists(st.tuples(ARGUMENTS, ARGUMENTS), min_size=40, max_size=60),
    constant=ARGUMENTS,
)
def test_calls_that_change_all_they_get_are_equal_to_plain_calls_on_copies(
    columns: list[tuple[Any, Any]], constant: Any
) -> None:
    left, right = [pair[0] for pair in columns], [pair[1] for pair in columns]
    again = left + left[:10]  # the same objects several times

    def plain(*values: Any) -> list[str]:
        return change_everything(*copy.deepcopy(values))

    @flow(task_runner="ray")
    def main() -> Any:
        packed, alone = changing.with_options(pack=16), changing.with_options(pack=False)
        futures = [
            packed.map(left, right, unmapped(constant)),
            packed.map(left, unmapped(3), extra=unmapped(constant)),
            packed.map(again),
            packed.map(iter(again)),
            alone.map(left[:8], right[:8]),
            [changing.submit(a, b, same=a) for a, b in columns[:10]],
        ]
        return [[future.result() for future in each] for each in futures]

    expected = [
        [plain(a, b, constant) for a, b in columns],
        [plain(a, 3, constant) for a in left],
        [plain(a) for a in again],
        [plain(a) for a in again],
        [plain(a, b) for a, b in columns[:8]],
        [plain(a, b, a) for a, b in columns[:10]],
    ]
    before = _shown([left, right, constant])
    assert main() == expected
    assert _shown([left, right, constant]) == before, "the author's own objects are left as they were"


def test_what_every_call_of_a_map_gets_is_each_calls_own() -> None:
    @task
    def grow(i: int, seen: list[int]) -> int:
        seen.append(i)
        return len(seen)

    @task
    async def take(i: int, config: dict[str, int]) -> int:
        return config.pop("key", -1)

    @flow(task_runner="ray")
    def main() -> Any:
        same = {"key": 1}
        return (
            set(grow.map(range(300), unmapped([])).result()),
            set(take.map(range(300), {"key": 1}).result()),
            set(take.map(range(100), [same] * 100).result()),
        )

    assert main() == ({1}, {1}, {1})


def test_arguments_are_taken_when_the_call_is_made() -> None:
    import numpy as np

    @task
    def total(values: Any, more: Any = ()) -> float:
        return float(sum(values)) + len(more)

    @flow(task_runner="ray")
    def main() -> Any:
        held = task(lambda: 0, name="held").submit()
        small, large, rows = [1.0], np.ones(20_000), [[1.0] for _ in range(50)]
        futures = [total.submit(small, wait_for=[held]), total.submit(large, wait_for=[held])]
        maps = [
            total.map(rows, unmapped(small), wait_for=[held]),
            total.map([small] * 50, unmapped(large)),
            total.map(iter(rows)),
        ]
        with_future = [held]
        futures.append(total.submit(with_future))
        small.append(100.0)
        large += 1
        with_future.append(held)
        for row in rows:
            row[0] = 100.0
        after = total.map([small], unmapped(large)).result()
        second = [total.submit(large).result()]
        large += 1
        second.append(total.submit(large).result())
        return [each.result() for each in futures], [set(each.result()) for each in maps], after, second

    assert main() == (
        [1.0, 20_000.0, 0.0],
        [{2.0}, {20_001.0}, {1.0}],
        [20_101.0],
        [40_000.0, 60_000.0],
    )


def test_an_attempt_after_a_failure_gets_the_arguments_of_the_call() -> None:
    @task(retries=2)
    def at_once(values: list[int], config: dict[str, int]) -> Any:
        values.append(len(values))
        config["seen"] = config.get("seen", 0) + 1
        if len(attempts_here()) < 3:
            raise ValueError(values)
        return values, config

    @task(retries=1, retry_delay_seconds=0.05)
    def later(values: list[int]) -> Any:
        values.append(2)
        if len(attempts_here()) < 2:
            raise ValueError(values)
        return values

    def attempts_here() -> range:
        from heliostat.runtime.authoring.context import task_run_info

        info = task_run_info.get()
        assert info is not None
        return range(info.attempt)

    @flow(task_runner="ray")
    def main() -> Any:
        return (
            at_once.map([[7]] * 3, unmapped({})).result(),
            at_once.submit([7], {}).result(),
            later.map([[1], [1]]).result(),
        )

    assert main() == ([([7, 1], {"seen": 1})] * 3, ([7, 1], {"seen": 1}), [[1, 2]] * 2)


@pytest.mark.parametrize("length", [3, 200_000], ids=["small", "in the object store"])
def test_a_result_that_goes_to_several_calls_is_each_calls_own(length: int) -> None:
    @task
    def numbers() -> list[int]:
        return list(range(length))

    @task
    def grow(values: list[int], _place: int = 0) -> int:
        values.append(1)
        return len(values)

    @flow(task_runner="ray")
    def main() -> Any:
        made = numbers.submit()
        results = {grow.submit(made).result(), grow.submit([made][0]).result()}
        results |= set(grow.with_options(pack=5).map(unmapped(made), range(20)).result())
        first, second = made.result(), made.result()
        first.append(1)
        return results, len(second)

    assert main() == ({length + 1}, length)


def test_arrays_of_one_call_may_be_changed_and_those_of_all_calls_are_read_only_when_large() -> None:
    import numpy as np

    @task
    def add_one(array: Any, _place: int = 0) -> float:
        array += 1
        return float(array[0])

    @flow(task_runner="ray")
    def main() -> Any:
        small, large = np.zeros(10), np.zeros(50_000)
        states = add_one.map(unmapped(large), range(2)).wait()
        return (
            add_one.submit(large).result(),
            set(add_one.with_options(pack=4).map(unmapped(small), range(8)).result()),
            {state.name for state in states},
            float(large[0]),
        )

    assert main() == (1.0, {1.0}, {"Failed"}, 0.0)


def test_a_future_in_an_object_that_is_not_looked_into_is_named_with_the_argument() -> None:
    @task
    def one() -> int:
        return 1

    @task
    def use(node: Any) -> Any:
        return node

    @flow(task_runner="ray")
    def main() -> None:
        use.submit(Node(one.submit())).result()

    with pytest.raises(HiddenFuture, match=r"argument 'node' of use-0: TaskFuture\('one-0'"):
        main()


def test_cycles_and_sharing_survive_the_way_to_a_worker() -> None:
    @task
    def look(a: Any, b: Any) -> Any:
        return a[-1] is a, a[0] is b["x"], len(a)

    @task
    def one() -> list[int]:
        return [1]

    @flow(task_runner="ray")
    def main() -> Any:
        shared = [1]
        ring: list[Any] = [shared]
        ring.append(ring)
        future = one.submit()
        with_future: list[Any] = [[future]]
        with_future.append(with_future)
        return (
            look.submit(ring, {"x": shared}).result(),
            look.map([ring] * 3, [{"x": shared}] * 3).result(),
            look.submit(with_future, {"x": with_future[0]}).result(),
        )

    good = (True, True, 2)
    assert main() == (good, [good] * 3, good)
