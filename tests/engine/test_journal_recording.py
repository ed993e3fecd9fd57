"""The journal on real databases, and a process's way to them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any
from uuid import uuid4

import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import DatabaseUnavailable, LeaseLost
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.journal.current import close_current_recording, current_recording
from heliostat.runtime.journal.database_recording import record_to_database
from heliostat.runtime.journal.journal import JournalLimits
from heliostat.runtime.journal.thread_recording import ThreadRecording
from heliostat.runtime.records import CallSite, FlowRunTransition, Owner, TaskRunBatch
from heliostat.runtime.store import flow_runs, leases, task_runs
from heliostat.runtime.store.database.rows import NewFlowRun


def _new_run() -> NewFlowRun:
    return NewFlowRun(ids.uuid7(), "survey", "r", [FlowRunTransition(ids.uuid7(), "RUNNING", "Running", 1.0)])


def _batch(run: NewFlowRun, indexes: range) -> TaskRunBatch:
    site = CallSite(run.id, "", "work-1", "work", ids.task_run_base(run.id, "", "work-1"))
    count = len(indexes)
    return TaskRunBatch(site, indexes, "COMPLETED", "Completed", 1.0, [1.0] * count, [2.0] * count)


def _owner() -> Owner:
    return Owner(uuid4(), "here", os.getpid(), 0.0)


@pytest.fixture
def recording(database_url: str) -> Any:
    recording = record_to_database(database_url)
    yield recording
    recording.close()


def test_a_run_is_recorded_from_begin_to_end(recording: ThreadRecording) -> None:
    new, owner = _new_run(), _owner()
    begun = recording.call(flow_runs.begin, new, owner, 15.0)
    assert begun.lease is not None
    run = recording.journal.open(new.id, begun.lease.epoch, owner.id, begun.lease.last_seq)
    for start in range(0, 3000, 100):
        run.append(_batch(new, range(start, start + 100)))
    run.append(FlowRunTransition(ids.uuid7(), "COMPLETED", "Completed", 9.0, release=True))
    run.close().result(30)
    assert recording.call(task_runs.count_by_state, new.id) == {"COMPLETED": 3000}
    assert recording.call(flow_runs.read, new.id).state_type == "COMPLETED"
    lease = recording.call(leases.read, new.id)
    assert lease is not None and lease.owner is None and lease.last_seq == 3001


def test_a_takeover_is_noticed_by_the_journal_of_the_old_owner(recording: ThreadRecording) -> None:
    new, owner = _new_run(), _owner()
    begun = recording.call(flow_runs.begin, new, owner, 15.0)
    assert begun.lease is not None
    run = recording.journal.open(new.id, begun.lease.epoch, owner.id, 0)
    run.append(_batch(new, range(10)))
    run.barrier().result(30)
    taken = recording.call(leases.take, new.id, _owner(), 15.0, force=True)
    assert (taken.epoch, taken.last_seq) == (2, 10)
    run.append(_batch(new, range(10, 20)))
    with pytest.raises(LeaseLost):
        run.barrier().result(30)
    assert recording.call(task_runs.count_by_state, new.id) == {"COMPLETED": 10}


async def test_verbs_can_be_awaited_on_another_loop(recording: ThreadRecording) -> None:
    new = _new_run()
    await recording.call_async(flow_runs.begin, new, _owner(), 15.0)
    assert (await recording.call_async(flow_runs.find, "@last")).id == new.id


def test_a_database_that_cannot_be_opened_leaves_no_thread_behind() -> None:
    with pytest.raises(DatabaseUnavailable):
        record_to_database("postgresql://nobody@127.0.0.1:1/none")


def test_closing_twice_is_harmless_and_use_afterwards_is_refused(sqlite_url: str) -> None:
    recording = record_to_database(sqlite_url, limits=JournalLimits())
    recording.close()
    recording.close()
    with pytest.raises(RuntimeError, match="closed"):
        recording.call(flow_runs.find, "@last")


def test_the_current_recording_follows_the_settings(sqlite_url: str, tmp_path: Any) -> None:
    with override_settings(database_url=sqlite_url):
        first = current_recording()
        assert current_recording() is first
    with override_settings(database_url=f"sqlite:///{tmp_path / 'other.db'}"):
        second = current_recording()
        assert second is not first and second.is_usable and not first.is_usable
    close_current_recording()
    assert not second.is_usable


def test_a_fork_gets_a_recording_of_its_own(sqlite_url: str) -> None:
    script = """
        import os, sys
        from heliostat.runtime.journal.current import current_recording
        from heliostat.runtime.store import flow_runs
        parent = current_recording()
        child = os.fork()
        if child == 0:
            try:
                parent.call(flow_runs.list)
            except RuntimeError:
                own = current_recording()
                ok = own is not parent and own.call(flow_runs.list) == []
                own.close()
                os._exit(0 if ok else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert parent.call(flow_runs.list) == []
    """
    _python(script, HELIOSTAT_DATABASE_URL=sqlite_url)


def test_what_is_in_the_journal_when_a_script_ends_is_recorded(database_url: str) -> None:
    script = """
        from uuid import uuid4
        from heliostat.runtime.foundation import ids
        from heliostat.runtime.journal.current import current_recording
        from heliostat.runtime.records import FlowRunTransition, LogBatch, LogLine
        from heliostat.runtime.store import flow_runs
        from heliostat.runtime.records import Owner
        from heliostat.runtime.store.database.rows import NewFlowRun
        recording, owner = current_recording(), Owner(uuid4(), "h", 1, 0.0)
        new = NewFlowRun(ids.uuid7(), "f", "r", [FlowRunTransition(ids.uuid7(), "RUNNING", "Running", 1.0)])
        recording.call(flow_runs.begin, new, owner, 15.0)
        run = recording.journal.open(new.id, 1, owner.id, 0)
        for number in range(500):
            run.append(LogBatch([LogLine(1.0, 20, "flow", str(number))]))
        run.append(FlowRunTransition(ids.uuid7(), "COMPLETED", "Completed", 2.0, release=True))
    """
    _python(script, HELIOSTAT_DATABASE_URL=database_url)
    recording = record_to_database(database_url)
    last = recording.call(flow_runs.find, "@last")
    lease = recording.call(leases.read, last.id)
    recording.close()
    assert last.state_type == "COMPLETED"
    assert lease is not None and lease.last_seq == 501


def _python(script: str, **environment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
