"""Code that travels by value still names its author's file."""

from __future__ import annotations

import pickle
from typing import Any

from heliostat.runtime import by_value


def test_code_that_travels_keeps_its_file_name() -> None:
    """Seen with cloudpickle 3.1.3: tracebacks of tasks on workers named no file and showed no line."""
    step = 2

    def outer(values: list[int]) -> Any:
        return [value * step for value in values], (lambda: step)

    there = pickle.loads(by_value.dumps(outer))
    doubled, inner = there([1, 2])
    assert doubled == [2, 4]
    assert there.__code__.co_filename == inner.__code__.co_filename == __file__
    assert there is not outer
