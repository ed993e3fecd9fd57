"""Cache keys are equal for equal calls, in every process, and for no others."""

import copy
import enum
import json
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import uuid
from array import array
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliostat.runtime.foundation.errors import NoFingerprint, UserError
from heliostat.runtime.values.caching import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CacheFacts,
    CacheKeyFn,
    compute_key,
    fingerprint,
    input_hash,
    source_of,
)

FACTS = CacheFacts("task-1", "def f(): ...", "run-1", {"p": 1})
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
Pair = namedtuple("Pair", "left right")


@dataclass
class Point:
    x: Any
    y: Any = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def key(policy, inputs=None, **changes):
    return compute_key(
        policy, CacheFacts(**{**{s: getattr(FACTS, s) for s in FACTS.__slots__}, **changes}), inputs or {}
    )


def test_no_cache_makes_no_key_and_adds_nothing():
    assert key(NO_CACHE) is None
    assert key(NO_CACHE + INPUTS, {"a": 1}) == key(INPUTS + NO_CACHE, {"a": 1}) == key(INPUTS, {"a": 1})


def test_default_is_inputs_source_and_run():
    assert repr(DEFAULT) == "INPUTS + TASK_SOURCE + RUN_ID"
    same = key(DEFAULT, {"a": 1})
    assert key(DEFAULT, {"a": 1}, flow_parameters={"p": 2}) == same
    assert (
        len(
            {
                same,
                key(DEFAULT, {"a": 2}),
                key(DEFAULT, {"a": 1}, source="x"),
                key(DEFAULT, {"a": 1}, run_id="r"),
            }
        )
        == 4
    )


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        (TASK_SOURCE, {"source": "other"}),
        (RUN_ID, {"run_id": uuid.UUID(int=1)}),
        (FLOW_PARAMETERS, {"flow_parameters": {"p": 2}}),
        (INPUTS, {"task_key": "another task"}),
    ],
)
def test_policy_tells_calls_apart_by_its_fact(policy, change):
    assert key(policy, {"a": 1}) != key(policy, {"a": 1}, **change)


@pytest.mark.parametrize("fact", ["source", "run_id"])
def test_unknown_fact_means_no_key(fact):
    assert key(DEFAULT, {"a": 1}, **{fact: None}) is None


def test_order_of_inputs_does_not_matter_and_names_do():
    assert key(INPUTS, {"a": 1, "b": 2}) == key(INPUTS, {"b": 2, "a": 1}) != key(INPUTS, {"a": 2, "b": 1})


def test_inputs_can_be_left_out_by_name():
    policy = DEFAULT - "verbose" - ["debug"]
    assert repr(policy) == "INPUTS - 'debug' - 'verbose' + TASK_SOURCE + RUN_ID"
    assert key(policy, {"a": 1, "verbose": True}) == key(policy, {"a": 1, "debug": 3})
    assert key(policy, {"a": 1}) != key(policy, {"a": 2})
    with pytest.raises(UserError, match="RUN_ID does not look at inputs"):
        RUN_ID - "a"


def test_adding_a_part_twice_changes_nothing():
    assert key(INPUTS + INPUTS, {"a": 1}) == key(INPUTS, {"a": 1})


def test_policies_survive_pickling():
    policy = pickle.loads(pickle.dumps(DEFAULT - "x"))
    assert key(policy, {"a": 1}) == key(DEFAULT - "x", {"a": 1})


def test_key_function_alone_gives_the_key_as_it_is():
    policy = CacheKeyFn(lambda facts, inputs: f"{facts.task_key}:{inputs['a']}")
    assert key(policy, {"a": 1}) == "task-1:1"
    assert key(policy + RUN_ID, {"a": 1}) != key(policy + RUN_ID, {"a": 2})


def test_key_function_can_refuse_to_cache():
    refuse = CacheKeyFn(lambda facts, inputs: None)
    assert key(refuse) is None
    assert key(refuse + INPUTS, {"a": 1}) is None


