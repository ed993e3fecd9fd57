"""Answers that the standard's client and pages look into: statuses, shapes and words that they branch on.

Each was wrong once, or differed from the standard's server when both were asked side by side. The rule: where
a client compares a text, the text is the standard's; where it reads a key of an error, that key is there.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

NOBODY = str(uuid4())
TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": {"x": ["{{ env.y }}", "{{ $HOME }}"]}},
    "variables": {"type": "object", "properties": {"command": {"type": "string"}, "env": {}}},
}
PAGED = [
    "/flows/filter",
    "/flow_runs/paginate",
    "/task_runs/filter",
    "/deployments/filter",
    "/logs/filter",
    "/work_pools/filter",
    "/work_pools/yard/queues/filter",
    "/work_pools/yard/workers/filter",
    "/work_pools/yard/get_scheduled_flow_runs",
    "/work_queues/filter",
    "/concurrency_limits/filter",
    "/v2/concurrency_limits/filter",
    "/variables/filter",
    "/artifacts/latest/filter",
    "/block_documents/filter",
    "/saved_searches/filter",
    "/automations/filter",
]


async def test_a_limit_beyond_the_page_is_told_in_words_that_clients_look_for(api: Any) -> None:
    """`flow-run logs --head 250` of the standard's client asks for 250, and goes on page by page when the
    answer says "Invalid limit"; a mere "less than or equal to" ended it.
    """
    for path in PAGED:
        for limit, words in ((201, "less than or equal to 200"), (-1, "greater than or equal to 0")):
            answer = await api.post(path, json={"limit": limit})
            assert (answer.status_code, answer.json()) == (
                422,
                {"detail": f"Invalid limit: must be {words}."},
            ), path
        for limit in (0, 200, None):
            assert (await api.post(path, json={"limit": limit})).status_code in (200, 404), path


async def test_limits_that_are_no_pages_keep_the_shape_of_faults(api: Any) -> None:
    """The client shows `exception_detail[0]["msg"]` of a refused concurrency limit."""
    refused = await api.post("/v2/concurrency_limits/", json={"name": "db", "limit": -1})
    assert refused.json()["exception_detail"][0]["msg"] == "Input should be greater than or equal to 0"
    for path, limit in (("/events/filter", 51), ("/flow_runs/bulk_delete", 51)):
        refused = await api.post(path, json={"limit": limit})
        assert (refused.status_code, refused.json()["exception_detail"][0]["loc"]) == (
            422,
            ["body", "limit"],
        ), path


async def test_a_protected_block_type_is_refused_in_the_words_that_clients_compare(api: Any) -> None:
    secret = (await api.get("/block_types/slug/secret")).json()
    refused = await api.delete(f"/block_types/{secret['id']}")
    assert (refused.status_code, refused.json()) == (
        403,
        {"detail": "protected block types cannot be deleted."},
    )


async def test_what_lies_deeper_is_missed_in_the_deeper_form(api: Any) -> None:
    content = {"name": "a", "trigger": {"posture": "Reactive", "expect": ["x"]}, "actions": []}
    for method, path, body in (
        ("GET", f"/automations/{NOBODY}", None),
        ("PUT", f"/automations/{NOBODY}", content),
        ("PATCH", f"/automations/{NOBODY}", {"enabled": False}),
        ("DELETE", f"/automations/{NOBODY}", None),
        ("GET", f"/flow_runs/{NOBODY}/graph", None),
        ("GET", f"/flow_runs/{NOBODY}/graph-v2", None),
        ("PATCH", f"/flow_runs/{NOBODY}/labels", {"a": "b"}),
        ("POST", f"/work_queues/{NOBODY}/get_runs", {}),
        ("GET", f"/work_queues/{NOBODY}/status", None),
    ):
        answer = await api.request(method, path, json=body)
        assert (answer.status_code, list(answer.json())) == (404, ["exception_message"]), (method, path)


async def test_tags_come_back_in_the_order_in_which_they_were_given(api: Any) -> None:
    given = ["b", "c", "a"]
    flow = await api.flow("sorted", tags=given)
    deployment = await api.deployment("sorted", tags=given)
    run = await api.flow_run(tags=given)
    kept = [flow, deployment, run, await api.task_run(run, tags=given)]
    kept.append((await api.post("/variables/", json={"name": "v", "value": 1, "tags": given})).json())
    started = await api.run_of(deployment, tags=["d", "b"])
    assert [each["tags"] for each in kept] == [given] * 5
    assert started["tags"] == ["b", "c", "a", "d"]
    await api.patch(f"/deployments/{deployment['id']}", json={"tags": ["z", "a"]})
    await api.patch(f"/flows/{flow['id']}", json={"tags": ["z", "a"]})
    for path in (f"/deployments/{deployment['id']}", f"/flows/{flow['id']}"):
        assert (await api.get(path)).json()["tags"] == ["z", "a"]


@pytest.mark.parametrize("name", ["", " ", "\t", '""', "''", " ' \" "])
async def test_names_of_nothing_are_refused(api: Any, name: str) -> None:
    await api.pool("yard")
    flow_id = (await api.flow())["id"]
    for path, body in (
        ("/work_pools/", {"name": name}),
        ("/work_queues/", {"name": name}),
        ("/work_pools/yard/queues", {"name": name}),
        ("/deployments/", {"name": name, "flow_id": flow_id}),
        ("/variables/", {"name": name, "value": 1}),
    ):
        refused = await api.post(path, json=body)
        assert (refused.status_code, refused.json()["exception_detail"][0]["loc"]) == (
            422,
            ["body", "name"],
        ), path
    assert (await api.patch("/work_pools/yard/queues/default", json={"name": name})).status_code == 422


WRONG_TEMPLATES: list[tuple[dict[str, Any], str]] = [
    ({"job_configuration": {"a": 1}}, "must contain both a `job_configuration` key and a `variables` key"),
    ({"variables": {"properties": {"a": {}}}}, "must contain both"),
    ({"job_configuration": {}, "variables": {}}, "must contain both"),
    ({"colour": "red"}, "must contain both"),
    ({**TEMPLATE, "job_configuration": {"a": ["{{ comand }} {{ image }}"]}}, "variable(s): comand, image."),
]


async def test_templates_are_checked_in_the_shape_of_faults(api: Any) -> None:
    await api.pool("yard", base_job_template=TEMPLATE)
    for template, told in WRONG_TEMPLATES:
        for method, path in (("POST", "/work_pools/"), ("PATCH", "/work_pools/yard")):
            body = {"base_job_template": template} | ({"name": "other"} if method == "POST" else {})
            refused = await api.request(method, path, json=body)
            (fault,) = refused.json()["exception_detail"]
            assert (refused.status_code, fault["loc"]) == (422, ["body", "base_job_template"])
            assert told in fault["msg"]
    wider = {**TEMPLATE, "notes": "of the team"}
    for template in (wider, {}):
        assert (await api.patch("/work_pools/yard", json={"base_job_template": template})).status_code == 204
        assert (await api.get("/work_pools/yard")).json()["base_job_template"] == template


async def test_defaults_of_a_new_template_have_to_fit_and_their_blocks_to_be_there(api: Any) -> None:
    def template(default: Any) -> dict[str, Any]:
        properties = {"command": {"type": "string", "default": default}, "env": {}}
        return {**TEMPLATE, "variables": {"type": "object", "properties": properties}}

    secret = (await api.get("/block_types/slug/secret")).json()
    asked = {"block_schemas": {"block_type_id": {"any_": [secret["id"]]}}}
    (schema,) = (await api.post("/block_schemas/filter", json=asked)).json()
    body = {
        "name": "s",
        "data": {"value": "x"},
        "block_schema_id": schema["id"],
        "block_type_id": secret["id"],
    }
    block = (await api.post("/block_documents/", json=body)).json()
    for default, status in (
        (7, 422),
        ({"$ref": {"block_document_id": NOBODY}}, 404),
        ({"$ref": {"block_document_id": "x"}}, 404),
        ({"$ref": {"block_document_id": block["id"]}}, 201),
    ):
        made = await api.post("/work_pools/", json={"name": "yard", "base_job_template": template(default)})
        assert (made.status_code, status in (201,) or list(made.json()) == ["detail"]) == (status, True)


@pytest.mark.parametrize(
    ("user_agent", "knows"),
    [
        ("prefect/3.3.7 (API 0.8.4)", False),
        ("prefect/3.0.0rc1 (API 0.8.4)", False),
        ("prefect/3.3.8 (API 0.8.4)", True),
        ("prefect/3.3.8.dev1 (API 0.8.4)", True),
        ("prefect/3.10.0 (API 0.8.4)", True),
        ("a-browser", True),
    ],
)
async def test_older_clients_get_no_fields_that_they_do_not_know(
    api: Any, user_agent: str, knows: bool
) -> None:
    """They refuse a pool whose storage configuration has a key that came later."""
    headers = {"user-agent": user_agent}
    made = await api.post("/work_pools/", json={"name": "yard"}, headers=headers)
    asked = {"work_pools": {"name": {"any_": ["yard"]}}}
    (listed,) = (await api.post("/work_pools/filter", json=asked, headers=headers)).json()
    read = (await api.get("/work_pools/yard", headers=headers)).json()
    for pool in (made.json(), listed, read):
        assert ("default_result_storage_block_id" in pool["storage_configuration"]) is knows
        assert "bundle_upload_step" in pool["storage_configuration"]


async def test_a_block_document_needs_a_schema_of_its_type_and_a_plain_name(api: Any) -> None:
    kinds: list[tuple[str, str]] = []
    for slug in ("shop", "store"):
        made = (await api.post("/block_types/", json={"name": slug, "slug": slug})).json()
        fields = {"title": slug, "type": "object", "properties": {}, "block_type_slug": slug}
        body = {"fields": fields, "block_type_id": made["id"], "capabilities": ["sell", "buy"]}
        schema = (await api.post("/block_schemas/", json=body)).json()
        assert (schema["capabilities"], schema["fields"]["block_schema_references"]) == (["sell", "buy"], {})
        kinds.append((made["id"], schema["id"]))
    (shop, of_shop), (store, of_store) = kinds

    async def saved(name: str | None, type_id: str, schema_id: str, **more: Any) -> Any:
        body = {"name": name, "block_type_id": type_id, "block_schema_id": schema_id, **more}
        return await api.post("/block_documents/", json=body)

    for type_id, schema_id in ((shop, of_store), (store, of_shop), (shop, NOBODY), (NOBODY, of_shop)):
        assert (await saved("mine", type_id, schema_id)).status_code == 409
    for name in ("A", "a b", "a_b", " "):
        assert (await saved(name, shop, of_shop)).status_code == 422
    kept = await saved("annie", shop, of_shop, is_anonymous=True)
    assert (kept.status_code, kept.json()["name"]) == (201, "annie")
    assert (await saved(None, shop, of_shop, is_anonymous=True)).status_code == 201


async def test_the_process_pool_is_found_where_clients_look_for_it(api: Any) -> None:
    """Pages offered no process pool and clients failed on the key: the kind was told of another package."""
    view = (await api.get("/collections/views/aggregate-worker-metadata")).json()
    process = view["prefect"]["process"]
    variables = process["default_base_job_configuration"]["variables"]["properties"]
    assert set(variables) == {"name", "env", "labels", "command", "stream_output", "working_dir"}
    assert process["type"] == "process" and "process" not in view["heliostat"]
    assert {"ray"} <= set(view["heliostat"])
    assert (await api.pool("yard"))["base_job_template"] == process["default_base_job_configuration"]


async def test_head_is_answered_where_get_is(api: Any) -> None:
    flow = await api.flow()
    for path in ("/health", "/ready", "/version", "/admin/version", f"/flows/{flow['id']}", "/flows/name/no"):
        asked, whole = await api.head(path), await api.get(path)
        assert (asked.status_code, asked.content) == (whole.status_code, b""), path
        assert asked.headers["content-type"] == whole.headers["content-type"]
    assert (await api.head("/flows/filter")).status_code == 405


async def test_small_things_are_as_in_the_standard(api: Any) -> None:
    pool = await api.pool("agents", kind="prefect-agent")
    assert pool["status"] is None
    for name, priority in (("far", 9), ("near", None), ("next", None)):
        body = {"name": name, "priority": priority, "description": None}
        queue = (await api.post("/work_pools/agents/queues", json=body)).json()
        assert queue["description"] == ""
    queues = (await api.post("/work_pools/agents/queues/filter")).json()
    assert [(each["name"], each["priority"]) for each in queues] == [
        ("default", 1),
        ("near", 2),
        ("next", 3),
        ("far", 9),
    ]
    log = {"name": "x", "level": 20, "message": "m", "timestamp": "2026-01-01T00:00:00Z"}
    assert (await api.post("/logs/", json=[log])).json() is None
    assert (await api.flow_run())["job_variables"] == {}
    await api.post("/concurrency_limits/", json={"tag": "db", "concurrency_limit": 1})
    taken = await api.post("/concurrency_limits/increment", json={"names": ["db"], "task_run_id": NOBODY})
    assert taken.json()[0]["name"] == "db"
    assert (await api.post("/v2/concurrency_limits/leases/x/renew", json={})).status_code == 422
    long = {"key": "k", "metadata_": {"note": "x" * 600}}
    assert (await api.post("/artifacts/", json=long)).json()["metadata_"] == {"note": "x" * 500 + "..."}
    assert (await api.get("/hello", headers={"x-prefect-api-version": ""})).status_code == 200


async def test_task_runs_that_no_client_can_mean_are_refused(api: Any) -> None:
    run = await api.flow_run()
    for field in (
        {"cache_key": "x" * 2001},
        {"empirical_policy": {"retry_delay": [1] * 51}},
        {"empirical_policy": {"retry_jitter_factor": -1}},
    ):
        body = {"flow_run_id": run["id"], "task_key": "t", "dynamic_key": "0", **field}
        assert (await api.post("/task_runs/", json=body)).status_code == 422, field


async def test_a_deployment_names_what_it_misses(api: Any) -> None:
    flow_id = (await api.flow())["id"]
    made = await api.deployment("whole")
    assert (made["pull_steps"], made["work_queue_name"]) == ([], None)
    assert (await api.deployment("queueless", work_queue_name=""))["work_queue_name"] is None
    slugs = [{"schedule": {"interval": 60}, "slug": "a"}] * 2
    for field, status, told in (
        ({"storage_document_id": NOBODY}, 409, "storage block"),
        ({"infrastructure_document_id": NOBODY}, 409, "infrastructure block"),
        ({"schedules": slugs}, 409, "same slug"),
        ({"global_concurrency_limit_id": NOBODY, "concurrency_limit": 1}, 422, "cannot have both"),
    ):
        refused = await api.post("/deployments/", json={"flow_id": flow_id, "name": "other", **field})
        assert (refused.status_code, told in refused.text) == (status, True), refused.text
    for name in ("storage_document_id", "infrastructure_document_id"):
        refused = await api.patch(f"/deployments/{made['id']}", json={name: NOBODY})
        assert (refused.status_code, NOBODY in refused.text) == (409, True)


async def test_automations_that_run_deployments_are_checked_against_them(api: Any) -> None:
    await api.pool("yard")
    deployment = await api.deployment(work_pool_name="yard")
    trigger = {"posture": "Proactive", "expect": ["x"]}
    for deployment_id, variables, status in (
        (NOBODY, {"env": {}}, 404),
        (deployment["id"], {"stream_output": "loud"}, 422),
        (deployment["id"], {"stream_output": False}, 201),
    ):
        run = {"type": "run-deployment", "deployment_id": deployment_id, "job_variables": variables}
        body = {"name": "a", "trigger": trigger, "actions": [run]}
        made = await api.post("/automations/", json=body)
        assert made.status_code == status, made.text
    assert made.json()["trigger"]["within"] == 10


async def test_faults_tell_what_their_message_was_made_of(api: Any) -> None:
    refused = await api.post("/work_pools/", json={"name": "yard", "concurrency_limit": -1})
    (fault,) = refused.json()["exception_detail"]
    assert (fault["type"], fault["ctx"]) == ("greater_than_equal", {"ge": 0})


async def test_a_run_may_name_its_deployment_as_older_clients_do(api: Any) -> None:
    """The field was taken and forgotten: no filter by deployment found the run."""
    deployment = await api.deployment()
    run = await api.flow_run(deployment_id=deployment["id"])
    assert run["labels"]["prefect.deployment.id"] == run["deployment_id"] == deployment["id"]
    asked = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
    assert [each["id"] for each in (await api.post("/flow_runs/filter", json=asked)).json()] == [run["id"]]
    assert (await api.flow_run(deployment_id=NOBODY))["deployment_id"] is None


async def test_a_patch_of_a_deployment_is_refused_as_in_the_standard(api: Any) -> None:
    await api.pool("yard")
    deployment = await api.deployment(work_pool_name="yard")
    path = f"/deployments/{deployment['id']}"
    nothing = {"x": {"__prefect_kind": "workspace_variable", "variable_name": "nothing"}}
    loud = {"stream_output": "loud"}
    for body, status, told in (
        ({"parameters": nothing}, 400, "Error hydrating deployment parameters: "),
        ({"job_variables": loud}, 422, "Error updating deployment: "),
        ({"job_variables": loud, "work_pool_name": "yard"}, 409, "Error updating deployment: "),
    ):
        refused = await api.patch(path, json=body)
        assert (refused.status_code, refused.json()["detail"].startswith(told)) == (status, True), body


async def test_lateness_and_run_time_of_what_has_not_ended_are_measured_to_now(api: Any) -> None:
    """On SQLite the present moment was taken for microseconds, so that a late run was 50 years early."""
    flow_id = (await api.flow())["id"]
    due = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2020-01-01T00:00:00Z"}}
    late = (await api.post("/flow_runs/", json={"flow_id": flow_id, "state": due})).json()
    late_by = (await api.post("/flow_runs/lateness")).json()
    assert late_by > 365 * 86_400
    assert late_by == pytest.approx(late["estimated_start_time_delta"], rel=0.01)
    running = await api.flow_run()
    await api.propose(running, "RUNNING")
    task = await api.task_run(running)
    await api.propose(task, "RUNNING", kind="task_runs")
    span = {
        "history_start": "2020-01-01T00:00:00Z",
        "history_end": "2100-01-01T00:00:00Z",
        "history_interval_seconds": 80 * 366 * 86_400,
    }
    for kind in ("flow_runs", "task_runs"):
        (interval,) = (await api.post(f"/{kind}/history", json=span)).json()
        times = [
            each["sum_estimated_run_time"] for each in interval["states"] if each["state_type"] == "RUNNING"
        ]
        assert len(times) == 1 and 0 <= times[0] < 3_600, (kind, interval)
        assert all(each["sum_estimated_lateness"] >= 0 for each in interval["states"])


async def test_a_task_run_tells_its_flow_run_in_its_labels(api: Any) -> None:
    run = await api.flow_run(labels={"team": "blue"})
    labels = (await api.task_run(run, labels={"step": "1"}))["labels"]
    assert labels == {**run["labels"], "prefect.flow-run.id": run["id"], "step": "1"}
