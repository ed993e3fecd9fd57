"""One object of each kind that the API knows, made over the API itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

# Bodies for the nouns that are not written out in tests, and what to make first: name, path, body and the
# field of the answer that is kept.
SAMPLES = json.loads(Path(__file__).with_name("contract_samples.json").read_text())

NOW = "2026-01-01T00:00:00Z"
RESOURCE = {"prefect.resource.id": "shop.1"}
TRIGGER = {"type": "event", "posture": "Reactive", "expect": ["sale"], "match": RESOURCE, "within": 5}
AUTOMATION = {
    "name": "tell",
    "trigger": {"type": "compound", "triggers": [TRIGGER], "within": "PT1M", "require": "all"},
    "actions": [
        {"type": "run-deployment", "source": "inferred", "schedule_after": 5},
        {"type": "do-nothing"},
    ],
}


def filled(value: Any, known: dict[str, str]) -> Any:
    return json.loads(re.sub(r"\{(\w+)\}", lambda found: known[found[1]], json.dumps(value)))


async def seeds(api: Any) -> dict[str, str]:
    """Ids of one object of each kind."""
    flow, run, paused = await api.flow("etl"), await api.flow_run(), await api.flow_run()
    await api.propose(paused, "RUNNING")
    await api.propose(paused, "PAUSED")
    task = await api.task_run(run, task_inputs={"x": [{"input_type": "constant", "type": "int"}]})
    await api.post(f"/flow_runs/{run['id']}/input", json={"key": "key", "value": "1"})
    await api.post(
        "/logs/",
        json=[{"name": "x", "level": 20, "message": "m", "timestamp": NOW, "flow_run_id": run["id"]}],
    )
    for pool in ("yard", "doomed"):
        await api.pool(pool, concurrency_limit=5)
    await api.post("/work_pools/yard/queues", json={"name": "slow"})
    await api.post("/work_pools/yard/workers/heartbeat", json={"name": "w1"})
    deployment = await api.deployment(
        "daily",
        work_pool_name="yard",
        concurrency_limit=2,
        concurrency_options={"collision_strategy": "ENQUEUE"},
        schedules=[{"schedule": {"cron": "0 6 * * *"}}, {"schedule": {"interval": 60}, "slug": "often"}],
    )
    run_of_it = await api.run_of(deployment)
    await api.propose(run_of_it, "PENDING")
    queue = await api.post("/work_pools/yard/queues", json={"name": "doomed"})
    happened = {"occurred": deployment["created"], "event": "sale", "resource": RESOURCE, "related": []}
    await api.post("/events", json=[{"id": str(UUID(int=number)), **happened} for number in (1, 2)])
    page = (await api.post("/events/filter", json={"limit": 1})).json()
    made = {
        "automation": (await api.post("/automations/", json=AUTOMATION)).json()["id"],
        "doomed_automation": (await api.post("/automations/", json=AUTOMATION)).json()["id"],
        "page_token": parse_qs(urlsplit(page["next_page"]).query)["page-token"][0],
        "deployment": deployment["id"],
        "schedule": deployment["schedules"][0]["id"],
        "queue": deployment["work_queue_id"],
        "doomed_queue": queue.json()["id"],
        "doomed_deployment": (await api.deployment("doomed"))["id"],
        "flow": flow["id"],
        "doomed_flow": (await api.flow("doomed"))["id"],
        "flow_run": run["id"],
        "paused_run": paused["id"],
        "doomed_run_2": (await api.flow_run())["id"],
        "doomed_run": (await api.flow_run())["id"],
        "task_run": task["id"],
        "task_state": task["state_id"],
        "doomed_task": (await api.task_run(run, "1"))["id"],
        "state": run["state_id"],
    }
    made["saved_search"] = (await api.put("/saved_searches/", json={"name": "kept"})).json()["id"]
    for name, path, body, field in SAMPLES["seeds"]:
        answer = await api.post(path, json=filled(body, made))
        assert answer.status_code in (200, 201), (name, answer.text)
        made[name] = answer.json()[field]
    return made
