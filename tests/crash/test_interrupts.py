"""A script that is told to stop in the middle of a fan-out."""

from __future__ import annotations

import signal
from typing import Any

from heliostat.runtime import clock


def interrupted(script: Any, effects: Any, signal_number: int) -> int:
    """Send a signal once the fan-out is under way; gives the script's exit code."""
    script.wait_until(lambda: effects.count() >= 20)
    script.process.send_signal(signal_number)
    return script.ended(20)


def stands_still(effects: Any) -> bool:
    """Whether nothing is done any more: no line for as long as ten calls take."""
    before = effects.count()
    clock.sleep(0.5)
    return effects.count() == before


def test_ctrl_c_cancels_the_run_and_its_calls(start: Any, effects: Any, left: Any) -> None:
    script = start("endless")
    code = interrupted(script, effects, signal.SIGINT)
    assert code != 0 and "KeyboardInterrupt" in script.output
    assert left.states() == ["Pending", "Running", "Cancelled"]
    assert set(left.counts()) <= {"COMPLETED", "CANCELLED"}
    assert stands_still(effects)


def test_sigterm_is_recorded_as_a_crash(start: Any, effects: Any, left: Any) -> None:
    code = interrupted(start("endless"), effects, signal.SIGTERM)
    assert code == 143
    assert left.states() == ["Pending", "Running", "Crashed"]
    assert "SIGTERM" in left.last_message()
    assert set(left.counts()) <= {"COMPLETED", "CANCELLED"}
    assert stands_still(effects)


def test_calls_of_a_killed_script_stop(start: Any, effects: Any, left: Any) -> None:
    code = interrupted(start("endless"), effects, signal.SIGKILL)
    assert code == -signal.SIGKILL
    until = clock.monotonic_s() + 20
    while not stands_still(effects):
        assert clock.monotonic_s() < until
    assert left.run().state_type == "RUNNING"
