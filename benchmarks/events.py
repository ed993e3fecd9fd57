"""Events of task runs' states per second over `/api/events/in`, recorded before the pong that confirms them.

python benchmarks/events.py http://127.0.0.1:4200/api [TASKS]
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

CONFIRM_EVERY = 700  # as the stock client does


def events_of(run_id: str, key: int) -> list[str]:
    """The three events of one task run, about as large as the stock client's."""
    task_run_id = uuid4()
    found: list[str] = []
    for name in ("Pending", "Running", "Completed"):
        resource = {
            "prefect.resource.id": f"prefect.task-run.{task_run_id}",
            "prefect.resource.name": f"add-{key}",
            "prefect.orchestration": "client",
            "prefect.state-type": name.upper(),
        }
        related = [
            {"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.role": "flow-run"},
            {"prefect.resource.id": f"prefect.flow.{run_id}", "prefect.resource.role": "flow"},
        ]
        payload = {
            "intended": {"from": "PENDING", "to": name.upper()},
            "validated_state": {"type": name.upper(), "name": name, "state_details": {"flow_run_id": run_id}},
            "task_run": {
                "task_key": "add-1",
                "dynamic_key": str(key),
                "name": f"add-{key}",
                "empirical_policy": {"retries": 0, "retry_delay": 0},
                "tags": [],
                "task_inputs": {"x": []},
            },
        }
        event = {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": f"prefect.task-run.{name}",
            "resource": resource,
            "related": related,
            "payload": payload,
        }
        found.append(json.dumps(event))
    return found


def main(url: str, tasks: int) -> None:
    """Send the events, wait for the last pong, and print how many per second became durable."""
    flow = httpx.post(f"{url}/flows/", json={"name": "benchmark"}).json()["id"]
    run = httpx.post(f"{url}/flow_runs/", json={"flow_id": flow}).json()["id"]
    events = [event for key in range(tasks) for event in events_of(run, key)]
    address = url.replace("http", "ws", 1) + "/events/in"
    with connect(address, subprotocols=[Subprotocol("prefect")]) as line:
        line.send('{"type": "auth", "token": null}')
        line.recv()
        began = time.perf_counter()
        for start in range(0, len(events), CONFIRM_EVERY):
            for event in events[start : start + CONFIRM_EVERY]:
                line.send(event)
            line.ping().wait()
        took_s = time.perf_counter() - began
    body = {"flow_runs": {"id": {"any_": [run]}}}
    seen = httpx.post(f"{url}/task_runs/count", json=body).json()
    print(
        f"{len(events)} events in {took_s:.2f} s: {len(events) / took_s:.0f}/s, {seen} of {tasks} task runs"
    )


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000)
