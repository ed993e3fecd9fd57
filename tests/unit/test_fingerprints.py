"""Two fingerprints agree only if the values behave alike.

Seen before: functions of one factory shared a cache entry (they differed in a default value, in a cell of
their closure, or were two lambdas on one line), and so did objects that differed in an attribute that is no
declared field, masked arrays that differed in their mask, and tables that differed in the names of their
indexes. A cached task then answered one call with the result of another. A fingerprint may differ too often;
it must never agree wrongly, and what cannot be told from others has none.
"""

import collections
import copy
import datetime as dt
import decimal
import functools
import itertools
import math
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.runtime.foundation.errors import NoFingerprint
from heliostat.runtime.values.caching import fingerprint

sys.path.append(str(pathlib.Path(__file__).parents[1] / "support"))
import kinds_of_code  # noqa: E402
import kinds_of_tables  # noqa: E402
import kinds_of_values  # noqa: E402
from kinds_of_code import (  # noqa: E402
    TABLE,
    Machine,
    calling_itself,
    calling_scaled,
    class_of_text,
    closing_over,
    factorial,
    local_class,
    looked_up,
    scaled,
    single_dispatch,
    with_default,
    wrapped_by,
)
from kinds_of_tables import FRAME, ROWS  # noqa: E402
from kinds_of_values import Colour, Model, PathWithMore, Point, Shade, Slotted, SlottedBelow, with_attributes  # noqa: E402

DIFFERENT = {**kinds_of_values.DIFFERENT, **kinds_of_code.DIFFERENT, **kinds_of_tables.DIFFERENT}


@pytest.mark.parametrize("group", DIFFERENT)
def test_values_that_behave_differently_have_different_fingerprints(group: str) -> None:
    digests = [fingerprint(value) for value in DIFFERENT[group]]
    same = [
        (DIFFERENT[group][one], DIFFERENT[group][other])
        for one, other in itertools.combinations(range(len(digests)), 2)
        if digests[one] == digests[other]
    ]
    assert not same


@pytest.mark.parametrize("group", DIFFERENT)
def test_asking_twice_gives_the_same_fingerprint(group: str) -> None:
    assert [*map(fingerprint, DIFFERENT[group])] == [*map(fingerprint, DIFFERENT[group])]


def _loses_attributes(value: Any) -> bool:
    """Whether a copy of it has not all of its attributes."""
    return isinstance(value, (SlottedBelow, PathWithMore)) or hasattr(value, "note") and value is not FRAME


COPIED = [
    group
    for group in DIFFERENT
    if group
    in "numbers one sets moments times paths identifiers pairs ranges models errors cycles masks frames names"
    " categories indexes spans structures".split()
    or group.startswith(("array", "dict", "column", "time ", "missing", "object", "undeclared", "framing"))
]


@pytest.mark.parametrize("group", COPIED)
def test_copies_of_plain_values_have_the_fingerprint_of_their_original(group: str) -> None:
    for value in DIFFERENT[group]:
        if not isinstance(value, (BaseException, types.MappingProxyType)) and not _loses_attributes(value):
            assert fingerprint(copy.deepcopy(value)) == fingerprint(value), value


@pytest.mark.parametrize(
    "make",
    [
        lambda: closing_over(3),
        lambda: with_default(3),
        lambda: calling_itself(1),
        lambda: local_class(1)(),
        lambda: class_of_text("return 1")(),
        lambda: single_dispatch("a"),
        lambda: wrapped_by(2)(scaled),
        lambda: functools.partial(closing_over(1), 2),
        lambda: functools.lru_cache(closing_over(1)),
        lambda: Machine(3).run,
        lambda: Model(a=1, c=[1]),
        lambda: collections.defaultdict(list, a=[1]),
    ],
)
def test_values_made_alike_have_one_fingerprint(make: Any) -> None:
    assert fingerprint(make()) == fingerprint(make())


