"""A script that was killed, and `heliostat flow-run resume`."""

from __future__ import annotations

import signal
from typing import Any

from databases import ON_SQLITE
from waiting import wait_for


def kill(script: Any) -> None:
    script.process.send_signal(signal.SIGKILL)
    script.ended()


def test_a_killed_script_is_resumed_without_repeating_what_was_durable(
    start: Any, effects: Any, left: Any
) -> None:
    script = start("many")
    script.wait_until(lambda: effects.count() >= 5_000)
    kill(script)
    durable = left.completed("work")
    assert len(durable) >= 1_000
    resumed = start("flow-run", "resume", "@last")
    assert resumed.ended() == 0, resumed.output
    times = effects.times()
    assert set(times) == {str(number) for number in range(10_000)}
    assert [number for number in durable if times[number] != 1] == []
    assert max(times.values()) <= 2
    # Workers had noted what they finished, reported or not: little more than what they were at runs again.
    assert len(effects.twice()) <= 20
    assert left.counts() == {"COMPLETED": 10_001}
    run = left.run()
    assert (run.state_type, run.run_count) == ("COMPLETED", 2)
    assert len({row.id for row in left.tasks()}) == 10_001


@ON_SQLITE
def test_a_run_whose_owner_lives_is_not_resumed(start: Any, effects: Any, left: Any) -> None:
    script = start("waits_for_permission")
    script.wait_until(lambda: len(left.completed("work")) == 20)
    before = left.run()
    refused = start("flow-run", "resume", "@last")
    assert refused.ended() != 0
    assert f"process {script.process.pid}" in refused.output
    assert left.run() == before
    effects.permit()
    assert script.ended() == 0, script.output
    assert left.run().run_count == 1
    assert effects.twice() == []


@ON_SQLITE
def test_a_completed_run_is_not_resumed(start: Any, effects: Any, left: Any) -> None:
    effects.permit()
    assert start("waits_for_permission").ended() == 0
    before = left.run()
    refused = start("flow-run", "resume", "@last")
    assert refused.ended() != 0
    assert "has completed" in refused.output
    assert left.run() == before
    assert effects.count() == 40


def test_of_two_resumes_at_the_same_time_one_wins(start: Any, effects: Any, left: Any) -> None:
    script = start("waits_for_permission")
    script.wait_until(lambda: len(left.completed("work")) == 20)
    kill(script)
    rivals = [start("flow-run", "resume", "@last") for _ in range(2)]
    both_ended_or_one_runs(rivals)
    effects.permit()
    codes = sorted(rival.ended() for rival in rivals)
    outputs = "\n".join(rival.output for rival in rivals)
    assert codes[0] == 0 and codes[1] != 0, outputs
    assert left.counts() == {"COMPLETED": 41}
    assert (left.run().state_type, left.run().run_count) == ("COMPLETED", 2)
    assert effects.twice() == []


def both_ended_or_one_runs(rivals: list[Any]) -> None:
    wait_for(
        lambda: [rival.process.poll() for rival in rivals],
        lambda codes: any(code is not None for code in codes),
        tell=lambda: "\n".join(rival.output for rival in rivals),
    )


@ON_SQLITE
def test_a_script_killed_inside_a_sub_flow_is_resumed_inside_it(start: Any, effects: Any, left: Any) -> None:
    script = start("outer")
    script.wait_until(lambda: effects.count() >= 10 + 20)
    kill(script)
    [outer, inner] = left.runs()
    durable = {row.dynamic_key for row in left.tasks(inner) if row.state_type == "COMPLETED"}
    resumed = start("flow-run", "resume", str(outer.id))
    assert resumed.ended() == 0, resumed.output
    [outer, inner] = left.runs()
    assert (outer.state_type, inner.state_type) == ("COMPLETED", "COMPLETED")
    assert left.counts(inner) == {"COMPLETED": 61}
    slow = [number for number, times in effects.times().items() if times > 1]
    assert not {number for number in slow if int(number) >= 10} & durable
    assert inner.run_count == 2
