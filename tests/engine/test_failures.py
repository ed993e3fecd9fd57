"""Errors as the author sees them, and what ends a run from outside."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from heliostat import flow, task
from heliostat.runtime.engine.interrupts import forget_signals
from heliostat.runtime.engine.owner import owner_of_this_process
from heliostat.runtime.foundation.errors import CancelRun, LeaseLost, RunCancelled
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.records import Owner
from heliostat.runtime.store import leases

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


class OwnError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


@task
def fail(code: int = 7) -> None:
    deeper(code)


def deeper(code: int) -> None:
    try:
        {}["missing"]
    except KeyError as error:
        raise OwnError(code) from error


@pytest.mark.parametrize("how", ["call", "submit", "map"])
def test_the_authors_own_exception_arrives_with_its_attributes(recorded: Any, how: str) -> None:
    @flow
    def run() -> None:
        if how == "call":
            fail(3)
        elif how == "submit":
            fail.submit(3).result()
        else:
            fail.map([3]).result()

    with pytest.raises(OwnError, match="code 3") as raised:
        run()
    assert raised.value.code == 3
    text = "".join(traceback.format_exception(raised.value))
    assert "deeper(code)" in text and "KeyError: 'missing'" in text and "in run" in text
    row = recorded.task("fail-0")
    assert row.state_name == "Failed" and row.message == "OwnError: code 3"
    assert row.error["type"].endswith("OwnError") and "deeper(code)" in row.error["traceback"]
    assert "runtime/engine" not in row.error["traceback"]
    run_row = recorded.run()
    assert run_row.state_type == "FAILED" and run_row.error["message"] == "code 3"


@pytest.mark.parametrize("runs_async", [False, True])
def test_the_traceback_that_is_raised_shows_the_authors_frames(runs_async: bool) -> None:
    import asyncio

    @flow
    def run() -> None:
        fail(3)

    @flow
    async def run_async() -> None:
        fail(3)

    with pytest.raises(OwnError) as raised:
        if runs_async:
            asyncio.run(run_async())
        else:
            run()
    files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    ours = [name for name in files if "/runtime/" in name]
    assert len(ours) <= 2, files
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names[-2:] == ["fail", "deeper"]
    cause = raised.value.__cause__
    assert isinstance(cause, KeyError)


def test_an_exception_that_cannot_be_shown_or_pickled_still_fails_its_call_only(recorded: Any) -> None:
    class Stubborn(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        def __reduce__(self) -> Any:
            raise RuntimeError("no pickle")

    @task
    def stubborn() -> None:
        raise Stubborn()

    @flow
    def run() -> str:
        with pytest.raises(Stubborn):
            stubborn.submit().result()
        with pytest.raises(Stubborn):
            stubborn()
        return "went on"

    assert run() == "went on"
    assert recorded.counts() == {"FAILED": 2}


def test_an_exception_group_and_a_system_exit_in_a_task_are_failures_of_that_call(recorded: Any) -> None:
    @task
    def groups() -> None:
        raise ExceptionGroup("several", [ValueError("a"), OwnError(1)])

    @task
    def exits() -> None:
        raise SystemExit(4)

    @flow
    def run() -> str:
        with pytest.raises(ExceptionGroup):
            groups.submit().result()
        assert exits.submit().wait().is_failed()
        return "went on"

    assert run() == "went on"
    assert recorded.counts() == {"FAILED": 2}


def test_an_error_in_the_flow_waits_for_calls_that_are_under_way(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(10)

    @flow(task_runner="threads")
    def run() -> None:
        gated.submit()
        threading.Timer(0.05, gate.set).start()
        raise OwnError(1)

    with pytest.raises(OwnError):
        run()
    assert recorded.run().state_type == "FAILED"
    assert recorded.task("gated-0").state_type == "COMPLETED"


def test_ctrl_c_in_the_flow_cancels_it_what_runs_and_what_has_not_started(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(10)

    @task
    def after(value: Any) -> None: ...

    @flow(task_runner="threads")
    def run() -> None:
        after.map([gated.submit()] * 3)
        threading.Timer(0.05, gate.set).start()
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert recorded.run().state_type == "CANCELLED"
    assert recorded.counts() == {"CANCELLED": 4}, "its last line was not reached before"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("how", ["call", "submit", "map"])
def test_ctrl_c_in_a_task_that_runs_here_cancels_task_and_flow(recorded: Any, how: str) -> None:
    went_on: list[int] = []

    @task
    def interrupted(number: int) -> None:
        signal.raise_signal(signal.SIGINT)

    @flow(task_runner="inline")
    def run() -> None:
        if how == "call":
            interrupted(0)
        elif how == "submit":
            interrupted.submit(0)
        else:
            interrupted.map([0, 1, 2])
        went_on.append(1)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert went_on == []
    assert recorded.run().state_type == "CANCELLED"
    assert set(recorded.counts()) == {"CANCELLED"}


def test_ctrl_c_while_the_flow_waits_for_a_future(recorded: Any) -> None:
    gate = threading.Event()

    @task
    def gated() -> None:
        gate.wait(10)

    @flow(task_runner="threads")
    def run() -> None:
        future = gated.submit()
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        threading.Timer(0.2, gate.set).start()
        future.result()

    with pytest.raises(KeyboardInterrupt):
        run()
    assert recorded.run().state_type == "CANCELLED"


def test_a_sub_flow_that_is_interrupted_takes_its_parent_along(recorded: Any) -> None:
    @flow
    def child() -> None:
        raise KeyboardInterrupt

    @flow
    def parent() -> None:
        child()

    with pytest.raises(KeyboardInterrupt):
        parent()
    assert {run.state_type for run in recorded.runs()} == {"CANCELLED"}


@pytest.fixture
def plain_sigterm() -> Iterator[None]:
    """SIGTERM as a script has it: a Ray that ran in this process leaves a handler of its own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)
    forget_signals()  # else this process is ended, as it was asked to be