@pytest.mark.parametrize(
    "function", [lambda f, i: 5, lambda f, i: "", lambda f, i: "x" * 2001, lambda f, i: i["no"]]
)
def test_key_function_that_fails_is_named(function):
    with pytest.raises(UserError, match="<lambda>"):
        key(CacheKeyFn(function))


def test_argument_that_cannot_be_hashed_is_named_with_the_way_out():
    with pytest.raises(NoFingerprint, match=r"'connection' of type _thread\.lock") as caught:
        key(INPUTS, {"a": 1, "connection": threading.Lock()})
    assert 'cache_policy - "connection"' in caught.value.hint and "NO_CACHE" in caught.value.hint


def test_an_argument_that_holds_itself_has_a_key_like_any_other():
    def circle(content):
        made = [content]
        made.append(made)
        return made

    assert key(INPUTS, {"a": circle(1)}) == key(INPUTS, {"a": circle(1)}) != key(INPUTS, {"a": circle(2)})


def test_one_list_given_twice_is_not_two_equal_lists():
    """A task that changes one argument sees it in the other, too, when both are one list."""
    row = [0]
    once = key(INPUTS, {"grid": [row, row]})
    assert once == key(INPUTS, {"grid": [[0]] * 2}) != key(INPUTS, {"grid": [[0], [0]]})
    assert key(INPUTS, {"a": row, "b": row}) != key(INPUTS, {"a": [0], "b": [0]})


def rebuilt(value):
    """An equal value of which no part is the same object."""
    return pickle.loads(pickle.dumps(value))


@given(plain)
def test_equal_data_have_equal_fingerprints(value):
    assert fingerprint(value) == fingerprint(rebuilt(value))