def test_globals_that_a_function_uses_count(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = [scaled, looked_up, calling_scaled, wrapped_by(2)(scaled), functools.lru_cache(calling_scaled)]
    before = [fingerprint(each) for each in uses]
    monkeypatch.setattr(kinds_of_code, "FACTOR", 3)
    monkeypatch.setitem(TABLE, "a", 2)
    assert not set(before) & {fingerprint(each) for each in uses}


def test_a_helper_that_does_something_else_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(calling_scaled)
    monkeypatch.setattr(kinds_of_code, "scaled", lambda value: value)
    assert fingerprint(calling_scaled) != before


def test_functions_of_the_authors_modules_count_by_what_they_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "helping_module.py"
    monkeypatch.syspath_prepend(tmp_path)
    digests = set[str]()
    for text in ("RATE = 1\ndef rate(): return RATE", "RATE = 2\ndef rate(): return RATE"):
        file.write_text(text)
        scope: dict[str, Any] = {}
        exec("import helping_module\ndef made(): return helping_module.rate()", scope)
        digests.add(fingerprint(scope["made"]))
        scope["helping_module"].RATE = 3
        digests.add(fingerprint(scope["made"]))
        del sys.modules["helping_module"]
    assert len(digests) == 3


def test_methods_changed_later_count() -> None:
    made = class_of_text("return 1")
    before = fingerprint(made())
    made.f = lambda self: 2
    assert fingerprint(made()) != before


def test_a_function_that_calls_itself_has_one_fingerprint() -> None:
    assert fingerprint(factorial) == fingerprint(factorial) != fingerprint(scaled)


def test_deep_nesting_is_refused_and_not_cut() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        with pytest.raises(NoFingerprint, match="nested too deeply"):
            fingerprint(deep)
    finally:
        while deep:  # taken apart level by level: freeing it at once nests as deeply
            deep = deep.pop()


class ReducesItself(collections.deque):  # hidden state behind an author's __reduce__
    def __reduce__(self) -> Any:
        return (ReducesItself, ())


def _generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        object(),
        threading.Lock(),
        sys.stdout,
        _generator(),
        [threading.Lock()],
        {"a": Point(threading.Lock())},
        closing_over(object()),
        threading.local(),
        ReducesItself([1]),
        np.frompyfunc(lambda x: x, 1, 1),
        memoryview(b"a"),
        np.array([threading.Lock()], dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_cannot_be_compared_have_no_fingerprint(value: Any) -> None:
    with pytest.raises(NoFingerprint):
        fingerprint(value)


class ComparesWithNothing(type):
    def __eq__(cls, other: object) -> bool:
        raise ValueError("not comparable")

    def __hash__(cls) -> int:
        return hash(int)


class Incomparable(metaclass=ComparesWithNothing):
    pass


def test_values_whose_own_code_fails_have_no_fingerprint() -> None:
    with pytest.raises(NoFingerprint, match="looking at it raised ValueError: not comparable"):
        fingerprint(Incomparable())


def test_the_refusal_names_what_the_code_uses() -> None:
    with pytest.raises(NoFingerprint, match="uses 'k', and nothing tells one builtins.object"):
        fingerprint(closing_over(object()))


def test_loggers_and_locks_that_code_uses_do_not_stand_in_the_way() -> None:
    scope: dict[str, Any] = {}
    exec(
        "import logging, threading\nlog = logging.getLogger('x')\nlock = threading.Lock()\n"
        "def made():\n    with lock:\n        log.info('x')",
        scope,
    )
    assert fingerprint(scope["made"]) == fingerprint(scope["made"])


@pytest.mark.parametrize("seed", ["0", "7"])
def test_fingerprints_are_the_same_in_every_process(seed: str, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "shown.py"
    script.write_text(
        "import enum, functools, dataclasses, datetime, pathlib, numpy, pandas\n"
        "from pydantic import BaseModel\n"
        "from heliostat.runtime.values.caching import fingerprint\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int = 1\n    def f(self): return {1, 'a'}\n"
        "class Model(BaseModel):\n    a: int = 1\n    b: Point = Point()\n"
        "def helper(x): return x in {'a', 'b'}\n"
        "def used(x, k={1, 'a'}): return helper(x)\n"
        "frame = pandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']})\n"
        "values = [Colour.RED, Point(), Model(), used, functools.partial(used, 1), frame, {'a', 'b', 1},\n"
        "  Point, Colour, functools.lru_cache(used), numpy.zeros(3), pathlib.Path('a'), datetime.UTC,\n"
        "  Point().f]\n"
        "print([fingerprint(value) for value in values])\n"
    )
    shown = [
        subprocess.check_output([sys.executable, str(script)], env={**os.environ, "PYTHONHASHSEED": each})
        for each in ("1", seed)
    ]
    assert shown[0] == shown[1]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, -0.0, 1.0, math.nan, 1j])
    | st.text("a1\0", max_size=2)
    | st.binary(max_size=2)
    | st.sampled_from(
        [decimal.Decimal("1"), decimal.Decimal("1.0"), Colour.RED, Shade.RED, dt.date(2026, 1, 1)]
    )
)
keys = st.integers(-1, 1) | st.text("a1", max_size=1) | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=2).map(collections.OrderedDict)
        | st.frozensets(keys, max_size=3)
        | st.sets(keys, max_size=3)
        | inner.map(Point)
        | st.tuples(inner, inner).map(lambda both: Point(both[0], note=both[1]))
        | st.tuples(inner, inner).map(lambda both: with_attributes(Point(both[0]), more=both[1]))
        | inner.map(closing_over)
        | inner.map(with_default)
        | inner.map(lambda part: functools.partial(scaled, part))
        | inner.map(lambda part: Machine(part).run)
        | st.lists(inner, max_size=2).map(lambda parts: np.array([*parts, None], object))
        | st.lists(inner, max_size=2).map(
            lambda parts: pd.Series(parts, dtype=object, index=range(len(parts)))
        )
    ),
    max_leaves=6,
)


