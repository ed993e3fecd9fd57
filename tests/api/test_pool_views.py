"""Work pools and limits as the pages show them: who holds slots, who waits for them, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Client


async def line(api: Client, pool: str = "yard") -> dict[str, Any]:
    answer = await api.get(f"/heliostat/work_pools/{pool}/line")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def limits(api: Client) -> dict[str, Any]:
    answer = await api.get("/heliostat/limits")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_pool_tells_how_busy_it_is(api: Client) -> None:
    await api.pool(concurrency_limit=4)
    deployment = await api.deployment(work_pool_name="yard")
    runs = [await api.run_of(deployment) for _ in range(3)]
    await api.propose(runs[0], "PENDING")
    await api.post("/work_pools/yard/workers/heartbeat", json={"name": "w1"})
    pools = (await api.get("/heliostat/work_pools")).json()
    [pool] = [each for each in pools if each["name"] == "yard"]
    told = {
        name: pool[name] for name in ("taken", "waiting", "late", "queues", "workers_online", "deployments")
    }
    assert told == {"taken": 1, "waiting": 2, "late": 0, "queues": 1, "workers_online": 1, "deployments": 1}
    assert (pool["status"], pool["concurrency_limit"], pool["workers"]) == ("READY", 4, 1)


async def test_runs_wait_in_the_order_of_queues_and_time(api: Client) -> None:
    await api.pool()
    for name, priority in (("bulk", 9), ("urgent", 1)):
        await api.post("/work_pools/yard/queues", json={"name": name, "priority": priority})
    slow = await api.deployment("slow", work_pool_name="yard", work_queue_name="bulk")
    fast = await api.deployment("fast", work_pool_name="yard", work_queue_name="urgent")
    runs = [await api.run_of(slow), await api.run_of(slow), await api.run_of(fast)]
    found = await line(api)
    told = [(each["name"], each["queue"], each["position"]) for each in found["waiting"]]
    assert told == [
        (runs[2]["name"], "urgent", 1),
        (runs[0]["name"], "bulk", 1),
        (runs[1]["name"], "bulk", 2),
    ]
    assert [(queue["name"], queue["waiting"]) for queue in found["queues"]] == [
        ("urgent", 1),
        ("default", 0),
        ("bulk", 2),
    ]


async def test_a_waiting_run_says_what_it_waits_for_and_who_has_it(api: Client) -> None:
    await api.pool(concurrency_limit=1)
    deployment = await api.deployment(work_pool_name="yard")
    first, _ = [await api.run_of(deployment) for _ in range(2)]
    await api.propose(first, "PENDING")
    await api.post("/work_pools/yard/workers/heartbeat", json={"name": "w1"})
    [waits] = (await line(api))["waiting"]
    [full] = [reason for reason in waits["reasons"] if reason["code"] == "pool-limit"]
    assert [holder["id"] for holder in full["holders"]] == [first["id"]]


async def test_a_run_that_is_not_due_does_not_wait(api: Client) -> None:
    await api.pool()
    deployment = await api.deployment(work_pool_name="yard")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await api.run_of(deployment, state={"type": "SCHEDULED", "state_details": {"scheduled_time": later}})
    assert (await line(api))["waiting"] == []


async def test_what_ran_in_the_slots_of_a_pool_is_told_with_its_machine(api: Client) -> None:
    await api.pool()
    deployment = await api.deployment(work_pool_name="yard")
    ended, running, _ = [await api.run_of(deployment) for _ in range(3)]
    for run in (ended, running):
        await api.propose(run, "PENDING")
        await api.propose(run, "RUNNING")
        await api.patch(f"/flow_runs/{run['id']}", json={"infrastructure_pid": "rack-a1:312"})
    await api.propose(ended, "COMPLETED")
    found = (await api.get("/heliostat/work_pools/yard/lanes")).json()
    told = [(each["name"], each["state_type"], each["end"] is None, each["place"]) for each in found["runs"]]
    assert told == [
        (ended["name"], "COMPLETED", False, "rack-a1"),
        (running["name"], "RUNNING", True, "rack-a1"),
    ]


@pytest.mark.parametrize("part", ["line", "lanes"])
async def test_a_pool_that_does_not_exist_is_not_found(api: Client, part: str) -> None:
    assert (await api.get(f"/heliostat/work_pools/none/{part}")).status_code == 404


async def test_a_limit_tells_who_holds_its_slots(api: Client) -> None:
    await api.post("/v2/concurrency_limits/", json={"name": "db", "limit": 3})
    run = await api.flow_run()
    taken = {
        "names": ["db"],
        "slots": 2,
        "lease_duration": 60,
        "holder": {"type": "flow_run", "id": run["id"]},
    }
    lease = (await api.post("/v2/concurrency_limits/increment-with-lease", json=taken)).json()
    [limit] = (await limits(api))["limits"]
    assert (limit["name"], limit["limit"], limit["active_slots"]) == ("db", 3, 2)
    [holder] = limit["holders"]
    told = (holder["slots"], holder["kind"], holder["name"], holder["flow_run_id"], holder["lease_id"])
    assert told == (2, "flow_run", run["name"], run["id"], lease["lease_id"])
    # A holder is released by its lease.
    answer = await api.post(
        "/v2/concurrency_limits/decrement-with-lease", json={"lease_id": holder["lease_id"]}
    )
    assert answer.status_code == 204
    [limit] = (await limits(api))["limits"]
    assert (limit["active_slots"], limit["holders"]) == (0, [])


async def test_a_limit_on_a_tag_names_the_task_run_and_its_flow_run(api: Client) -> None:
    await api.post("/concurrency_limits/", json={"tag": "io", "concurrency_limit": 1})
    run = await api.flow_run()
    task = await api.task_run(run)
    await api.post("/concurrency_limits/increment", json={"names": ["io"], "task_run_id": task["id"]})
    [limit] = (await limits(api))["limits"]
    [holder] = limit["holders"]
    assert (limit["name"], holder["id"], holder["flow_run_name"]) == ("tag:io", task["id"], run["name"])
    assert holder["name"] == task["name"]


async def test_a_deployment_with_a_limit_tells_who_has_its_slots(api: Client) -> None:
    deployment = await api.deployment(concurrency_limit=1)
    first, _ = [await api.run_of(deployment) for _ in range(2)]
    await api.propose(first, "PENDING")
    [limit] = (await limits(api))["deployments"]
    assert (limit["name"], limit["flow_name"], limit["limit"], limit["taken"], limit["waiting"]) == (
        "daily",
        "etl",
        1,
        1,
        1,
    )
    assert [holder["id"] for holder in limit["holders"]] == [first["id"]]