@pytest.mark.usefixtures("plain_sigterm")
def test_sigterm_is_recorded_as_a_crash_and_ends_the_process_as_it_would(recorded: Any) -> None:
    @task
    def told_to_end() -> None:
        signal.raise_signal(signal.SIGTERM)

    @flow
    def run() -> None:
        told_to_end()

    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 143
    assert recorded.run().state_type == "CRASHED" and "SIGTERM" in _last_message(recorded)
    assert recorded.task("told_to_end-0").state_type == "CANCELLED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_flow_can_cancel_itself(recorded: Any) -> None:
    @flow
    def run() -> None:
        try:
            raise CancelRun()
        except Exception:
            pytest.fail("an author's handler swallowed it")

    with pytest.raises(RunCancelled, match="was cancelled"):
        run()
    assert recorded.run().state_type == "CANCELLED"
    assert run(return_state=True).is_cancelled()


def test_another_base_exception_crashes_the_run(recorded: Any) -> None:
    class Strange(BaseException):
        pass

    @flow
    def run() -> None:
        raise Strange("?")

    with pytest.raises(Strange):
        run()
    assert recorded.run().state_type == "CRASHED"


def _steal(run_id: Any) -> None:
    thief = Owner(uuid4(), "elsewhere", 1, 0.0)
    current_recording().call(leases.take, run_id, thief, 60.0, force=True)


@pytest.mark.parametrize("how", ["call", "submit", "none"])
def test_a_run_that_another_process_took_over_is_given_up(recorded: Any, how: str) -> None:
    from heliostat import current_flow_run

    @task
    def step() -> None: ...

    @flow
    def run() -> None:
        step()
        _steal(current_flow_run().id)
        for _ in range(200):
            if how == "call":
                step()
            elif how == "submit":
                step.submit().result()

    with pytest.raises(LeaseLost):
        run()
    assert recorded.run().state_type in ("PENDING", "RUNNING"), "the old owner wrote after it lost the run"
    lease = recorded._ask(leases.read, recorded.run().id)
    assert lease.owner != owner_of_this_process().id


@pytest.mark.parametrize("called_before", [False, True])
def test_a_run_that_was_taken_over_starts_no_sub_flow(recorded_on_both: Any, called_before: bool) -> None:
    """Seen: a process that had lost its run to another one, and had not heard of it, called a sub-flow. It
    took the sub-flow's lease, by force even from the new owner's own sub-flow, and executed its body. Who
    takes the lease of a sub-flow now proves in the same transaction that it holds the parent's.
    """
    from heliostat import current_flow_run

    began: list[str] = []

    @flow
    def inner() -> None:
        began.append("inner")

    @flow
    def outer() -> None:
        outer_id = current_flow_run().id
        if called_before:
            inner()
        _steal(outer_id)
        inner()

    with pytest.raises(LeaseLost):
        outer()
    assert began == ["inner"] * called_before
    called = [run for run in recorded_on_both.runs() if run.flow_name == "inner"]
    assert len(called) == int(called_before)


def test_a_sub_flow_whose_kept_result_is_lost_is_not_taken_by_a_fenced_parent(recorded: Any) -> None:
    recording, owner = current_recording(), owner_of_this_process()

    @flow
    def outer() -> None: ...

    outer()
    run_id = recorded.run().id
    lease = recording.call(leases.take, run_id, owner, 60.0)
    _steal(run_id)
    with pytest.raises(LeaseLost, match="cannot call its sub-flows"):
        recording.call(leases.take, uuid4(), owner, 60.0, force=True, parent=(run_id, lease.epoch, owner.id))


def test_an_error_of_the_flow_after_a_takeover_tells_of_both(recorded: Any) -> None:
    from heliostat import current_flow_run
    from heliostat.runtime.engine.session import flow_session

    @flow
    def run() -> None:
        _steal(current_flow_run().id)
        session: Any = flow_session.get()
        with pytest.raises(LeaseLost):
            print("something to record")
            session.desk.journal.barrier().result(10)
        raise OwnError(5)

    with pytest.raises(LeaseLost) as raised:
        run()
    assert isinstance(raised.value.__cause__, OwnError)


def _last_message(recorded: Any) -> str:
    from heliostat.runtime.store import flow_runs

    history = recorded._ask(flow_runs.history, recorded.run().id)
    return str(history[-1].message)
