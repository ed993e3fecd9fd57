"""Many at once, and what hangs on what goes."""

from __future__ import annotations

from typing import Any


async def test_states_are_proposed_one_by_one_and_each_answer_is_told(api: Any) -> None:
    waiting, ended = await api.flow_run("SCHEDULED"), await api.flow_run("COMPLETED")
    body = {
        "flow_runs": {"id": {"any_": [waiting["id"], ended["id"]]}},
        "state": {"type": "CANCELLING"},
    }
    answer = await api.post("/flow_runs/bulk_set_state", json=body)
    told = {each["flow_run_id"]: each for each in answer.json()["results"]}
    assert (told[waiting["id"]]["status"], told[waiting["id"]]["state"]["type"]) == ("REJECT", "CANCELLED")
    assert told[ended["id"]]["status"] == "ABORT"
    assert (await api.post("/flow_runs/bulk_set_state", json={**body, "limit": 51})).status_code == 422


async def test_no_more_than_the_limit_is_deleted(api: Any) -> None:
    for _ in range(3):
        await api.flow_run()
    answer = await api.post("/flow_runs/bulk_delete", json={"limit": 2})
    assert len(answer.json()["deleted"]) == 2
    assert (await api.post("/flow_runs/count")).json() == 1


async def test_a_flow_goes_with_its_deployments_and_their_schedules(api: Any) -> None:
    """Deployments without a flow were left: shown nowhere, and their schedules went on making runs."""
    deployment = await api.deployment(flow="gone", schedules=[{"schedule": {"interval": 60}}])
    kept = await api.deployment(flow="kept")
    await api.run_of(deployment)
    answer = await api.post("/flows/bulk_delete", json={"flows": {"name": {"any_": ["gone"]}}})
    assert answer.json()["deleted"] == [deployment["flow_id"]]
    assert (await api.get(f"/deployments/{deployment['id']}/schedules")).status_code == 404
    assert (await api.post("/flow_runs/count")).json() == 0
    assert (await api.get(f"/deployments/{kept['id']}")).status_code == 200


async def test_some_runs_of_a_deployment_are_made_though_others_are_wrong(api: Any) -> None:
    deployment = await api.deployment(work_pool_name="default")
    path = f"/deployments/{deployment['id']}/create_flow_run/bulk"
    answer = await api.post(path, json=[{}, {"job_variables": {"num_cpus": -1}}])
    made, failed = answer.json()["results"]
    assert (made["status"], failed["status"], "num_cpus" in failed["error"]) == ("CREATED", "FAILED", True)
    assert (await api.post("/flow_runs/count")).json() == 1
    assert (await api.post(path, json=[{}] * 101)).status_code == 400


async def test_a_run_without_a_deployment_waits_in_the_pool_that_is_named(api: Any) -> None:
    run = await api.flow_run("SCHEDULED", work_pool_name="default", job_variables={"num_cpus": 1})
    assert (run["work_pool_name"], run["work_queue_name"]) == ("default", "default")
    polled = (await api.post("/work_pools/default/get_scheduled_flow_runs")).json()
    assert [each["flow_run"]["id"] for each in polled] == [run["id"]]
    body = {"flow_id": run["flow_id"], "work_pool_name": "default", "job_variables": {"num_cpus": "x"}}
    assert (await api.post("/flow_runs/", json=body)).status_code == 422
    assert (await api.post("/flow_runs/", json={**body, "work_pool_name": "no"})).status_code == 404
