"""What people do with the stock client, unchanged, against a server with two API processes (on Postgres)."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


def test_blocks_variables_artifacts_limits_events_and_automations(stock: Any) -> None:
    assert stock.run("things.py") == {
        "blocks": "gone",
        "variables": None,
        "artifacts": ["link", "progress", "report", "report", "table"],
        "limits": [],
        "events": {"n": 1},
        "automations": "do-nothing",
    }


def test_runs_pause_ask_people_get_messages_and_work_in_the_background(stock: Any) -> None:
    assert stock.run("lives.py") == {
        "pausing": "went on",
        "inputs": "hello",
        "background": {"waiting": ["Scheduled"] * 2, "answers": [0, 2, 11]},
    }


def test_serve_deploy_and_a_process_worker_with_cancel_and_suspend(stock: Any) -> None:
    said = stock.run("places.py")["deployed"]
    assert said == {
        "called": "Completed",
        "worker_cancelled": "Cancelled",
        "runner_cancelled": "Cancelled",
        "suspended": 1,
        "worked": 0,
        "served": {"status": "READY", "results": [6], "scheduled": 3, "tracked": 1},
    }


@pytest.mark.parametrize("stock", ["sqlite"], indirect=True)
def test_deployments_run_on_ray_without_a_change_and_are_cancelled_with_their_hooks(stock: Any) -> None:
    assert stock.run("on_ray.py") == {
        "on_ray": {"result": 0, "said": [1, 1], "cancelled": "Cancelled", "hook": [1]}
    }