def shown(value: Any) -> str:
    """All that a task could see of a generated value, as text."""
    kind = type(value).__name__
    if isinstance(value, (np.ndarray, pd.Series)):
        return f"{kind}({[shown(part) for part in value.tolist()]})"
    if isinstance(value, (set, frozenset)):
        return f"{kind}({sorted(map(shown, value))})"
    if isinstance(value, dict):
        return f"{kind}({[(shown(k), shown(v)) for k, v in value.items()]})"
    if isinstance(value, (list, tuple)):
        return f"{kind}({[shown(part) for part in value]})"
    if isinstance(value, Point):
        return f"Point({shown(vars(value))})"
    if isinstance(value, functools.partial):
        return f"partial({shown(value.args)})"
    if isinstance(value, types.MethodType):
        return f"method({shown(vars(value.__self__))})"
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return f"function({value.__qualname__}, {shown(cells)}, {shown(value.__defaults__)})"
    return f"{kind}({value!r})"


@settings(max_examples=300, deadline=None)
@given(values, values)
def test_two_fingerprints_agree_only_if_the_values_behave_alike(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (shown(one) == shown(other))


@settings(max_examples=100, deadline=None)
@given(values, st.data())
def test_a_value_and_one_that_is_changed_in_one_place_do_not_agree(one: Any, data: Any) -> None:
    other = data.draw(st.sampled_from([[one], (one,), {"a": one}, closing_over(one), Point(one), [one, one]]))
    assert fingerprint(one) != fingerprint(other)


def test_plain_data_pickled_and_read_again_keeps_its_fingerprint() -> None:
    value = {"a": [Point(1), Slotted(2)], "b": ROWS, "c": FRAME, "d": Colour.RED, "e": dt.UTC}
    assert fingerprint(pickle.loads(pickle.dumps(value))) == fingerprint(value)
