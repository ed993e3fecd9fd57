"""Deployments over HTTP: replaced and changed as the standard says; wrong ones change nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["x"],
}


async def read(api: Any, deployment: dict[str, Any]) -> dict[str, Any]:
    return (await api.get(f"/deployments/{deployment['id']}")).json()


async def runs_of(api: Any, deployment: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"deployments": {"id": {"any_": [deployment["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
    return (await api.post("/flow_runs/filter", json=body)).json()


async def test_a_post_of_what_is_there_replaces_what_it_says_and_the_schedules(api: Any) -> None:
    """As in the standard: fields that the body leaves out stay, schedules are always made anew."""
    revision = "a" * 64
    steps = [{"heliostat.code_package": {"revision": revision}}]
    first = await api.deployment(tags=["a"], schedules=[{"schedule": {"interval": 3600}}], pull_steps=steps)
    assert first["schedules"][0]["schedule"]["interval"] == 3600.0
    again = await api.post("/deployments/", json={"flow_id": first["flow_id"], "name": "daily"})
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["created"]) == (first["id"], first["created"])
    assert (again.json()["tags"], again.json()["schedules"], again.json()["pull_steps"]) == (["a"], [], steps)
    await api.post(f"/deployments/{first['id']}/pause_deployment")
    said = {"flow_id": first["flow_id"], "name": "daily", "tags": ["b"], "pull_steps": None}
    again = await api.post("/deployments/", json=said)
    assert (again.json()["tags"], again.json()["paused"], again.json()["pull_steps"]) == (["b"], True, None)
    by_name = await api.get("/deployments/name/etl/daily")
    assert by_name.json() == again.json()
    assert (await api.get("/deployments/name/etl/nightly")).json() == {"detail": "Deployment not found"}


async def test_a_queue_alone_is_made_in_the_default_pool(api: Any) -> None:
    """The pool is there from the first start, and of our own kind: no worker is needed."""
    assert (await api.deployment("poolless"))["work_pool_name"] is None
    deployment = await api.deployment(work_queue_name="urgent")
    assert (deployment["work_pool_name"], deployment["work_queue_name"]) == ("default", "urgent")
    pool = (await api.get("/work_pools/default")).json()
    assert (pool["type"], "num_cpus" in pool["base_job_template"]["variables"]["properties"]) == ("ray", True)


async def test_a_default_pool_that_was_deleted_is_made_again_by_who_needs_it(api: Any) -> None:
    """Once somebody had deleted the default pool, no queue could be made without naming a pool, and a
    deployment that names a queue only was refused with "the flow does not exist", which was false. Whoever
    names a queue and no pool finds the default pool, made again where it is gone; a named one is not made.
    """
    flow_id = (await api.flow())["id"]
    plain = await api.deployment("plain")

    async def gone() -> None:
        assert (await api.delete("/work_pools/default")).status_code == 204

    await gone()
    for name in ("urgent", "default"):
        queue = await api.post("/work_queues/", json={"name": name})
        assert (queue.status_code, queue.json()["work_pool_name"]) == (201, "default")
        assert (await api.post("/work_queues/", json={"name": name})).status_code == 409
        await gone()
    deployment = await api.deployment(work_queue_name="urgent")
    assert (deployment["work_pool_name"], deployment["work_queue_name"]) == ("default", "urgent")
    await gone()
    run = await api.post("/flow_runs/", json={"flow_id": flow_id, "work_queue_name": "slow"})
    assert (run.status_code, run.json()["work_pool_name"]) == (201, "default")
    await gone()
    moved = await api.patch(f"/deployments/{plain['id']}", json={"work_queue_name": "urgent"})
    assert (moved.status_code, (await read(api, plain))["work_pool_name"]) == (204, "default")
    await gone()
    named = {"flow_id": flow_id, "name": "named", "work_pool_name": "default"}
    for path in ("/deployments/", "/flow_runs/"):
        body = named if path == "/deployments/" else {"flow_id": flow_id, "work_pool_name": "default"}
        refused = await api.post(path, json=body)
        assert (refused.status_code, refused.json()["detail"][:29]) == (404, 'Work pool "default" not found')
    nobody = str(uuid4())
    for path in ("/deployments/", "/flow_runs/"):
        body = {"flow_id": nobody, "work_queue_name": "urgent"}
        refused = await api.post(path, json={**body, "name": "x"})
        assert (refused.status_code, nobody in refused.text) == (409, True)
    assert (await api.post("/work_pools/count")).json() == 0


WRONG_DEPLOYMENTS: list[tuple[dict[str, Any], int, str]] = [
    ({"work_pool_name": "nowhere"}, 404, "nowhere"),
    ({"flow_id": str(uuid4())}, 409, "does not exist"),
    ({"parameters": {"x": "many"}, "parameter_openapi_schema": SCHEMA}, 409, "x: 'many' is not of type"),
    ({"work_pool_name": "default", "job_variables": {"cpus": 1}}, 422, "did you mean num_cpus?"),
    ({"schedules": [{"schedule": {"cron": "61 * * * *"}}]}, 422, "cron"),
    ({"schedules": [{"schedule": {"rrule": "FREQ=OFTEN"}}]}, 422, "rrule"),
    ({"schedules": [{"schedule": {"cron": "@daily", "timezone": "Moon/Crater"}}]}, 422, "timezone"),
    ({"schedules": [{"schedule": {"interval": 60}, "slug": s} for s in "aa"]}, 409, "same slug"),
    ({"global_concurrency_limit_id": str(uuid4())}, 404, "limit not found"),
    ({"name": "a/b"}, 422, "pattern"),
    ({"colour": "red"}, 422, "colour"),
]


async def test_a_wrong_deployment_is_refused_and_nothing_is_made(api: Any) -> None:
    flow = await api.flow()
    for fields, status, told in WRONG_DEPLOYMENTS:
        answer = await api.post("/deployments/", json={"flow_id": flow["id"], "name": "daily", **fields})
        assert (answer.status_code, told in answer.text) == (status, True), answer.text
    assert (await api.post("/deployments/count")).json() == 0


async def test_a_patch_changes_only_what_it_says(api: Any) -> None:
    await api.pool("yard")
    before = await api.deployment(tags=["a"], parameters={"x": 1}, description="old", version="1")
    path = f"/deployments/{before['id']}"
    assert (await api.patch(path, json={"description": "new", "work_pool_name": "yard"})).status_code == 204
    after = await read(api, before)
    assert (after["description"], after["work_pool_name"], after["work_queue_name"]) == (
        "new",
        "yard",
        "default",
    )
    assert (after["tags"], after["parameters"], after["version"]) == (["a"], {"x": 1}, "1")
    schema = await api.patch(path, json={"parameter_openapi_schema": SCHEMA, "parameters": {"x": "?"}})
    variables = await api.patch(path, json={"job_variables": {"environment": {}}})
    assert (schema.status_code, variables.status_code) == (409, 422)
    assert await read(api, before) == after


async def test_a_patch_checks_the_parameters_of_schedules_as_a_post_does(api: Any) -> None:
    before = await api.deployment(parameter_openapi_schema=SCHEMA)
    path = f"/deployments/{before['id']}"
    wrong = [{"schedule": {"cron": "@daily"}, "slug": "s", "parameters": {"x": "many"}}]
    refused = await api.patch(path, json={"schedules": wrong, "tags": ["new"]})
    assert (refused.status_code, "x: 'many' is not of type" in refused.text) == (409, True)
    assert await read(api, before) == before
    loose = {"schedules": wrong, "enforce_parameter_schema": False}
    assert (await api.patch(path, json=loose)).status_code == 204
    strict = await api.patch(path, json={"enforce_parameter_schema": True})
    assert (strict.status_code, "x: 'many'" in strict.text) == (409, True)


async def test_deployments_are_checked_without_being_made(api: Any) -> None:
    await api.pool("yard")
    several = {
        "name": "b",
        "work_pool_name": "nowhere",
        "parameters": {"x": "many"},
        "parameter_openapi_schema": SCHEMA,
        "schedules": [
            {"schedule": {"interval": 60}, "slug": "s", "parameters": {"x": "?"}},
            {"schedule": {"interval": 60}, "slug": "s"},
        ],
    }
    checked = await api.post(
        "/heliostat/deployments/check",
        json=[{"name": "a", "work_pool_name": "yard"}, several, {"name": "c", "concurrency_limit": 0}],
    )
    assert checked.status_code == 200
    right, four, limit = checked.json()
    assert right == [] and len(four) == 4 and limit[0].startswith("concurrency_limit: ")
    for words in ("x: 'many'", "schedules[0]: ", "same slug", "'nowhere' not found"):
        assert sum(words in each for each in four) == 1, (words, four)
    assert (await api.post("/deployments/count")).json() == 0


async def test_schedules_are_matched_by_their_slugs(api: Any) -> None:
    deployment = await api.deployment(
        schedules=[{"schedule": {"interval": 60}, "slug": slug} for slug in ("a", "b")]
    )
    path = f"/deployments/{deployment['id']}"
    sent = [{"slug": "a2", "replaces": "a", "active": False}, {"slug": "c", "schedule": {"cron": "@daily"}}]
    assert (await api.patch(path, json={"schedules": sent})).status_code == 204
    now = {each["slug"]: each for each in (await api.get(f"{path}/schedules")).json()}
    assert set(now) == {"a2", "b", "c"}
    assert (now["a2"]["active"], now["a2"]["schedule"]["interval"], now["b"]["active"]) == (False, 60.0, True)
    without = await api.patch(path, json={"schedules": [{"schedule": {"interval": 1}}]})
    taken = await api.post(f"{path}/schedules", json=[{"schedule": {"interval": 1}, "slug": s} for s in "db"])
    assert (without.status_code, taken.status_code) == (422, 409)
    assert len((await api.get(f"{path}/schedules")).json()) == 3


async def test_runs_are_made_ahead_on_demand_and_go_with_their_schedule(api: Any) -> None:
    deployment = await api.deployment(
        parameters={"x": 1}, schedules=[{"schedule": {"interval": 3600}, "slug": "hourly"}]
    )
    path = f"/deployments/{deployment['id']}"
    end = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
    for _ in range(2):
        await api.post(f"{path}/schedule", json={"end_time": end, "min_runs": 5})
    runs = await runs_of(api, deployment)
    assert len(runs) == 5
    assert {run["auto_scheduled"] for run in runs} == {True}
    assert runs[0]["created_by"]["display_value"] == "hourly"
    assert (await api.post(f"{path}/pause_deployment")).status_code == 200
    assert await runs_of(api, deployment) == []
    assert (await read(api, deployment))["paused"] is True
    backwards = {"start_time": end, "end_time": datetime.now(UTC).isoformat()}
    assert (await api.post(f"{path}/schedule", json=backwards)).status_code == 422


async def test_a_run_is_the_deployment_overlaid_by_what_is_asked(api: Any) -> None:
    await api.pool("yard")
    deployment = await api.deployment(
        work_pool_name="yard",
        parameters={"x": 1, "note": "old"},
        parameter_openapi_schema=SCHEMA,
        tags=["a"],
        job_variables={"env": {"A": "1"}},
    )
    written = {"__prefect_kind": "json", "value": '"new"'}
    run = await api.run_of(
        deployment,
        parameters={"note": written},
        tags=["b"],
        job_variables={"env": {"B": "2"}},
        work_queue_name="fast",
        idempotency_key="once",
        name=None,
    )
    assert (run["parameters"], run["tags"], run["job_variables"]) == (
        {"x": 1, "note": "new"},
        ["a", "b"],
        {"env": {"B": "2"}},
    )
    assert (run["work_pool_name"], run["work_queue_name"], run["state_name"]) == ("yard", "fast", "Scheduled")
    assert run["labels"]["prefect.deployment.id"] == deployment["id"]
    path = f"/deployments/{deployment['id']}/create_flow_run"
    again = await api.post(path, json={"idempotency_key": "once"})
    assert (again.status_code, again.json()["id"]) == (200, run["id"])


WRONG_RUNS: list[tuple[dict[str, Any], int, str]] = [
    ({"parameters": {"x": "many"}}, 409, "x: 'many' is not of type 'integer'"),
    ({}, 409, "x: is missing"),
    ({"parameters": {"x": {"__prefect_kind": "json", "value": "{"}}}, 400, "x: '{' is no JSON"),
    ({"parameters": {"x": {"__prefect_kind": "jinja", "template": "{{ 1 / 0 }}"}}}, 400, "rendered"),
    ({"parameters": {"x": 1}, "job_variables": {"isolation": "none"}}, 422, "isolation"),
]


async def test_a_wrong_run_is_refused_and_nothing_is_made(api: Any) -> None:
    deployment = await api.deployment(work_pool_name="default", parameter_openapi_schema=SCHEMA)
    for fields, status, told in WRONG_RUNS:
        answer = await api.post(f"/deployments/{deployment['id']}/create_flow_run", json=fields)
        assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text
    assert (await api.post("/flow_runs/count")).json() == 0
    unchecked = {"parameters": {"x": "many"}, "enforce_parameter_schema": False}
    assert (await api.run_of(deployment, **unchecked))["parameters"] == {"x": "many"}


async def test_runs_are_polled_by_whoever_serves_a_deployment(api: Any) -> None:
    """Moments come with a blank in place of the T from runners."""
    served, other = await api.deployment("served"), await api.deployment("other")
    run, _ = await api.run_of(served), await api.run_of(other)
    soon = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2999-01-01T00:00:00Z"}}
    await api.run_of(served, state=soon)
    body = {"deployment_ids": [served["id"]], "scheduled_before": str(datetime.now(UTC))}
    polled = await api.post("/deployments/get_scheduled_flow_runs", json=body)
    assert [each["id"] for each in polled.json()] == [run["id"]]
    assert ((await read(api, served))["status"], (await read(api, other))["status"]) == ("READY", "NOT_READY")


@pytest.mark.parametrize(("strategy", "state"), [("ENQUEUE", "SCHEDULED"), ("CANCEL_NEW", "CANCELLED")])
async def test_no_more_runs_than_the_deployments_limit_become_pending(
    api: Any, strategy: str, state: str
) -> None:
    deployment = await api.deployment(
        concurrency_limit=1, concurrency_options={"collision_strategy": strategy}
    )
    first, second = await api.run_of(deployment), await api.run_of(deployment)
    assert (await api.propose(first, "PENDING")).json()["status"] == "ACCEPT"
    assert (await api.propose(first, "PENDING", name="Submitting")).json()["status"] == "ACCEPT"
    refused = (await api.propose(second, "PENDING")).json()
    assert (refused["status"], refused["state"]["type"]) == ("REJECT", state)
    limit = (await read(api, deployment))["global_concurrency_limit"]
    assert (limit["limit"], limit["active_slots"]) == (1, 1)
    if strategy == "ENQUEUE":
        assert refused["state"]["name"] == "AwaitingConcurrencySlot"
        for ending in ("RUNNING", "COMPLETED"):
            await api.propose(first, ending)
        assert (await api.propose(second, "PENDING")).json()["status"] == "ACCEPT"


async def test_deployments_share_a_limit_until_it_is_gone(api: Any) -> None:
    limit = (await api.post("/v2/concurrency_limits/", json={"name": "both", "limit": 2})).json()
    shared = {"global_concurrency_limit_id": limit["id"]}
    one, other = await api.deployment(name="one", **shared), await api.deployment(name="other")
    assert (await api.patch(f"/deployments/{other['id']}", json=shared)).status_code == 204
    runs = [await api.run_of(each) for each in (one, other, one)]
    told = [(await api.propose(run, "PENDING")).json()["status"] for run in runs]
    assert told == ["ACCEPT", "ACCEPT", "REJECT"]
    shown = (await read(api, one))["global_concurrency_limit"]
    assert (shown["name"], shown["limit"], shown["active_slots"]) == ("both", 2, 2)
    # Those who ask for slots by name see them, too.
    asked = {"names": ["both"], "slots": 1, "mode": "concurrency"}
    assert (await api.post("/v2/concurrency_limits/increment", json=asked)).status_code == 423
    await api.propose(runs[1], "CANCELLED", force=True)
    assert (await api.post("/v2/concurrency_limits/increment", json=asked)).status_code == 200
    assert (await api.propose(runs[2], "PENDING")).json()["status"] == "REJECT"
    # A limit of its own takes the other's place, and so does the end of the shared one.
    assert (await api.patch(f"/deployments/{other['id']}", json={"concurrency_limit": 5})).status_code == 204
    assert (await read(api, other))["global_concurrency_limit"]["name"] == f"deployment:{other['id']}"
    assert (await api.delete(f"/v2/concurrency_limits/{limit['id']}")).status_code == 204
    assert (await read(api, one))["global_concurrency_limit"] is None
    assert (await api.propose(runs[2], "PENDING")).json()["status"] == "ACCEPT"


async def test_of_runs_that_are_proposed_at_once_only_as_many_as_fit_are_accepted(api: Any) -> None:
    deployment = await api.deployment(concurrency_limit=2)
    runs = [await api.run_of(deployment) for _ in range(6)]
    answers = await asyncio.gather(*(api.propose(run, "PENDING") for run in runs))
    told = sorted(answer.json()["status"] for answer in answers)
    assert told == ["ACCEPT"] * 2 + ["REJECT"] * 4


async def test_a_scheduled_run_can_be_given_other_job_variables(api: Any) -> None:
    deployment = await api.deployment(work_pool_name="default")
    run, without = await api.run_of(deployment), await api.flow_run("SCHEDULED")
    path = f"/flow_runs/{run['id']}"
    assert (await api.patch(path, json={"job_variables": {"num_cpus": 2}})).status_code == 204
    assert (await api.get(path)).json()["job_variables"] == {"num_cpus": 2}
    assert (await api.patch(path, json={"job_variables": {"num_cpus": -1}})).status_code == 422
    other = await api.patch(f"/flow_runs/{without['id']}", json={"job_variables": {"num_cpus": 2}})
    await api.propose(run, "PENDING")
    late = await api.patch(path, json={"job_variables": {"num_cpus": 3}})
    assert (other.status_code, late.status_code) == (400, 400)


async def test_deployments_are_found_by_all_kinds_of_filters(api: Any) -> None:
    await api.pool("yard")
    one = await api.deployment("one", tags=["x", "y"], work_pool_name="yard")
    two = await api.deployment("two", flow="other", paused=True)
    run = await api.run_of(two)

    async def named(**body: Any) -> list[str]:
        found = await api.post("/deployments/filter", json=body)
        count = await api.post("/deployments/count", json=body)
        assert count.json() == len(found.json()), count.text
        return [each["name"] for each in found.json()]

    assert await named() == ["one", "two"]
    assert await named(deployments={"tags": {"all_": ["x"]}}) == ["one"]
    assert await named(deployments={"flow_or_deployment_name": {"like_": "OTH"}}) == ["two"]
    assert await named(deployments={"paused": {"eq_": True}}) == ["two"]
    assert await named(flows={"name": {"any_": ["etl"]}}) == ["one"]
    assert await named(flow_runs={"id": {"any_": [run["id"]]}}) == ["two"]
    assert await named(work_pools={"name": {"any_": ["yard"]}}) == ["one"]
    assert await named(work_pool_queues={"name": {"any_": ["default"]}}) == ["one"]
    page = (await api.post("/deployments/paginate", json={"sort": "NAME_DESC", "limit": 1, "page": 2})).json()
    assert ([each["id"] for each in page["results"]], page["pages"]) == ([one["id"]], 2)
