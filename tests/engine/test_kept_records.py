"""What a run left unrecorded on this machine is recorded once by whoever resumes it."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import current_flow_run, flow
from heliostat.runtime.engine.flow.flow_call import call_flow
from heliostat.runtime.engine.flow.flow_run import Resumption
from heliostat.runtime.foundation import clock
from heliostat.runtime.journal import unrecorded
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.records import LogBatch, LogLine
from heliostat.runtime.store import flow_runs

LINES = LogBatch([LogLine(clock.epoch_s(), 20, "flow", "said while the server was away")])


@pytest.mark.parametrize("is_left_again", [False, True], ids=["", "and-left-again"])
def test_kept_log_lines_are_recorded_once_over_two_resumes(
    recorded: Any, heliostat_home: Any, is_left_again: bool
) -> None:
    seen: list[Any] = []

    @flow
    def fails_thrice() -> None:
        seen.append(current_flow_run().id)
        if len(seen) < 3:
            raise RuntimeError("not yet")

    def resume() -> Any:
        run = current_recording().call(flow_runs.read, seen[0])
        return call_flow(fails_thrice, {}, True, Resumption(run, None))

    assert fails_thrice(return_state=True).is_failed()
    unrecorded.keep({seen[0]: [LINES]})
    assert resume().is_failed()
    if is_left_again:
        unrecorded.keep({seen[0]: [LINES]})
    assert resume().is_completed()
    assert recorded.messages().count(LINES.lines[0].message) == 1 + is_left_again
    assert not list(unrecorded.folder().glob("*"))
