"""Cancelling, pausing and suspending runs while they run: what is asked in the database is done here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from waiting import wait_for

from heliostat import flow, pause_flow_run, resume_flow_run, suspend_flow_run, task
from heliostat.runtime.authoring.context import current_flow_run
from heliostat.runtime.engine.flow import command_watch, run_control
from heliostat.runtime.engine.flow.claimed import execute_claimed
from heliostat.runtime.engine.pause_gate import PauseGate
from heliostat.runtime.engine.run_desk import RunDesk
from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import NotInAFlow, RunCancelled, StaleState
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.states import Cancelled, Cancelling, Paused, State
from heliostat.runtime.store import deployments, flow_run_changes, flows, leases, scheduled_runs
from heliostat.runtime.store.deployment_rows import NewDeployment

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def listen_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_watch, "POLL_S", 0.02)
    monkeypatch.setattr(run_control, "POLL_S", 0.02)


@pytest.fixture
def beside() -> Iterator[Callable[..., None]]:
    """Do something in another thread, as somebody elsewhere would; its failure fails the test."""
    threads: list[threading.Thread] = []
    failures: list[BaseException] = []

    def start(act: Callable[[], None]) -> None:
        def work() -> None:
            try:
                act()
            except BaseException as error:
                failures.append(error)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert failures == []


def propose(run_id: UUID, state: State, force: bool = False) -> None:
    became = current_recording().call(flow_run_changes.propose, run_id, state, force=force)
    assert became.written, became.verdict


def gate_of(run_id: UUID) -> PauseGate:
    desk = RunDesk.of(run_id)
    assert desk is not None
    return desk.gate


def of_a_deployment(entrypoint: str, **parameters: Any) -> UUID:
    recording = current_recording()
    flow_row = recording.call(flows.get_or_create, entrypoint.rpartition(":")[2])
    row, _ = recording.call(deployments.upsert, NewDeployment(flow_row.id, "here", entrypoint=entrypoint))
    from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

    run_id, _ = recording.call(scheduled_runs.create_run, row.id, NewDeploymentRun(parameters=parameters))
    return run_id


def test_a_cancelled_run_stops_in_the_middle_of_its_body(recorded: Any, beside: Any) -> None:
    """Also a call that sleeps, where it is on the main thread; `except Exception` does not hold it up.

    The request is made at once, often before the run's first state is durable: a lost request was seen there.
    """

    @flow
    def sleeps() -> None:
        run_id = current_flow_run().id
        beside(lambda: propose(run_id, Cancelling()))
        try:
            clock.sleep(PATIENCE_S)
        except Exception:
            clock.sleep(PATIENCE_S)

    with pytest.raises(RunCancelled):
        sleeps()
    assert [name for name in recorded.states() if name != "Running"] == ["Pending", "Cancelling", "Cancelled"]
    lease = current_recording().call(leases.read, recorded.run().id)
    assert lease is not None and lease.owner is None


def test_a_cancelled_run_takes_its_sub_flows_and_calls_along(recorded: Any, beside: Any) -> None:
    begun = threading.Event()

    @task
    def waits(number: int) -> None:
        begun.set()
        clock.sleep(0.1)

    @flow(task_runner="threads")
    def inner() -> None:
        waits.map(range(500)).result()

    @flow
    def outer() -> None:
        run_id = current_flow_run().id

        def cancel() -> None:
            assert begun.wait(PATIENCE_S)
            propose(run_id, Cancelling())

        beside(cancel)
        try:
            inner()
        except Exception:
            pass
        clock.sleep(PATIENCE_S)

    assert outer(return_state=True).name == "Cancelled"
    runs = {run.flow_name: run for run in recorded.runs()}
    assert {name: run.state_name for name, run in runs.items()} == {
        "outer": "Cancelled",
        "inner": "Cancelled",
    }
    counts = recorded.counts(runs["inner"])
    assert counts.keys() <= {"COMPLETED", "CANCELLED"} and sum(counts.values()) == 500
    assert counts["CANCELLED"] > 0


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_run_off_the_main_thread_is_cancelled_too(recorded: Any, beside: Any, asynchronous: bool) -> None:
    def ask() -> None:
        run_id = current_flow_run().id
        beside(lambda: propose(run_id, Cancelling()))

    @flow
    async def awaits() -> None:
        ask()
        await asyncio.sleep(PATIENCE_S)

    @flow
    def spins() -> None:
        ask()
        for _ in range(3_000):
            clock.sleep(0.01)

    ended: list[State] = []
    if asynchronous:
        ended.append(asyncio.run(awaits(return_state=True)))
    else:
        thread = threading.Thread(target=lambda: ended.append(spins(return_state=True)))
        thread.start()
        thread.join(PATIENCE_S)
    assert [state.name for state in ended] == ["Cancelled"]
    assert recorded.states()[-1] == "Cancelled"


def test_a_run_that_somebody_has_ended_stops_and_writes_nothing_more(recorded: Any, beside: Any) -> None:
    @flow
    def sleeps() -> None:
        run_id = current_flow_run().id

        def end_it() -> None:
            wait_for(lambda: recorded.run(run_id).state_name, "Running")
            propose(run_id, Cancelled("enough"), force=True)

        beside(end_it)
        clock.sleep(PATIENCE_S)

    assert sleeps(return_state=True).is_cancelled()
    assert recorded.states() == ["Pending", "Running", "Cancelled"]


def test_a_paused_run_waits_for_its_input(recorded: Any, beside: Any) -> None:
    @flow
    def asks() -> int:
        run_id = current_flow_run().id

        def answer() -> None:
            wait_for(lambda: recorded.run(run_id).state_name, "Paused")
            with pytest.raises(StaleState, match="not of type 'integer'"):
                resume_flow_run(run_id, {"value": "many"})
            resume_flow_run(run_id, {"value": 4})

        beside(answer)
        return pause_flow_run(wait_for_input=int, poll_interval=0.02) + 1

    assert asks() == 5
    assert recorded.states() == ["Pending", "Running", "Paused", "Running", "Completed"]
    assert recorded.run().run_count == 2, "as the standard counts: the end of a pause is a run more"
    with pytest.raises(StaleState, match="not paused"):
        resume_flow_run(recorded.run().id)


async def test_an_asynchronous_flow_pauses_without_holding_up_its_loop(recorded: Any, beside: Any) -> None:
    turns: list[int] = []

    async def goes_on() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0.01)

    @flow
    async def pauses() -> int:
        run_id = current_flow_run().id
        other = asyncio.create_task(goes_on())

        def answer() -> None:
            wait_for(lambda: recorded.run(run_id).state_name, "Paused")
            seen = len(turns)
            wait_for(lambda: len(turns), lambda count: count > seen + 2)
            resume_flow_run(run_id)

        beside(answer)
        await pause_flow_run(poll_interval=0.02)
        other.cancel()
        return 1

    assert await pauses() == 1


@pytest.mark.parametrize("how", ["direct", "inline", "threads"])
def test_no_call_begins_while_the_run_is_paused_from_outside(recorded: Any, beside: Any, how: str) -> None:
    """Paused twice within the time in which other commands are not told again."""
    begun_in: list[str] = []

    @task
    def notes(number: int) -> int:
        begun_in.append(recorded.run(current_flow_run().id).state_name)
        return number

    @flow(task_runner="inline" if how == "direct" else how)
    def calls() -> list[int]:
        run_id = current_flow_run().id
        wait_for(lambda: recorded.run(run_id).state_name, "Running")
        values = [notes(0)]
        for number in (1, 2):
            propose(run_id, Paused(timeout_s=PATIENCE_S))
            wait_for(lambda: gate_of(run_id).is_closed)
            if how == "direct":
                beside(lambda: resume_flow_run(run_id))
                values.append(notes(number))
            else:
                sent = notes.submit(number)
                assert not sent.done() and len(begun_in) == number
                beside(lambda: resume_flow_run(run_id))
                values.append(sent.result())
        return values

    assert calls() == [0, 1, 2]
    assert begun_in == ["Running"] * 3
    assert recorded.run().run_count == 3


def test_a_paused_run_is_cancelled_with_the_calls_that_it_holds(recorded: Any, beside: Any) -> None:
    @task
    def never() -> None:
        raise AssertionError("it was to wait")

    @flow(task_runner="threads")
    def calls() -> None:
        run_id = current_flow_run().id
        wait_for(lambda: recorded.run(run_id).state_name, "Running")
        propose(run_id, Paused(timeout_s=PATIENCE_S))
        wait_for(lambda: gate_of(run_id).is_closed)
        never.submit()
        beside(lambda: propose(run_id, Cancelling()))
        never()

    assert calls(return_state=True).name == "Cancelled"
    assert recorded.counts().get("COMPLETED") is None and recorded.counts().get("FAILED") is None


def test_a_pause_that_nobody_ends_fails_the_run(recorded: Any) -> None:
    @flow
    def pauses() -> None:
        pause_flow_run(timeout=0.05, poll_interval=0.02)

    state = pauses(return_state=True)
    assert (state.name, recorded.states()[-2:]) == ("Failed", ["Paused", "Failed"])
    with pytest.raises(NotInAFlow):
        pause_flow_run()


SUSPENDS = """
from heliostat import flow, suspend_flow_run, task

