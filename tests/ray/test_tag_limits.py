"""Limits on tags hold on Ray: for calls in workers' processes, and for calls made inside tasks there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from heliostat import flow, task
from heliostat.runtime.foundation.errors import NoSlotEver
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.store import concurrency_limits


def limit(tag: str, slots: int) -> None:
    current_recording().call(concurrency_limits.set_tag_limit, tag, slots)


def test_calls_of_all_kinds_on_ray_share_the_slots_of_their_tag(recorded: Any, tmp_path: Path) -> None:
    limit("db", 1)
    file = str(tmp_path / "lines.txt")

    def leave(word: str) -> None:
        lines = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(lines, f"{word}\n".encode())
        os.close(lines)

    @task(tags=["db"])
    def query(i: int) -> int:
        leave("in")
        time.sleep(0.01)
        leave("out")
        return i

    @task(num_cpus=0)
    def direct(i: int) -> int:
        return query(i)

    @task(num_cpus=0)
    def submits(i: int) -> int:
        return sum(query.map([i, i]).result())

    @flow(task_runner="ray")
    def limited() -> int:
        kinds = [query.map(range(6)), direct.map(range(3)), submits.map(range(2))]
        return sum(sum(each.result()) for each in kinds)

    assert limited() == 15 + 3 + 2
    words = (tmp_path / "lines.txt").read_text().split()
    assert words == ["in", "out"] * (6 + 3 + 4)
    assert current_recording().call(concurrency_limits.read, "tag:db").active_slots == 0


def test_a_call_inside_the_holder_of_all_slots_is_told_on_a_worker_too(recorded: Any) -> None:
    limit("db", 1)

    @task(tags=["db"])
    def inner() -> int:
        return 1

    @task(tags=["db"])
    def outer() -> str:
        try:
            return str(inner())
        except NoSlotEver as error:
            return str(error)

    @flow(task_runner="ray")
    def limited() -> str:
        return outer.submit().result()

    assert "wait for ever" in limited()


def test_a_worker_that_dies_gives_back_what_its_inner_calls_held(recorded: Any, tmp_path: Path) -> None:
    limit("db", 1)
    marker = tmp_path / "was here"

    @task(tags=["db"])
    def inner() -> int:
        if not marker.exists():
            marker.touch()
            os._exit(1)
        return 1

    @task
    def outer() -> int:
        return inner()

    @flow(task_runner="ray")
    def limited() -> int:
        return outer.submit().result()

    assert limited() == 1
