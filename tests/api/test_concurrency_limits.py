"""Concurrency limits over the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

V2 = "/v2/concurrency_limits"


async def test_a_full_limit_answers_when_to_ask_again(api: Any) -> None:
    await api.post(f"{V2}/", json={"name": "api", "limit": 1})
    holder = {"type": "task_run", "id": str(uuid4())}
    asked = {"slots": 1, "names": ["api", "unknown"], "holder": holder}
    first = (await api.post(f"{V2}/increment-with-lease", json=asked)).json()
    assert [limit["name"] for limit in first["limits"]] == ["api"]
    full = await api.post(f"{V2}/increment-with-lease", json=asked)
    assert full.status_code == 423 and 0 < float(full.headers["Retry-After"]) <= 30
    lease = first["lease_id"]
    assert (await api.post(f"{V2}/leases/{lease}/renew")).status_code == 204
    for _ in range(2):
        answer = await api.post(f"{V2}/decrement-with-lease", json={"lease_id": lease})
        assert answer.status_code == 204
    assert (await api.post(f"{V2}/leases/{lease}/renew")).status_code == 410
    assert (await api.get(f"{V2}/api")).json()["active_slots"] == 0


async def test_a_limit_of_zero_names_no_time_to_ask_again(api: Any) -> None:
    """Clients asked for ever: the answer told them when a slot would be free, and none ever is."""
    await api.post("/concurrency_limits/", json={"tag": "off", "concurrency_limit": 0})
    body = {"names": ["off"], "task_run_id": str(uuid4())}
    refused = await api.post("/concurrency_limits/increment", json=body)
    assert refused.status_code == 423 and "Retry-After" not in refused.headers
    asked = {"slots": 1, "names": ["tag:off"]}
    assert (await api.post(f"{V2}/increment-with-lease", json=asked)).status_code == 422


async def test_what_can_never_be_granted_is_422(api: Any) -> None:
    limit = (await api.post(f"{V2}/", json={"name": "api", "limit": 1})).json()
    for body in (
        {"slots": 2, "names": ["api"]},
        {"slots": 1, "names": ["api"], "mode": "rate_limit"},
        {"slots": 0, "names": ["api"]},
        {"slots": 1, "names": []},
    ):
        assert (await api.post(f"{V2}/increment", json=body)).status_code == 422, body
    assert (await api.post(f"{V2}/", json={"name": "api", "limit": 1})).status_code == 409
    assert (await api.get(f"{V2}/{limit['id']}")).json()["name"] == "api"
    assert (await api.get(f"{V2}/nothing")).status_code == 404
    assert (await api.patch(f"{V2}/nothing", json={"limit": 1})).status_code == 404


async def test_limits_on_tags_show_the_task_runs_that_hold_slots(api: Any) -> None:
    made = await api.post("/concurrency_limits/", json={"tag": "gpu", "concurrency_limit": 1})
    again = await api.post("/concurrency_limits/", json={"tag": "gpu", "concurrency_limit": 2})
    assert (made.status_code, again.status_code) == (201, 200)
    one, two, three = (str(uuid4()) for _ in range(3))
    for task in (one, one, two):
        answer = await api.post(
            "/concurrency_limits/increment", json={"names": ["gpu", "cpu"], "task_run_id": task}
        )
        assert [limit["name"] for limit in answer.json()] == ["gpu"]
    full = await api.post("/concurrency_limits/increment", json={"names": ["gpu"], "task_run_id": three})
    assert full.status_code == 423 and 0 < float(full.headers["Retry-After"]) <= 10
    assert (await api.get("/concurrency_limits/tag/gpu")).json()["active_slots"] == [one, two]
    await api.post("/concurrency_limits/decrement", json={"names": ["gpu"], "task_run_id": one})
    assert (await api.get(f"{V2}/tag:gpu")).json()["active_slots"] == 1
    await api.post("/concurrency_limits/tag/gpu/reset", json={"slot_override": [three]})
    assert (await api.post("/concurrency_limits/filter")).json()[0]["active_slots"] == [three]
    assert (await api.delete("/concurrency_limits/tag/gpu")).status_code == 200
    assert (await api.get("/concurrency_limits/tag/gpu")).status_code == 404


async def test_limits_by_name_are_no_limits_on_tags(api: Any) -> None:
    limit = (await api.post(f"{V2}/", json={"name": "api", "limit": 1})).json()
    assert (await api.get(f"/concurrency_limits/{limit['id']}")).status_code == 404
    assert (await api.post("/concurrency_limits/filter")).json() == []


async def test_task_runs_that_are_moved_over_rest_take_slots_of_their_tags(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    await api.post("/concurrency_limits/", json={"tag": "database", "concurrency_limit": 1})
    first, second = [await api.task_run(run, key, tags=["database"]) for key in "12"]

    assert (await api.propose(first, "RUNNING", "task_runs")).json()["status"] == "ACCEPT"
    waits = (await api.propose(second, "RUNNING", "task_runs")).json()
    assert waits["status"] == "WAIT"
    assert "database" in waits["details"]["reason"]
    assert waits["state"]["type"] == "PENDING"
    limit = (await api.get("/concurrency_limits/tag/database")).json()
    assert limit["active_slots"] == [first["id"]]

    await api.propose(first, "COMPLETED", "task_runs")
    assert (await api.propose(second, "RUNNING", "task_runs")).json()["status"] == "ACCEPT"
    limit = (await api.get("/concurrency_limits/tag/database")).json()
    assert limit["active_slots"] == [second["id"]]


async def test_a_tag_whose_limit_is_zero_stops_task_runs(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    await api.post("/concurrency_limits/", json={"tag": "closed", "concurrency_limit": 0})
    task = await api.task_run(run, tags=["closed", "open"])
    assert (await api.propose(task, "RUNNING", "task_runs")).json()["status"] == "ABORT"
    # By force, as the standard has it, no limit is asked.
    assert (await api.propose(task, "RUNNING", "task_runs", force=True)).json()["status"] == "ACCEPT"
