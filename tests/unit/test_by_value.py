"""Code that travels by value still names its author's file."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from heliostat.runtime.values import by_value


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


WRAPPED = """
import functools

@functools.lru_cache(maxsize=7)
def remembered(x):
    return x + 1

@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

@functools.singledispatch
def told(value):
    return "any"

@told.register
def _(value: int):
    return "number"

def decorated(fn):
    @functools.wraps(fn)
    def around(*args):
        return fn(*args) * 2
    return around

@decorated
def doubled(x):
    return x

class Holder:
    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def size(self):
        return self.x * 3

    @functools.singledispatchmethod
    def kind(self, value):
        return "any"

    @kind.register
    def _(self, value: int):
        return "number"

    @functools.lru_cache
    def kept(self, value):
        return value

part = functools.partial(remembered, 4)

def used(n):
    holder = Holder(n)
    return (
        remembered(n), remembered.cache_parameters()["maxsize"], fibonacci(n), told(n), told("a"), doubled(n),
        holder.size, holder.kind(1), holder.kind("a"), holder.kept(n), part(), remembered.__name__,
    )
"""


def test_functions_of_a_script_that_functools_wraps_travel(tmp_path: Path) -> None:
    """Seen: a script's function under `lru_cache` named itself as `__main__.f`, which no worker can
    import, and `singledispatch` and `cached_property` held weak references and locks.
    """
    script = tmp_path / "script.py"
    script.write_text(
        WRAPPED + "import sys\nfrom heliostat.runtime.values import by_value\nused(3)\n"
        "for each in (used, remembered, told, Holder, Holder(3), fibonacci, part):\n"
        "    by_value.dumps(each)\n"
        "sys.stdout.buffer.write(by_value.dumps((used, told, remembered)))\n"
    )
    data = subprocess.check_output([sys.executable, str(script)])
    used, told, remembered = pickle.loads(data)
    assert used(3) == (4, 7, 2, "number", "any", 6, 9, "number", "any", 3, 5, "remembered")
    assert told.registry.keys() == {object, int} and remembered.cache_info().currsize >= 1


def test_wrapped_functions_of_installed_modules_travel_by_name() -> None:
    import functools
    import re

    wrapped = [each for each in vars(re).values() if type(each) is type(functools.lru_cache(len))]
    for each in wrapped:
        assert pickle.loads(by_value.dumps(each)) is each
