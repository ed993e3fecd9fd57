"""Values shown to people without running what is in them."""

import datetime
import os
import pickle
import zlib
from dataclasses import dataclass

from heliostat.runtime.values.previews import MOST_BYTES, preview


@dataclass
class Order:
    """Something of an author's."""

    id: int
    paid: bool = False


class Evil:
    """Calls a function when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/heliostat-preview-ran",)


def test_plain_values_are_shown_as_they_are() -> None:
    value = {"a": [1, 2.5, None, True], "b": ("x", {"y"}), "at": datetime.date(2026, 1, 2)}
    shown = preview(pickle.dumps(value), "pickle")
    assert shown["value"] == {"a": [1, 2.5, None, True], "b": ["x", ["y"]], "at": "2026-01-02"}
    assert (shown["type"], shown["cut"], shown["problem"]) == ("dict", False, None)


def test_objects_are_shown_by_their_class_and_contents() -> None:
    shown = preview(pickle.dumps([Order(3)]), "pickle")
    name = f"<{Order.__module__}.Order>"
    assert shown["value"] == [{name: {"id": 3, "paid": False}}]


def test_nothing_in_a_pickle_is_called() -> None:
    shown = preview(pickle.dumps(Evil()), "pickle")
    assert shown["problem"] is None
    assert "system" in str(shown["value"])
    assert not os.path.exists("/tmp/heliostat-preview-ran")


def test_long_values_are_cut_and_say_so() -> None:
    shown = preview(pickle.dumps({"long": "x" * 100_000, "many": list(range(1000))}), "pickle")
    assert shown["cut"]
    assert len(shown["value"]["long"]) < 5_000
    assert len(shown["value"]["many"]) == 200
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    assert preview(pickle.dumps(deep), "pickle")["cut"]


def test_bytes_that_claim_much_or_mean_nothing_are_a_problem_and_no_more() -> None:
    assert preview(b"N" + b"r\xff\xff\xff\xff" + b".", "pickle")["value"] is None
    assert preview(b"\x80\x05what", "pickle")["problem"]
    assert preview(b"{", "json")["problem"]
    assert preview(zlib.compress(b"0" * 50_000_000), "compressed/json")["problem"]
    assert preview(b"x" * (MOST_BYTES + 1), "json")["problem"]
    assert preview(b"x", "own")["problem"]
