"""Arguments and results on their way: by value, by reference, and those that cannot travel."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from heliostat import flow, task
from heliostat.runtime.foundation.errors import CannotPickle

pytestmark = pytest.mark.usefixtures("recorded")
MIB = 1024 * 1024


def own_bytes() -> int:
    """Memory that this process alone holds, without its view of the object store."""
    return psutil.Process().memory_full_info().uss


def test_large_results_stay_in_the_object_store_on_their_way_downstream(recorded: Any) -> None:
    @task
    def make(number: int) -> bytes:
        return bytes([number]) * MIB

    @task
    def first_and_size(data: bytes) -> tuple[int, int]:
        return data[0], len(data)

    @flow
    def run() -> tuple[list[tuple[int, int]], int]:
        gc.collect()
        before = own_bytes()
        made = make.map(range(100))
        sizes = first_and_size.map(made).result()
        return sizes, own_bytes() - before

    sizes, grown = run()
    assert sizes == [(number, MIB) for number in range(100)]
    assert grown < 30 * MIB


def test_large_bytes_arrive_downstream_and_at_the_flow() -> None:
    @task
    def make(number: int) -> bytes:
        return bytes([number]) * MIB

    @task
    def length(data: bytes) -> int:
        return len(data) + data[0]

    @flow
    def run() -> tuple[list[int], bytes]:
        made = make.map(range(20))
        return length.map(made).result(), made[7].result()

    lengths, seventh = run()
    assert lengths == [MIB + number for number in range(20)]
    assert seventh == bytes([7]) * MIB


def test_a_large_constant_travels_once() -> None:
    @task(pack=False)
    def total(number: int, _table: Any) -> int:
        return number

    class Table:
        """Counts how often it is pickled."""

        def __init__(self) -> None:
            self.content = b"x" * (4 * MIB)
            self.nbytes = len(self.content)

        def __reduce__(self) -> Any:
            pickled.append(1)
            return bytes, (self.content,)

    pickled: list[int] = []

    @flow
    def run() -> list[int]:
        return total.map(range(50), Table()).result()

    assert run() == list(range(50))
    assert 1 <= len(pickled) <= 2


def test_only_the_call_whose_argument_cannot_travel_fails(recorded: Any) -> None:
    @task(pack=20)
    def kind(value: Any) -> str:
        return type(value).__name__

    @flow
    def run() -> list[Any]:
        values: list[Any] = [*range(7), threading.Lock(), *range(8, 20)]
        return kind.map(values).result(raise_on_failure=False)

    results = run()
    assert results[:7] + results[8:] == ["int"] * 19
    assert isinstance(results[7], CannotPickle)
    assert "'value'" in str(results[7]) and "kind" in str(results[7]) and "lock" in str(results[7])
    assert recorded.counts() == {"COMPLETED": 19, "FAILED": 1}
    assert recorded.tasks()["kind-7"].state_name == "Failed"


def test_a_submitted_call_whose_argument_cannot_travel_fails_alone(recorded: Any) -> None:
    @task
    def kind(value: Any, other: Any = None) -> str:
        return type(value).__name__

    @flow
    def run() -> list[Any]:
        futures = [kind.submit(1), kind.submit(2, other=threading.Lock()), kind.submit(3)]
        return [future.result(raise_on_failure=False) for future in futures]

    first, second, third = run()
    assert (first, third) == ("int", "int")
    assert isinstance(second, CannotPickle) and "'other'" in str(second)


def test_a_constant_that_cannot_travel_fails_every_call() -> None:
    @task
    def kind(_number: int, lock: Any) -> str:
        return type(lock).__name__

    @flow
    def run() -> list[Any]:
        return kind.map(range(5), lock=threading.Lock()).result(raise_on_failure=False)

    results = run()
    assert [type(each) for each in results] == [CannotPickle] * 5
    assert "'lock'" in str(results[0])


def test_only_the_call_whose_result_cannot_travel_fails(recorded: Any) -> None:
    @task(pack=20)
    def lock_for(number: int) -> Any:
        return threading.Lock() if number == 7 else number

    @flow
    def run() -> list[Any]:
        return lock_for.map(range(20)).result(raise_on_failure=False)

    results = run()
    assert results[:7] + results[8:] == [*range(7), *range(8, 20)]
    assert isinstance(results[7], CannotPickle)
    assert "lock_for" in str(results[7]) and "lock" in str(results[7])
    assert recorded.tasks()["lock_for-7"].state_name == "Failed"


def test_a_large_result_that_cannot_travel_fails_alone(recorded: Any) -> None:
    class Big:
        nbytes = MIB

        def __init__(self) -> None:
            self.lock = threading.Lock()

    @task(pack=10)
    def make(number: int) -> Any:
        return Big() if number == 3 else bytes(MIB)

    @flow
    def run() -> list[Any]:
        return make.map(range(10)).result(raise_on_failure=False)

    results = run()
    assert [len(each) for each in results[:3] + results[4:]] == [MIB] * 9
    assert isinstance(results[3], CannotPickle) and "make" in str(results[3])
    assert recorded.counts() == {"COMPLETED": 9, "FAILED": 1}


def test_a_function_that_cannot_travel_fails_with_its_name(recorded: Any) -> None:
    lock = threading.Lock()

    @task
    def guarded(number: int) -> int:
        with lock:
            return number

    @flow
    def run() -> list[Any]:
        return guarded.map(range(3)).result(raise_on_failure=False)

    results = run()
    assert [type(each) for each in results] == [CannotPickle] * 3
    assert "guarded" in str(results[0])


SCRIPT = """
from dataclasses import dataclass
from enum import Enum

from heliostat import flow, task


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: int
    colour: Colour = Colour.RED


class OutOfPaint(Exception):
    def __init__(self, colour, litres):
        super().__init__(f"{litres} l of {colour.name}")
        self.colour = colour


@task
def shift(point: Point) -> Point:
    assert isinstance(point, Point)
    return Point(point.x + 1, point.colour)


@task
def paint(point: Point):
    raise OutOfPaint(point.colour, 3)


@flow
def run():
    shifted = shift.map(shift.map([Point(number) for number in range(50)])).result()
    assert shifted == [Point(number + 2) for number in range(50)], shifted
    error = paint.submit(shifted[0]).result(raise_on_failure=False)
    assert type(error) is OutOfPaint and error.colour is Colour.RED, error
    return "as it was"


if __name__ == "__main__":
    print(run())
"""


@pytest.mark.parametrize("command", [(), ("flow", "run")], ids=["script", "command line"])
def test_classes_of_the_authors_script_travel_both_ways(
    run_script: Any, tmp_path: Path, ray_cluster: str, command: tuple[str, ...]
) -> None:
    file = tmp_path / "points.py"
    file.write_text(SCRIPT)
    words = (*command, f"{file}:run") if command else (file,)
    script = run_script(*words, HELIOSTAT_RAY_ADDRESS=ray_cluster)
    assert script.ended() == 0, script.output
    assert command or "as it was" in script.output
