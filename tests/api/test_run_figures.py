"""Figures of runs that lists show: usual lengths, and counts of task runs by state."""

from __future__ import annotations

from typing import Any
from uuid import uuid4


async def test_the_usual_length_is_the_median_of_completed_runs_of_a_flow_or_deployment(api: Any) -> None:
    flow = await api.flow("etl")
    daily = await api.deployment("daily", flow="etl")
    run = await api.flow_run("PENDING")
    await api.propose(run, "RUNNING")
    await api.propose(run, "COMPLETED")
    failed = await api.flow_run("PENDING")
    await api.propose(failed, "RUNNING")
    await api.propose(failed, "FAILED")
    asked = {"flow_ids": [flow["id"], str(uuid4())], "deployment_ids": [daily["id"]]}
    told = (await api.post("/heliostat/usual_lengths", json=asked)).json()
    assert set(told) == {flow["id"]}, "what never completed is left out"
    assert told[flow["id"]]["runs"] == 1
    assert 0 <= told[flow["id"]]["median_s"] <= told[flow["id"]]["p95_s"] < 60


async def test_task_runs_are_counted_by_state_for_many_flow_runs_at_once(api: Any) -> None:
    run, other = await api.flow_run("RUNNING"), await api.flow_run("RUNNING")
    for key, state in (("0", "COMPLETED"), ("1", "COMPLETED"), ("2", "FAILED")):
        task = await api.task_run(run, key, state={"type": "PENDING"})
        await api.propose(task, "RUNNING", kind="task_runs")
        await api.propose(task, state, kind="task_runs")
    await api.task_run(other, "0", state={"type": "PENDING"})
    unknown = str(uuid4())
    asked = {"flow_run_ids": [run["id"], other["id"], unknown]}
    told = (await api.post("/heliostat/task_run_counts", json=asked)).json()
    assert told == {run["id"]: {"COMPLETED": 2, "FAILED": 1}, other["id"]: {"PENDING": 1}, unknown: {}}


async def test_more_than_two_hundred_ids_are_refused(api: Any) -> None:
    asked = {"flow_run_ids": [str(uuid4()) for _ in range(201)]}
    assert (await api.post("/heliostat/task_run_counts", json=asked)).status_code == 422