@task
def work(number):
    with open({effects!r}, "a") as file:
        file.write(f"{{number}}\\n")
    return number

@flow
def suspends(more: int) -> int:
    total = work(1)
    {suspend}
    return total + work(2) + more
"""


def test_a_suspended_run_holds_nothing_and_goes_on_from_there(recorded: Any, tmp_path: Any) -> None:
    effects = tmp_path / "effects.txt"
    source = SUSPENDS.format(effects=str(effects), suspend="more += suspend_flow_run(wait_for_input=int)")
    (tmp_path / "suspending_flows.py").write_text(source)
    run_id = of_a_deployment(f"{tmp_path}/suspending_flows.py:suspends", more="3")
    assert execute_claimed(run_id, None).name == "Suspended"
    lease = current_recording().call(leases.read, run_id)
    assert lease is not None and lease.owner is None
    resume_flow_run(run_id, {"value": 10})
    assert recorded.run(run_id).state_name == "Resuming"
    state = execute_claimed(run_id, None)
    assert (state.name, state.result()) == ("Completed", 16)
    assert effects.read_text().split() == ["1", "2"]
    names = recorded.states(recorded.run(run_id))
    assert names == ["Scheduled", "Running", "Suspended", "Resuming", "Running", "Completed"]
    assert recorded.run(run_id).run_count == 1


def test_a_run_that_is_suspended_from_outside_stops_at_once(
    recorded: Any, tmp_path: Any, beside: Any
) -> None:
    effects = tmp_path / "effects.txt"
    sleep = f"import os, time; time.sleep(0 if os.path.exists({str(tmp_path / 'go')!r}) else 30)"
    source = SUSPENDS.format(effects=str(effects), suspend=sleep)
    (tmp_path / "suspended_flows.py").write_text(source)
    run_id = of_a_deployment(f"{tmp_path}/suspended_flows.py:suspends", more=3)

    def suspend() -> None:
        wait_for(lambda: recorded.run(run_id).state_name == "Running" and effects.exists())
        suspend_flow_run(flow_run_id=run_id)

    beside(suspend)
    assert execute_claimed(run_id, None).name == "Suspended"
    assert recorded.run(run_id).state_name == "Suspended"
    (tmp_path / "go").touch()
    resume_flow_run(run_id)
    assert execute_claimed(run_id, None).result() == 6
    assert effects.read_text().split() == ["1", "2"]


def test_a_run_that_nobody_would_start_again_is_not_suspended(recorded: Any) -> None:
    @flow
    def suspends() -> None:
        suspend_flow_run()

    with pytest.raises(StaleState, match="cannot be suspended"):
        suspends()
