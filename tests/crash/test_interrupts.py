"""A script that is told to stop in the middle of a fan-out."""

from __future__ import annotations

import signal
from typing import Any

import psutil
from databases import ON_SQLITE
from waiting import wait_for


def interrupted(script: Any, effects: Any, signal_number: int) -> int:
    """Send a signal once the fan-out is under way; gives the script's exit code."""
    script.wait_until(lambda: effects.count() >= 20)
    script.process.send_signal(signal_number)
    return script.ended(20)


def wait_until_nobody_works(effects: Any) -> None:
    """Wait until no process is left that has left a line."""
    wait_for(lambda: [pid for pid in {pid for _, pid in effects.lines()} if psutil.pid_exists(pid)], [])


def test_ctrl_c_cancels_the_run_and_its_calls(start: Any, effects: Any, left: Any) -> None:
    script = start("endless")
    code = interrupted(script, effects, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in script.output and script.output.rstrip().endswith("Interrupted.")
    assert left.states() == ["Pending", "Running", "Cancelled"]
    assert set(left.counts()) <= {"COMPLETED", "CANCELLED"}
    wait_until_nobody_works(effects)


@ON_SQLITE
def test_ctrl_c_ends_the_command_line_with_130(start: Any, effects: Any, left: Any) -> None:
    script = start("flow", "run", "flows.py:endless")
    assert interrupted(script, effects, signal.SIGINT) == 130, script.output
    assert left.states() == ["Pending", "Running", "Cancelled"]
    wait_until_nobody_works(effects)


@ON_SQLITE
def test_sigterm_is_recorded_as_a_crash(start: Any, effects: Any, left: Any) -> None:
    code = interrupted(start("endless"), effects, signal.SIGTERM)
    assert code == 143
    assert left.states() == ["Pending", "Running", "Crashed"]
    assert "SIGTERM" in left.last_message()
    assert set(left.counts()) <= {"COMPLETED", "CANCELLED"}
    wait_until_nobody_works(effects)


@ON_SQLITE
def test_calls_of_a_killed_script_stop(start: Any, effects: Any, left: Any) -> None:
    code = interrupted(start("endless"), effects, signal.SIGKILL)
    assert code == -signal.SIGKILL
    wait_until_nobody_works(effects)
    assert left.run().state_type == "RUNNING"
