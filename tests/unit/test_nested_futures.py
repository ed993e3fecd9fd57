"""Futures inside of values: found, replaced, and told of where they cannot be.

A list that held itself ended in a RecursionError, a dataclass or an ordered dict with a future inside arrived
with the future, and a list given twice came out as two lists. One walk now looks into everything that tasks,
sub-flows, `wait_for` and returned values may be given.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pydantic
import pytest

from heliostat.runtime.authoring.futures import TaskFuture, TaskFutureList, allow_failure
from heliostat.runtime.engine import payload
from heliostat.runtime.engine.nested_futures import checked_waits, futures_in, has_futures, replace_futures
from heliostat.runtime.foundation.errors import CannotPickle, HiddenFuture, UserError


class FakeFanout:
    size = 3
    task_name = "fake"

    def name_of(self, position: int) -> str:
        return f"fake-{position}"

    def state_name_of(self, position: int) -> str:
        return "Pending"

    def counts(self) -> dict[str, int]:
        return {"Pending": 3}


FANOUT: Any = FakeFanout()
CALLS: Any = TaskFutureList(FANOUT)


def _future(position: int = 0, fanout: Any = FANOUT) -> TaskFuture[Any]:
    return TaskFuture(fanout, position)


def _numbers(value: Any) -> Any:
    """`value` with the futures' positions in their place."""
    return replace_futures(value, lambda future, _allowed: future.position)


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclass(slots=True)
class Slotted:
    x: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True, extra="allow")
    x: Any


class Opaque:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def _closing_over(value: Any) -> Any:
    return lambda: value


def test_futures_are_found_at_any_depth_with_whether_failure_is_allowed() -> None:
    plain, allowed = _future(0), _future(1)
    value = {"a": [plain, (allow_failure([allowed]),)], "b": 3}
    assert futures_in(value) == [(plain, False), (allowed, True)]
    listed = futures_in([CALLS])
    assert [future.position for future, _ in listed] == [0, 1, 2]
    assert futures_in("text") == futures_in(None) == futures_in([1, "a", {"b": {1, 2}}]) == []


def test_a_future_allowed_to_fail_in_one_place_of_two_may_not_fail() -> None:
    future = _future()
    assert futures_in([allow_failure(future), future]) == [(future, False)]


def test_plain_columns_are_known_to_hold_no_futures() -> None:
    assert not has_futures(range(10)) and not has_futures([1, "a", None]) and not has_futures([[1], {"a": 2}])
    assert has_futures([1, [_future()]]) and has_futures(CALLS)


def test_containers_without_a_future_are_not_copied() -> None:
    untouched = [1, [2]]
    replaced = _numbers({"a": untouched, "b": (_future(7), allow_failure(_future(8)))})
    assert replaced == {"a": [1, [2]], "b": (7, 8)} and replaced["a"] is untouched


REBUILT: list[tuple[Any, Any]] = [
    ([_future(1)], [1]),
    ((_future(1), 2), (1, 2)),
    ({_future(1), 2}, {1, 2}),
    (frozenset([_future(1)]), frozenset([1])),
    ({"a": _future(1), _future(2): "b"}, {"a": 1, 2: "b"}),
    (deque([_future(1)], maxlen=3), deque([1], maxlen=3)),
    (OrderedDict(a=_future(1)), OrderedDict(a=1)),
    (defaultdict(list, a=[_future(1)]), defaultdict(list, a=[1])),
    (Pair(_future(1), [_future(2)]), Pair(1, [2])),
    (Point(_future(1), {"z": _future(2)}), Point(1, {"z": 2})),
    ({Point(_future(1))}, {Point(1)}),
    (Slotted(_future(1)), Slotted(1)),
    (SimpleNamespace(x=_future(1)), SimpleNamespace(x=1)),
    (
        Model.model_validate({"x": _future(1), "more": [_future(2)]}),
        Model.model_validate({"x": 1, "more": [2]}),
    ),
    ([allow_failure({"a": _future(1)})], [{"a": 1}]),
    (CALLS, [0, 1, 2]),
]


