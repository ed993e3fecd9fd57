"""Changes of many flow runs at once, as tracked jobs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4


async def ended(api: Any, job: dict[str, Any]) -> dict[str, Any]:
    while not job["ended"]:
        job = (await api.get(f"/heliostat/jobs/{job['id']}")).json()
    return job


async def state_of(api: Any, run: dict[str, Any]) -> str:
    return (await api.get(f"/flow_runs/{run['id']}")).json()["state_type"]


async def asked(api: Any, **body: Any) -> dict[str, Any]:
    answer = await api.post("/heliostat/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_all_runs_that_match_are_cancelled_and_no_other(api: Any) -> None:
    wanted = [await api.flow_run("PENDING", flow="etl") for _ in range(11)]
    other = await api.flow_run("PENDING", flow="train")
    job = await asked(api, verb="cancel", terms=[{"field": "flow", "values": ["etl"]}], label="flow:etl")
    assert (job["total"], job["asked"]["label"]) == (11, "flow:etl")
    done = await ended(api, job)
    assert (done["status"], done["outcomes"]) == ("done", {"done": 11})
    assert {await state_of(api, run) for run in wanted} <= {"CANCELLED", "CANCELLING"}
    assert await state_of(api, other) == "PENDING"
    listed = (await api.get("/heliostat/jobs")).json()
    assert [each["id"] for each in listed] == [job["id"]]


async def test_chosen_runs_get_the_state_that_was_asked_for(api: Any) -> None:
    one, two = await api.flow_run("RUNNING"), await api.flow_run("RUNNING")
    job = await asked(
        api,
        verb="set-state",
        flow_run_ids=[one["id"]],
        state={"type": "FAILED", "message": "by hand"},
        force=True,
    )
    await ended(api, job)
    assert (await api.get(f"/flow_runs/{one['id']}")).json()["state"]["message"] == "by hand"
    assert await state_of(api, two) == "RUNNING"


async def test_what_the_rules_refuse_is_told_with_its_reason(api: Any) -> None:
    run = await api.flow_run("COMPLETED")
    done = await ended(api, await asked(api, verb="cancel", flow_run_ids=[run["id"]]))
    assert done["outcomes"] == {"refused": 1}
    refused = (await api.get(f"/heliostat/jobs/{done['id']}/runs?outcome=refused")).json()
    assert refused[0]["flow_run_id"] == run["id"]
    assert refused[0]["reason"]


async def test_failed_runs_of_a_deployment_are_tried_again(api: Any) -> None:
    run = await api.run_of(await api.deployment())
    await api.propose(run, "FAILED", force=True)
    done = await ended(api, await asked(api, verb="retry", flow_run_ids=[run["id"]]))
    assert done["outcomes"] == {"done": 1}
    assert (await api.get(f"/flow_runs/{run['id']}")).json()["state_name"] == "AwaitingRetry"


async def test_runs_are_removed(api: Any) -> None:
    run = await api.flow_run("COMPLETED")
    await ended(api, await asked(api, verb="delete", flow_run_ids=[run["id"]]))
    assert (await api.get(f"/flow_runs/{run['id']}")).status_code == 404


async def test_a_job_that_has_not_begun_is_taken_back_as_a_whole(api: Any) -> None:
    run = await api.flow_run("PENDING")
    job = await asked(api, verb="cancel", flow_run_ids=[run["id"]], begins_in_s=60)
    assert job["status"] == "waiting"
    back = (await api.post(f"/heliostat/jobs/{job['id']}/cancel")).json()
    assert (back["status"], back["outcomes"]) == ("cancelled", {})
    assert await state_of(api, run) == "PENDING"


async def test_nothing_to_change_is_done_at_once_and_a_state_is_needed_to_set_one(api: Any) -> None:
    job = await asked(api, verb="cancel", flow_run_ids=[str(uuid4())])
    assert (job["status"], job["total"]) == ("done", 0)
    assert (await api.post("/heliostat/jobs", json={"verb": "set-state"})).status_code == 422
    assert (await api.get(f"/heliostat/jobs/{uuid4()}")).status_code == 404
    assert (await api.post(f"/heliostat/jobs/{uuid4()}/cancel")).status_code == 404
