"""Flows that the stock client runs in its own process, recorded here without a change to them."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.timeout(240)
def test_local_flows_are_recorded_with_tasks_retries_sub_flows_logs_and_failures(stock: Any) -> None:
    said = stock.run("local_flow.py")
    assert said["total"] == sum(range(1, 21)) + 7 + 4
    of_run = {"flow_runs": {"id": {"any_": [said["run"]]}}}
    # 20 of the map, the retried one, and the one that tracks the sub-flow
    tasks = stock.wait_for(
        "/task_runs/filter", 22, **of_run, task_runs={"state": {"type": {"any_": ["COMPLETED"]}}}
    )
    assert len({each["id"] for each in tasks}) == 22
    [retried] = [each for each in tasks if each["task_key"].startswith("flaky")]
    assert retried["run_count"] == 2
    states = stock.api.get("/task_run_states/", params={"task_run_id": retried["id"]}).json()
    assert [each["name"] for each in states] == ["Pending", "Running", "Retrying", "Completed"]
    run = stock.api.get(f"/flow_runs/{said['run']}").json()
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 1)
    children = stock.ask("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [said["run"]]}})
    assert [each["state_type"] for each in children] == ["COMPLETED"]
    logs = stock.wait_for("/logs/filter", 22, logs={"flow_run_id": {"any_": [said["run"]]}})
    messages = [each["message"] for each in logs]
    assert "printed" in messages and messages.count("adding to 3") == 1
    failed = stock.api.get(f"/flow_runs/{said['failed']}").json()
    assert failed["state_type"] == "FAILED" and "on purpose" in failed["state"]["message"]
    asked = {
        "any_resource": {"id": [f"prefect.flow-run.{said['failed']}"]},
        "event": {"prefix": ["prefect.flow-run."]},
    }
    events = stock.ask("/events/filter", filter=asked)["events"]
    assert {each["event"].rpartition(".")[2] for each in events} >= {"Running", "Failed"}
