"""Values come back equal from bytes, and what cannot leave its process is named."""

import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliostat.runtime.foundation.errors import CannotPickle, ResultLost, UserError
from heliostat.runtime.values.serializers import (
    Serializer,
    dumps,
    loads,
    register_serializer,
    serializer_named,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@dataclass
class Holder:
    inside: Any


@given(plain, st.sampled_from(["pickle", "json", "compressed/pickle", "compressed/json"]))
def test_plain_data_comes_back_equal(value, codec):
    assert loads(dumps(value, codec), codec) == value


@pytest.mark.parametrize("codec", ["pickle", "compressed/pickle"])
def test_any_python_value_is_pickled(codec):
    assert loads(dumps(lambda x: x + 1, codec), codec)(1) == 2
    assert loads(dumps({(1, 2): {3}}, codec), codec) == {(1, 2): {3}}


def test_compression_makes_repetitive_values_small():
    assert len(dumps("a" * 100_000, "compressed/pickle")) < 1000


def test_value_of_a_scripts_own_class_can_be_read_in_another_process():
    script = (
        "import sys\nfrom heliostat.runtime.values.serializers import dumps\n"
        "class Mine:\n    def __init__(self): self.x = 5\n"
        "sys.stdout.buffer.write(dumps([Mine()]))\n"
    )
    data = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout
    assert loads(data)[0].x == 5


def capture_a_lock():
    lock = threading.Lock()
    return lambda: lock


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), "The result of type _thread.lock"),
        ({"a": [1, threading.Lock()]}, "The result['a'][1] of type _thread.lock"),
        (Holder([Holder(threading.Lock())]), "The result.inside[0].inside of type _thread.lock"),
        (capture_a_lock(), "The result -> variable lock of type _thread.lock"),
    ],
)
def test_the_part_that_cannot_be_pickled_is_named_with_the_way_to_it(value, path):
    with pytest.raises(CannotPickle) as caught:
        dumps(value, what="result")
    assert str(caught.value).startswith(path)
    assert "inside the task" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "path"), [([object()], "[0]"), ({"a": {1: 2}}, "['a']"), ({"s": {1}}, "['s']")]
)
def test_json_refuses_what_would_not_come_back(value, path):
    with pytest.raises(CannotPickle, match="json") as caught:
        dumps(value, "json")
    assert f"The value{path}" in str(caught.value)


def test_a_huge_value_is_searched_within_bounds():
    trials = []

    class Stubborn:
        def __reduce__(self):
            trials.append(1)
            raise TypeError("no")

    with pytest.raises(CannotPickle):
        dumps([0] * 10_000 + [Stubborn()])
    assert len(trials) < 20


def test_bytes_that_cannot_be_read_are_a_lost_result():
    for codec in ("pickle", "json", "compressed/pickle"):
        with pytest.raises(ResultLost) as caught:
            loads(b"\x00garbage", codec)
        assert codec in str(caught.value) and "run the task again" in caught.value.hint


def test_users_can_add_serializers_and_have_them_compressed():
    register_serializer(Serializer("reversed", lambda v: v.encode()[::-1], lambda d: d[::-1].decode()))
    assert dumps("abc", "reversed") == b"cba"
    assert loads(dumps("abc", "compressed/reversed"), "compressed/reversed") == "abc"


def test_unknown_and_reserved_names_are_told():
    with pytest.raises(UserError, match="'yaml'") as caught:
        serializer_named("yaml")
    assert "json" in caught.value.hint
    with pytest.raises(UserError, match="reserved"):
        register_serializer(Serializer("compressed/x", repr, eval))
