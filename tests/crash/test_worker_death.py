"""Ray workers that die in the middle of a packed map."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

from databases import ON_SQLITE


@ON_SQLITE
def test_a_killed_worker_costs_at_most_the_call_it_was_at(start: Any, effects: Any, left: Any) -> None:
    script = start("many")
    script.wait_until(lambda: effects.count() > 3_000)
    _, victim = effects.lines()[-1]
    os.kill(victim, signal.SIGKILL)
    assert script.ended() == 0, script.output
    assert left.counts() == {"COMPLETED": 10_001}
    tasks = left.tasks()
    assert len({row.id for row in tasks}) == len(tasks) == 10_001
    assert len(effects.times()) == 10_000
    again = effects.twice()
    assert len(again) <= 1
    told = [message for message in left.messages() if "worker process died" in message]
    assert told
    for row in tasks:
        if row.task_name == "work" and row.dynamic_key in again:
            assert row.run_count == 2
            assert [entry[1] for entry in row.timeline] == [
                "Pending", "Running", "AwaitingRetry", "Retrying", "Completed"
            ]  # fmt: skip


@ON_SQLITE
def test_a_call_that_kills_its_worker_ends_crashed_and_the_others_complete(
    start: Any, effects: Any, left: Any
) -> None:
    script = start("with_poison", HELIOSTAT_CRASH_RETRIES="2")
    assert script.ended() == 0, script.output
    assert left.counts() == {"COMPLETED": 59, "CRASHED": 1}
    assert effects.times() == Counter({str(number): 1 for number in range(60)}) + Counter({"7": 2})
    [crashed] = left.tasks(state_types=["CRASHED"])
    assert (crashed.name, crashed.state_name, crashed.run_count) == ("poison-7", "Crashed", 3)
    assert "worker process died" in crashed.message
    assert [entry[1] for entry in crashed.timeline].count("AwaitingRetry") == 2