@given(plain, plain)
def test_different_data_have_different_fingerprints(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (repr_of(one) == repr_of(other))


def repr_of(value):
    """Equality that tells 1, 1.0 and True apart, and the order of dicts, which whoever iterates sees."""
    if isinstance(value, dict):
        return ("dict", [(repr(k), repr_of(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return (type(value).__name__, [repr_of(part) for part in value])
    return repr(value)


@pytest.mark.parametrize(
    ("value", "equal", "different"),
    [
        (Point(1), Point(1, 0), Point(2)),
        (Colour.RED, Colour(1), Colour.BLUE),
        (Pair("a", "b"), Pair("a", "".join(["b"])), ("a", "b")),
        (OrderedDict(a=1), OrderedDict(a=1), OrderedDict(a=2)),
        (date(2026, 1, 1), date(2026, 1, 1), datetime(2026, 1, 1)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)),
        (Decimal("1.0"), Decimal("1.0"), Decimal("1.00")),
        (pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("a") / "b", "a/b"),
        (uuid.UUID(int=1), uuid.UUID(int=1), uuid.UUID(int=2)),
        ({"a", "b"}, {"b", "a"}, frozenset({"a", "b"})),
        (
            test_policies_survive_pickling,
            test_policies_survive_pickling,
            test_key_function_can_refuse_to_cache,
        ),
        (int, int, float),
        (["a", "b"], ["a", "b"], ["ab"]),
        ({"a": None}, {"a": None}, {}),
    ],
)
def test_values_of_many_kinds_are_fingerprinted_by_content(value, equal, different):
    assert fingerprint(value) == fingerprint(equal) != fingerprint(different)


def test_attributes_of_a_dict_subclass_count():
    class Tagged(dict):
        pass

    one, other = Tagged(a=1), Tagged(a=1)
    other.tag = "x"
    assert fingerprint(one) != fingerprint(other)


def test_pydantic_models_are_fingerprinted_by_their_fields():
    from pydantic import BaseModel

    class Order(BaseModel):
        id: int
        lines: list[str] = []

    assert fingerprint(Order(id=1)) == fingerprint(Order(id=1)) != fingerprint(Order(id=2))
    # Which fields were given is seen by whoever dumps only those.
    assert fingerprint(Order(id=1)) != fingerprint(Order(id=1, lines=[]))


def test_numpy_arrays_are_fingerprinted_by_type_shape_and_content():
    np = pytest.importorskip("numpy")
    array = np.arange(6)
    kinds = [array, array.reshape(2, 3), array.astype("float64"), array[::2], np.array([None, "x"]), array[0]]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)
    assert fingerprint(array[::2]) == fingerprint(np.array([0, 2, 4]))
    # The order in memory is seen by `ravel("K")`, and in how sums are rounded.
    assert fingerprint(np.asfortranarray(array.reshape(2, 3))) != fingerprint(array.reshape(2, 3))


def test_pandas_frames_are_fingerprinted_by_labels_types_and_content():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    others = [
        frame.rename(columns={"a": "c"}),
        frame.astype({"a": "float"}),
        frame[::-1],
        frame["a"],
        frame.index,
    ]
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert len({fingerprint(kind) for kind in [frame, *others]}) == len(others) + 1


def test_source_of_a_function_is_its_text_or_its_code():
    assert "its text or its code" not in source_of(key) and "def key" in source_of(key)
    spaces = [{}, {}, {}]
    for space, body in zip(spaces, ("return 1", "return 1", "return 2"), strict=True):
        exec(f"def made(): {body}", space)
    one, same, other = (source_of(space["made"]) for space in spaces)
    assert one == same != other
    assert source_of(len) is None


@given(plain)
def test_equal_inputs_have_equal_hashes_whatever_their_identity(value):
    again = rebuilt(value)
    assert input_hash((value, value), {"k": value}) == input_hash(
        (again, rebuilt(value)), {"k": rebuilt(again)}
    )


def test_interned_and_computed_strings_hash_alike():
    computed = "".join(["par", "am"])
    assert computed is not sys.intern("param")
    assert input_hash((computed, computed), {}) == input_hash((sys.intern("param"),) * 2, {})


@given(plain, plain)
def test_different_inputs_have_different_hashes(one, other):
    if repr(one) != repr(other):
        assert input_hash((one,), {}) != input_hash((other,), {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Point(1), Point(2)),
        (Colour.RED, Colour.RED.value),
        (Pair(1, 2), (1, 2)),
        (bytearray(b"ab"), b"ab"),
        (array("i", [1]), array("f", [1.4e-45])),
        (Path("a"), "a"),
        (date(2026, 1, 1), date(2026, 1, 2)),
    ],
)
def test_what_is_not_plain_data_is_compared_by_its_fingerprint(one, other):
    for shape in (lambda value: (value,), lambda value: ([1, {"a": value}],)):
        hashed = input_hash(shape(one), {})
        assert hashed is not None
        assert hashed == input_hash(shape(copy.deepcopy(one)), {})
        assert hashed != input_hash(shape(other), {})


def test_what_cannot_be_looked_into_is_not_compared():
    assert input_hash((threading.Lock(),), {}) is None
    assert input_hash(([1, {"a": threading.Lock()}],), {}) is None


def test_circular_input_is_not_compared():
    circle = []
    circle.append(circle)
    assert input_hash((circle,), {}) is None


def test_hashes_and_keys_are_the_same_in_processes_with_other_hash_seeds():
    script = (
        "import json\n"
        "from heliostat.runtime.values.caching import fingerprint, input_hash\n"
        "words = {f'word-{n}' for n in range(50)}\n"
        "values = [words, frozenset(words), {'a': words, 'b': [1, 2.5, None, b'x']}, 'text', ('t', 10**30)]\n"
        "print(json.dumps([[input_hash((v,), {'k': v}).hex(), fingerprint(v)] for v in values]))\n"
    )
    answers = [
        json.loads(
            subprocess.check_output(
                [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}
            )
        )
        for seed in ("0", "1", "4242")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len({answer for pair in answers[0] for answer in pair}) == 10
