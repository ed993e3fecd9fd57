"""The arguments of a fan-out's calls: sorted, sliced, let go of."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat.runtime.authoring.futures import AllowFailure, allow_failure, unmapped
from heliostat.runtime.engine.calls import Columns, Rows, sort_map_arguments
from heliostat.runtime.foundation.errors import ParameterMismatch


def test_columns_give_rows_and_slices_of_the_same_calls() -> None:
    columns = Columns([(True, range(5)), (False, "c")], {"k": (True, list("abcde")), "u": (False, 1)}, 5)
    assert columns.row(3) == ((3, "c"), {"k": "d", "u": 1})
    assert columns.slice(1, 3).rows() == [((1, "c"), {"k": "b", "u": 1}), ((2, "c"), {"k": "c", "u": 1})]
    assert list(columns.constants()) == ["c", 1]


def test_slices_without_positional_or_keyword_arguments_have_rows_too() -> None:
    assert Columns([], {"k": (True, [1, 2])}, 2).slice(0, 2).rows() == [((), {"k": 1}), ((), {"k": 2})]
    assert Columns([(True, [1, 2])], {}, 2).slice(1, 2).rows() == [((2,), {})]


def test_columns_of_the_engine_grow_and_are_emptied_when_calls_have_ended() -> None:
    columns = Columns([(True, []), (False, "c")], {"k": (True, [])}, 0, owned=True)
    assert columns.append([(1, "a"), (2, "b")]) == 2
    assert columns.row(1) == ((2, "c"), {"k": "b"})
    columns.release(0, 1)
    assert columns.row(0) == ((None, "c"), {"k": None}) and columns.row(1) == ((2, "c"), {"k": "b"})


def test_columns_of_the_author_are_never_emptied() -> None:
    given = [1, 2]
    columns = Columns([(True, given)], {}, 2)
    columns.release(0, 2)
    assert given == [1, 2]


def test_rows_let_go_of_arguments() -> None:
    rows = Rows([((1,), {}), ((2,), {})])
    rows.release(0, 1)
    assert rows.row(1) == ((2,), {}) and len(rows) == 2
    with pytest.raises(AssertionError):
        rows.row(0)


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, 3, None, object, unmapped([1, 2])])
def test_a_value_that_is_no_column_is_given_to_every_call(value: Any) -> None:
    columns = sort_map_arguments("t", ([1, 2], value), {}).columns
    expected = [1, 2] if isinstance(value, tuple) else value
    assert [columns.row(i)[0][1] for i in range(2)] == [expected] * 2


def test_iterators_are_told_from_sized_columns() -> None:
    assert sort_map_arguments("t", (range(3),), {}).iterators is None
    sorted_out = sort_map_arguments("t", (iter(range(3)), [1, 2, 3]), {"k": unmapped(5)})
    assert sorted_out.iterators is not None and len(sorted_out.iterators) == 2
    assert sorted_out.columns.size == 0 and sorted_out.columns.owned


def test_mismatched_or_missing_columns_are_refused() -> None:
    with pytest.raises(ParameterMismatch, match=r"t\.map got arguments of different lengths: \[1, 2\]"):
        sort_map_arguments("t", ([1], [1, 2]), {})
    with pytest.raises(ParameterMismatch, match="at least one argument"):
        sort_map_arguments("t", ("abc", unmapped([1])), {"k": {1: 2}})


def test_allow_failure_round_a_column_goes_to_each_entry() -> None:
    columns = sort_map_arguments("t", (allow_failure([1, 2]), allow_failure(unmapped([3]))), {}).columns
    assert columns.row(1) == ((AllowFailure(2), AllowFailure([3])), {})
