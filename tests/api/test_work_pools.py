"""Work pools, queues and workers over HTTP: what a polling worker sees, in order and within the limits."""

from __future__ import annotations

from typing import Any


async def polled(api: Any, pool: str = "yard", **body: Any) -> list[str]:
    answer = await api.post(f"/work_pools/{pool}/get_scheduled_flow_runs", json=body)
    assert answer.status_code == 200, answer.text
    return [each["flow_run"]["name"] for each in answer.json()]


async def test_a_pool_has_a_default_queue_and_is_ready_with_a_worker(api: Any) -> None:
    pool = await api.pool("yard")
    queue = (await api.get(f"/work_queues/{pool['default_queue_id']}")).json()
    assert (queue["name"], queue["work_pool_name"], queue["priority"]) == ("default", "yard", 1)
    assert (pool["status"], pool["active_slots"]) == ("NOT_READY", None)
    beat = {"name": "w1", "heartbeat_interval_seconds": 30}
    assert (await api.post("/work_pools/yard/workers/heartbeat", json=beat)).status_code == 204
    assert (await api.get("/work_pools/yard")).json()["status"] == "READY"
    online = {"workers": {"status": {"any_": ["ONLINE"]}}}
    offline = {"workers": {"status": {"any_": ["OFFLINE"]}}}
    (worker,) = (await api.post("/work_pools/yard/workers/filter", json=online)).json()
    assert (worker["name"], worker["status"], worker["heartbeat_interval_seconds"]) == ("w1", "ONLINE", 30)
    assert (await api.post("/work_pools/yard/workers/filter", json=offline)).json() == []
    await api.patch("/work_pools/yard", json={"is_paused": True})
    assert (await api.get("/work_pools/yard")).json()["status"] == "PAUSED"


WRONG_POOLS: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "yard"}, 409, "already"),
    ({"name": "Prefect-yard"}, 403, "reserved"),
    ({"name": "a%b"}, 422, "pattern"),
    ({"name": "other", "concurrency_limit": -1}, 422, "greater than or equal to 0"),
    ({"name": "other", "base_job_template": {"job_configuration": {"i": "{{ image }}"}}}, 422, "image"),
]


async def test_a_wrong_pool_is_refused(api: Any) -> None:
    await api.pool("yard")
    for fields, status, told in WRONG_POOLS:
        answer = await api.post("/work_pools/", json={"type": "process", **fields})
        assert (answer.status_code, told in answer.text) == (status, True), answer.text
    assert (await api.post("/work_pools/count")).json() == 2


async def test_places_that_do_not_exist_are_404(api: Any) -> None:
    await api.pool("yard")
    for method, path in (
        ("GET", "/work_pools/nowhere"),
        ("PATCH", "/work_pools/nowhere"),
        ("DELETE", "/work_pools/nowhere"),
        ("POST", "/work_pools/nowhere/queues/filter"),
        ("POST", "/work_pools/nowhere/workers/filter"),
        ("POST", "/work_pools/nowhere/get_scheduled_flow_runs"),
        ("GET", "/work_pools/yard/queues/nope"),
        ("DELETE", "/work_pools/yard/workers/nope"),
        ("GET", "/work_queues/name/nope"),
        ("GET", "/collections/views/nope"),
    ):
        answer = await api.request(method, path, json={} if method in ("POST", "PATCH") else None)
        assert (answer.status_code, list(answer.json())) == (404, ["detail"]), (method, path, answer.text)
    unknown = await api.post("/work_pools/yard/get_scheduled_flow_runs", json={"work_queue_names": ["nope"]})
    assert unknown.status_code == 404


async def test_workers_see_runs_by_priority_within_limits_and_not_what_is_paused(api: Any) -> None:
    await api.pool("yard")
    await api.post("/work_pools/yard/queues", json={"name": "fast", "priority": 1})
    slow = await api.deployment("slow", work_pool_name="yard")
    fast = await api.deployment("fast", work_pool_name="yard", work_queue_name="fast")
    for deployment, name in ((slow, "s1"), (slow, "s2"), (fast, "f1"), (fast, "f2")):
        await api.run_of(deployment, name=name)
    assert await polled(api) == ["f1", "f2", "s1", "s2"]
    assert await polled(api, limit=3) == ["f1", "f2", "s1"]
    assert await polled(api, work_queue_names=["default"]) == ["s1", "s2"]
    assert await polled(api, scheduled_before="2000-01-01 00:00:00+00:00") == []
    assert (await api.get("/work_pools/yard/queues/fast")).json()["status"] == "READY"
    assert (await api.get(f"/deployments/{fast['id']}")).json()["status"] == "READY"
    await api.patch("/work_pools/yard/queues/fast", json={"concurrency_limit": 1})
    assert await polled(api) == ["f1", "s1", "s2"]
    await api.patch("/work_pools/yard", json={"concurrency_limit": 2})
    assert await polled(api) == ["f1", "s1"]
    await api.patch("/work_pools/yard/queues/fast", json={"is_paused": True})
    assert await polled(api) == ["s1", "s2"]


async def test_who_takes_the_slots_is_told(api: Any) -> None:
    await api.pool("yard", concurrency_limit=4)
    deployment = await api.deployment(work_pool_name="yard")
    runs = [await api.run_of(deployment, name=f"r{number}") for number in range(3)]
    for run in runs[:2]:
        await api.propose(run, "PENDING")
    assert (await api.get("/work_pools/yard")).json()["active_slots"] == 2
    of_pool = (await api.post("/work_pools/yard/concurrency_status", json={"flow_run_limit": 1})).json()
    assert (of_pool["active_slots"], of_pool["queues"][0]["flow_run_count"]) == (2, 2)
    assert [run["name"] for run in of_pool["queues"][0]["flow_runs"]] == ["r0"]
    path = f"/work_queues/{deployment['work_queue_id']}"
    of_queue = (await api.post(f"{path}/concurrency_status", json={"limit": 1, "page": 2})).json()
    assert ([run["name"] for run in of_queue["flow_runs"]], of_queue["pages"]) == (["r1"], 2)
    waiting = await api.post(f"{path}/get_runs", headers={"x-prefect-ui": "true"})
    assert [run["name"] for run in waiting.json()] == ["r2"]
    assert (await api.get(f"{path}/status")).json()["healthy"] is False
    await api.post(f"{path}/get_runs")
    assert (await api.get(f"{path}/status")).json()["healthy"] is True


async def test_a_pool_keeps_its_default_queue(api: Any) -> None:
    pool = await api.pool("yard")
    for path in ("/work_pools/yard/queues/default", f"/work_queues/{pool['default_queue_id']}"):
        assert (await api.delete(path)).status_code == 403
    assert (await api.post("/work_pools/yard/queues", json={"name": "default"})).status_code == 409
    assert (await api.delete("/work_pools/yard")).status_code == 204


async def test_the_kinds_of_pools_come_with_their_templates(api: Any) -> None:
    """A pool that is made without a template has the one of its kind."""
    view = (await api.get("/collections/views/aggregate-worker-metadata")).json()
    kinds = {**view["heliostat"], **view["prefect"]}
    assert {"ray", "process"} <= set(kinds)
    assert "working_dir" in str(kinds["process"]["default_base_job_configuration"])
    made = await api.pool("yard")
    assert made["base_job_template"] == kinds["process"]["default_base_job_configuration"]
    assert (await api.pool("odd", kind="of-a-plugin"))["base_job_template"] == {}