@pytest.mark.parametrize(("value", "expected"), REBUILT, ids=lambda value: type(value).__name__)
def test_every_container_that_is_looked_into_is_rebuilt_as_its_own_kind(value: Any, expected: Any) -> None:
    shown = repr(value)
    replaced = _numbers(value)
    assert replaced == expected and type(replaced) is type(expected)
    assert repr(value) == shown, "the author's own value is left as it was"


def test_a_value_that_holds_itself_keeps_its_shape() -> None:
    ring: list[Any] = [_future(1)]
    ring.append(ring)
    made = _numbers(ring)
    assert made[0] == 1 and made[1] is made and made is not ring

    knot: list[Any] = []
    pair = (knot, _future(2))
    knot += [pair, {"again": pair}]
    made = _numbers(pair)
    assert made[1] == 2 and made[0][0] is made and made[0][1]["again"] is made

    node = Opaque(None)
    plain: dict[str, Any] = {"node": node}
    plain["self"] = plain
    assert _numbers(plain) is plain


def test_what_was_one_object_in_two_places_is_one_object_afterwards() -> None:
    shared = [_future(1)]
    made = _numbers({"a": shared, "b": (shared,), "c": allow_failure(shared)})
    assert made == {"a": [1], "b": ([1],), "c": [1]}
    assert made["a"] is made["b"][0] is made["c"]


def test_ten_thousand_levels_are_walked_through() -> None:
    deep: Any = [_future(5)]
    for _ in range(10_000):
        deep = [deep]
    assert len(futures_in(deep)) == 1
    made: Any = _numbers(deep)
    while made != 5:
        assert type(made) is list
        made = made[0]


def test_what_is_nested_too_deeply_to_travel_is_told_clearly() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(CannotPickle, match="nested too deeply"):
        payload.dump(deep)


def test_a_value_that_cannot_be_in_a_set_is_told_clearly() -> None:
    with pytest.raises(UserError, match="cannot be put into a set"):
        replace_futures({_future(1)}, lambda _future, _allowed: [])


@pytest.mark.parametrize("value", [Opaque(_future(3)), [Opaque([_future(3)])], _closing_over(_future(3))])
def test_a_future_where_nobody_looks_is_named_when_the_value_is_sent(value: Any) -> None:
    with pytest.raises(HiddenFuture, match="'fake-3'.*not searched"):
        payload.dump(value)


@pytest.mark.parametrize(
    "wait_for",
    [
        _future(1),
        [_future(1)],
        (_future(1),),
        {_future(1)},
        {"a": _future(1)},
        [[[_future(1)]]],
        (each for each in [_future(1)]),
        map(_future, [1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wait_for_takes_futures_alone_and_in_every_collection(wait_for: Any) -> None:
    assert futures_in(checked_waits(wait_for)) == [(_future(1), False)]


def test_wait_for_takes_what_map_gives_and_allow_failure_bare() -> None:
    three = [_future(position) for position in range(3)]
    assert futures_in(checked_waits(CALLS)) == [(each, False) for each in three]
    for wait_for in (allow_failure(CALLS), [allow_failure(CALLS)], allow_failure(three)):
        assert futures_in(checked_waits(wait_for)) == [(each, True) for each in three]
    assert futures_in(checked_waits(allow_failure(three[1]))) == [(three[1], True)]
    assert checked_waits([]) == ()


@pytest.mark.parametrize(
    "wait_for", [5, "text", [None], [[1]], Opaque(_future(1)), allow_failure(3), {"a": b""}]
)
def test_wait_for_refuses_values_that_are_no_futures(wait_for: Any) -> None:
    with pytest.raises(UserError, match="wait_for takes futures, not"):
        checked_waits(wait_for)
