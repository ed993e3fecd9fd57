"""Runs of deployments on Ray: claimed by the pool, executed by supervisors without database connections."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import pytest
from databases import ON_SQLITE

from heliostat.runtime.states import Cancelling, Paused, Suspended
from heliostat.runtime.store import flow_run_changes, leases, resuming, work_pools, work_queues

pytestmark = pytest.mark.timeout(400)  # the first of them starts Ray


def test_a_run_is_claimed_executed_and_recorded_and_its_supervisor_used_again(plane: Any) -> None:
    hello = plane.deploy("flows.py:hello", parameters={"times": 2})
    first = plane.start(hello, name="you")
    assert plane.ended(first).state_type == "COMPLETED"
    assert plane.states(first) == ["Scheduled", "Pending", "Running", "Completed"]
    assert "hello you" in plane.messages(first)
    many = plane.deploy("flows.py:many")
    # Tasks in Ray workers import the modules beside the flow.
    second = plane.start(many, count=50)
    assert plane.ended(second).state_type == "COMPLETED", plane.told(second)
    assert plane.counts(second) == {"COMPLETED": 50}
    assert Counter(plane.effects()) == Counter(["begins", *(f"work-{number}" for number in range(50))])
    shared = plane.deploy("flows.py:hello", name="shared", job_variables={"isolation": "shared"})
    runs = [plane.start(shared) for _ in range(20)]
    assert {plane.ended(run).state_type for run in runs} == {"COMPLETED"}
    # All the while it says of itself that it works.
    assert plane.ask(work_pools.read, plane.pool.name).status == "READY"
    assert {queue.status for queue in plane.ask(work_queues.list, plane.pool.name)} == {"READY"}


@ON_SQLITE
def test_what_cannot_be_placed_says_so_and_waits(plane: Any) -> None:
    greedy = plane.deploy("flows.py:hello", job_variables={"num_cpus": 1000})
    run_id = plane.start(greedy)
    plane.wait_until(lambda: "Pending" in plane.states(run_id) and plane.run(run_id).state_name != "Pending")
    assert plane.run(run_id).state_type == "SCHEDULED"
    plane.wait_until(lambda: any("asks for CPU 1000" in message for message in plane.messages(run_id)))


def test_a_run_goes_on_by_itself_when_its_supervisor_is_killed(plane: Any) -> None:
    many = plane.deploy("flows.py:many")
    run_id = plane.start(many, count=400, pause_s=0.01)
    supervisor = plane.supervisor_of(run_id)
    plane.wait_until(lambda: plane.counts(run_id).get("COMPLETED", 0) >= 100, tell=lambda: plane.told(run_id))
    os.kill(supervisor, signal.SIGKILL)
    assert plane.ended(run_id).state_type == "COMPLETED", plane.told(run_id)
    assert plane.counts(run_id) == {"COMPLETED": 400}
    times: Counter[str] = Counter(plane.effects())
    assert times["begins"] == 2
    assert {f"work-{number}" for number in range(400)} <= set(times)
    # What was recorded is not executed again: only what was under way.
    assert len([each for each, count in times.items() if count > 1]) <= 100
    assert any("its process died" in message for message in plane.messages(run_id))


def test_pool_and_journal_may_die_at_any_moment(plane: Any) -> None:
    from heliostat.actors import names

    hello, waiting = plane.deploy("flows.py:hello"), plane.deploy("flows.py:waits_for_permission")
    live = plane.start(waiting)
    plane.wait_until(lambda: plane.run(live).state_type == "RUNNING", tell=lambda: plane.told(live))
    runs = [plane.start(hello) for _ in range(10)]
    for name in (f"{names.CONTROL}pool:{plane.pool.name}", names.JOURNAL):
        kill_process_of(name)
    runs += [plane.start(hello) for _ in range(10)]
    assert {plane.ended(run).state_type for run in runs} == {"COMPLETED"}
    (plane.project / "permit").touch()
    assert plane.ended(live).state_type == "COMPLETED"
    assert plane.effects() == ["begins"]  # it went on in the same process
    assert {tuple(plane.states(run)) for run in runs} == {("Scheduled", "Pending", "Running", "Completed")}


@ON_SQLITE
def test_the_environment_of_one_run_serves_no_other_after_the_pool_was_restarted(plane: Any) -> None:
    """Seen: a pool actor that Ray had restarted took every process that it found for a blank one, so a run
    got the environment (and the GPUs and packages) that another one had asked for.
    """
    from heliostat.actors import names

    painted = plane.deploy("flows.py:tells_colour", job_variables={"env": {"WALL_COLOUR": "red"}})
    plain = plane.deploy("flows.py:tells_colour", name="plain")
    assert plane.ended(plane.start(painted)).state_type == "COMPLETED"
    pool = f"{names.CONTROL}pool:{plane.pool.name}"
    kill_process_of(pool)
    for deployment in (plain, painted, plain):
        run_id = plane.start(deployment)
        assert plane.ended(run_id).state_type == "COMPLETED", plane.told(run_id)
    assert plane.effects() == ["colour-red", "colour-none", "colour-red", "colour-none"]


def test_cancelling_stops_the_flow_and_its_tasks(plane: Any) -> None:
    many = plane.deploy("flows.py:many")
    run_id = plane.start(many, count=1000, pause_s=60.0)
    plane.wait_until(lambda: len(plane.effects()) > 1, tell=lambda: plane.told(run_id))
    plane.ask(flow_run_changes.propose, run_id, Cancelling())
    assert plane.ended(run_id).state_type == "CANCELLED", plane.told(run_id)
    assert "COMPLETED" not in plane.counts(run_id)
    # The workers are free: others get them.
    other = plane.start(many, count=10)
    assert plane.ended(other).state_type == "COMPLETED", plane.told(other)


@ON_SQLITE
def test_runs_of_every_kind_are_suspended_and_cancelled_from_outside(plane: Any) -> None:
    kinds = {
        "pooled": plane.deploy("flows.py:stands_still"),
        "shared": plane.deploy("flows.py:stands_still", name="shared", job_variables={"isolation": "shared"}),
        "async": plane.deploy("flows.py:stands_still_async"),
    }
    runs = {plane.start(kind, name=name): name for name, kind in kinds.items()}

    def stand_still(times: int) -> bool:
        return all(plane.effects().count(f"stands-{name}") == times for name in runs.values())

    def tell() -> str:
        return "\n".join(map(plane.told, runs))

    plane.wait_until(lambda: stand_still(1), tell=tell)
    for run_id in runs:
        plane.ask(flow_run_changes.propose, run_id, Suspended())
    # Nothing executes them any more, and so nothing holds them.
    plane.wait_until(lambda: all(plane.ask(leases.read, each).owner is None for each in runs), tell=tell)
    plane.wait_until(lambda: plane.carried() == {}, tell=tell)
    assert {plane.run(run_id).state_name for run_id in runs} == {"Suspended"}, tell()
    for run_id in runs:
        plane.ask(resuming.resume, run_id)
    plane.wait_until(lambda: stand_still(2), tell=tell)
    for run_id in runs:
        plane.ask(flow_run_changes.propose, run_id, Cancelling())
    assert {plane.ended(run_id).state_type for run_id in runs} == {"CANCELLED"}, tell()
    assert {plane.effects().count(f"work-{number}") for number in range(3)} == {len(runs)}  # not once more


@ON_SQLITE
def test_a_run_that_pauses_itself_goes_on_in_its_process_with_what_it_asked_for(plane: Any) -> None:
    run_id = plane.start(plane.deploy("flows.py:asks_first"))
    plane.wait_until(lambda: plane.run(run_id).state_type == "PAUSED", tell=lambda: plane.told(run_id))
    plane.ask(resuming.resume, run_id, {"value": 7})
    assert plane.ended(run_id).state_type == "COMPLETED", plane.told(run_id)
    assert plane.states(run_id) == ["Scheduled", "Pending", "Running", "Paused", "Running", "Completed"]


@ON_SQLITE
def test_runs_that_are_paused_from_outside_begin_no_task_until_they_are_resumed(plane: Any) -> None:
    pooled = plane.deploy("flows.py:works_when_permitted")
    shared = plane.deploy(
        "flows.py:works_when_permitted", name="shared", job_variables={"isolation": "shared"}
    )
    runs = [plane.start(pooled, name="pooled"), plane.start(shared, name="shared")]

    def tell() -> str:
        return "\n".join(map(plane.told, runs))

    def all_say(text: str) -> bool:
        return all(any(text in line for line in plane.messages(each)) for each in runs)

    plane.wait_until(lambda: {"begins-pooled", "begins-shared"} <= set(plane.effects()), tell=tell)
    for run_id in runs:
        plane.ask(flow_run_changes.propose, run_id, Paused(timeout_s=600))
    plane.wait_until(lambda: all_say("paused from outside"), tell=tell)
    (plane.project / "permit").touch()
    plane.wait_until(lambda: {"asks-pooled", "asks-shared"} <= set(plane.effects()), tell=tell)
    assert [line for line in plane.effects() if line.startswith("work")] == []
    for run_id in runs:
        plane.ask(resuming.resume, run_id)
    assert {plane.ended(run_id).state_type for run_id in runs} == {"COMPLETED"}, tell()
    assert {plane.run(run_id).run_count for run_id in runs} == {2}  # the end of a pause counts: notes, 10


def kill_process_of(name: str) -> None:
    import ray

    from heliostat.actors import names

    anything: Any = ray

    handle = anything.get_actor(name, namespace=names.namespace())
    pid = anything.get(handle.pid.remote())
    os.kill(pid, signal.SIGKILL)
