"""Filters, sort keys and pages, on both databases."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.tables import deployment, flow_run, work_pool, work_queue

FAR = "2100-01-01T00:00:00Z"


@pytest.fixture
async def runs(api: Any) -> dict[str, dict[str, Any]]:
    """Three flow runs of two flows: one running with a task, one completed, one scheduled."""
    first = await api.flow_run(name="alpha", flow="etl", tags=["a", "b"], idempotency_key="k1")
    await api.propose(first, "RUNNING")
    await api.task_run(first, name="clean", tags=["t"])
    second = await api.flow_run(name="beta", flow="etl", tags=["b"], flow_version="v2")
    await api.propose(second, "RUNNING")
    await api.propose(second, "COMPLETED")
    third = await api.flow_run("SCHEDULED", name="gamma_1", flow="Report", idempotency_key="k3")
    await api.propose(third, "SCHEDULED", name="Late", state_details={"scheduled_time": FAR})
    return {"alpha": first, "beta": second, "gamma_1": third}


async def names(api: Any, kind: str = "flow_runs", **search: Any) -> list[str]:
    answer = await api.post(f"/{kind}/filter", json={"sort": "NAME_ASC", **search})
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["alpha", "beta", "gamma_1"]),
        ({"name": {"any_": ["beta", "none"]}}, ["beta"]),
        ({"name": {"like_": "ALPH"}}, ["alpha"]),
        ({"name": {"like_": "a%a"}}, ["alpha", "gamma_1"]),
        ({"tags": {"all_": ["a", "b"]}}, ["alpha"]),
        ({"tags": {"any_": ["a", "x"]}}, ["alpha"]),
        ({"tags": {"any_": []}}, []),
        ({"tags": {"is_null_": True}}, ["gamma_1"]),
        ({"tags": {"is_null_": False}}, ["alpha", "beta"]),
        ({"tags": {"operator": "or_", "all_": ["a"], "is_null_": True}}, ["alpha", "gamma_1"]),
        ({"state": {"type": {"any_": ["RUNNING", "COMPLETED"]}}}, ["alpha", "beta"]),
        ({"state": {"type": {"not_any_": ["RUNNING"]}}}, ["beta", "gamma_1"]),
        ({"state": {"name": {"any_": ["Late"]}}}, ["gamma_1"]),
        (
            {
                "state": {
                    "operator": "or_",
                    "name": {"any_": ["Late"]},
                    "type": {"any_": ["COMPLETED"]},
                }
            },
            ["beta", "gamma_1"],
        ),
        ({"flow_version": {"any_": ["v2"]}}, ["beta"]),
        ({"start_time": {"is_null_": True}}, ["gamma_1"]),
        ({"start_time": {"before_": "2099-01-01T00:00:00"}}, ["alpha", "beta", "gamma_1"]),
        ({"end_time": {"is_null_": False}}, ["beta"]),
        ({"expected_start_time": {"after_": "2099-01-01 00:00:00+00:00"}}, []),
        ({"next_scheduled_start_time": {"after_": FAR, "before_": FAR}}, ["gamma_1"]),
        ({"idempotency_key": {"any_": ["k1"]}}, ["alpha"]),
        ({"parent_task_run_id": {"is_null_": True}}, ["alpha", "beta", "gamma_1"]),
        ({"parent_flow_run_id": {"any_": [str(uuid4())]}}, []),
        ({"deployment_id": {"is_null_": True}}, ["alpha", "beta", "gamma_1"]),
        ({"deployment_id": {"any_": [str(uuid4())]}}, []),
        ({"created_by": {"type_": ["SCHEDULE"]}}, []),
        ({"created_by": {"is_null_": True}}, ["alpha", "beta", "gamma_1"]),
        (
            {"operator": "or_", "name": {"any_": ["alpha"]}, "flow_version": {"any_": ["v2"]}},
            ["alpha", "beta"],
        ),
        ({"name": {"any_": ["alpha"]}, "flow_version": {"any_": ["v2"]}}, []),
    ],
)
async def test_flow_runs_are_found_by_each_part_of_the_filter(
    api: Any, runs: Any, asked: dict[str, Any], expected: list[str]
) -> None:
    assert await names(api, flow_runs=asked) == expected
    assert (await api.post("/flow_runs/count", json={"flow_runs": asked})).json() == len(expected)


async def test_filters_of_other_kinds_ask_for_something_that_belongs_to_it(api: Any, runs: Any) -> None:
    assert await names(api, flows={"name": {"any_": ["Report"]}}) == ["gamma_1"]
    assert await names(api, task_runs={"name": {"like_": "CLEAN"}}) == ["alpha"]
    assert await names(api, "flows", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}) == ["Report"]
    assert await names(api, "flows", task_runs={"tags": {"all_": ["t"]}}) == ["etl"]
    assert await names(api, "flows", flows={"deployment": {"is_null_": True}}) == ["Report", "etl"]
    assert await names(api, "task_runs", flows={"name": {"any_": ["etl"]}}) == ["clean"]
    assert await names(api, "task_runs", flow_runs={"name": {"any_": ["beta"]}}) == []
    assert await names(api, deployments={"name": {"any_": ["x"]}}) == []
    assert await names(api, deployments={}, work_pools={}, work_pool_queues={}) == [
        "alpha",
        "beta",
        "gamma_1",
    ]


async def test_ids_are_asked_for_and_left_out(api: Any, runs: dict[str, dict[str, Any]]) -> None:
    alpha = runs["alpha"]["id"]
    assert await names(api, flow_runs={"id": {"any_": [alpha]}}) == ["alpha"]
    assert await names(api, flow_runs={"id": {"not_any_": [alpha]}}) == ["beta", "gamma_1"]
    of_alpha = {"flow_run_id": {"any_": [alpha], "is_null_": False}}
    assert await names(api, "task_runs", task_runs=of_alpha) == ["clean"]


async def test_task_runs_are_told_apart_by_whether_they_have_a_flow_run_and_have_begun(
    api: Any, runs: dict[str, dict[str, Any]]
) -> None:
    alpha = runs["alpha"]["id"]
    await api.task_run(None, name="lonely", state={"type": "RUNNING"})

    async def found(**asked: Any) -> list[str]:
        return await names(api, "task_runs", task_runs=asked)

    assert await found(flow_run_id={"is_null_": False}) == ["clean"]
    assert await found(flow_run_id={"is_null_": True, "any_": [alpha]}) == ["lonely"]
    assert await found(flow_run_id={"is_null_": None}) == ["clean", "lonely"]
    # Unlike that of flow runs their start time does not fall back on the one that is expected.
    assert await found(start_time={"before_": FAR}) == ["lonely"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("ID_DESC", ["gamma_1", "beta", "alpha"]),
        ("NAME_DESC", ["gamma_1", "beta", "alpha"]),
        ("START_TIME_ASC", ["alpha", "beta", "gamma_1"]),
        ("START_TIME_DESC", ["gamma_1", "beta", "alpha"]),
        ("EXPECTED_START_TIME_ASC", ["alpha", "beta", "gamma_1"]),
        ("EXPECTED_START_TIME_DESC", ["gamma_1", "beta", "alpha"]),
        ("NEXT_SCHEDULED_START_TIME_ASC", ["gamma_1", "beta", "alpha"]),
        ("END_TIME_DESC", ["beta", "gamma_1", "alpha"]),
    ],
)
async def test_flow_runs_are_sorted(api: Any, runs: Any, sort: str, expected: list[str]) -> None:
    assert await names(api, sort=sort) == expected
    assert await names(api, sort=sort, limit=1, offset=1) == expected[1:2]


async def test_logs_are_found_by_run_level_time_and_words(api: Any, runs: dict[str, dict[str, Any]]) -> None:
    run = runs["alpha"]["id"]

    def line(message: str, level: int, at: str, flow_run_id: str | None = run) -> dict[str, Any]:
        return {
            "name": "x",
            "level": level,
            "message": message,
            "timestamp": f"2026-01-01T00:00:0{at}Z",
            "flow_run_id": flow_run_id,
        }

    sent = [line("disk is full", 40, "2"), line("all went well", 20, "1"), line("lonely", 20, "3", None)]
    assert (await api.post("/logs/", json=sent)).status_code == 201

    async def messages(sort: str = "TIMESTAMP_ASC", **asked: Any) -> list[str]:
        answer = await api.post("/logs/filter", json={"logs": asked, "sort": sort})
        return [each["message"] for each in answer.json()]

    assert await messages() == ["all went well", "disk is full", "lonely"]
    assert await messages("TIMESTAMP_DESC") == ["lonely", "disk is full", "all went well"]
    assert await messages(flow_run_id={"any_": [run]}) == ["all went well", "disk is full"]
    assert await messages(level={"ge_": 30}) == ["disk is full"]
    assert await messages(level={"le_": 10**30}) == ["all went well", "disk is full", "lonely"]
    assert await messages(timestamp={"after_": "2026-01-01T00:00:02Z"}) == ["disk is full", "lonely"]
    assert await messages(task_run_id={"is_null_": False}) == []
    assert await messages(text={"query": "WELL full"}) == ["all went well", "disk is full"]
    assert await messages(text={"query": "+disk -well"}) == ["disk is full"]
    assert await messages(text={"query": '"went well" !lonely'}) == ["all went well"]
    lonely = (await api.post("/logs/filter", json={"limit": 1, "sort": "TIMESTAMP_DESC"})).json()[0]
    assert lonely["flow_run_id"] is None


async def test_a_task_run_without_a_flow_run_is_kept(api: Any) -> None:
    first = {"type": "SCHEDULED", "state_details": {"deferred": True}}
    task = await api.task_run(None, id=str(uuid4()), state=first, labels={"x": 1})
    assert task["flow_run_id"] is None
    assert task["state"]["state_details"]["deferred"] is True
    assert task["labels"] == {"x": 1}
    running = await api.propose(task, "RUNNING", "task_runs")
    assert running.json()["status"] == "ACCEPT"
    alone = {"task_runs": {"flow_run_id": {"is_null_": True}}}
    assert (await api.post("/task_runs/count", json=alone)).json() == 1


async def test_a_task_run_of_one_key_is_made_once(api: Any) -> None:
    run = await api.flow_run()
    body = {"flow_run_id": run["id"], "task_key": "t", "dynamic_key": "0", "id": str(uuid4())}
    first = await api.post("/task_runs/", json=body)
    again = await api.post("/task_runs/", json={**body, "id": None})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"] == body["id"]


@pytest.mark.parametrize(
    "asked",
    [
        {"flow_runs": {"start_time": {"after_": "0001-01-01T00:00:00+14:00"}}},
        {"flow_runs": {"start_time": {"before_": "9999-12-31T23:59:59-14:00"}}},
        {"flow_runs": {"name": {"like_": "\0"}}},
        {"flow_runs": {"name": {"any_": ["\0"]}}},
        {"flow_runs": {"work_queue_name": {"any_": ["\0"]}}},
        {"flow_runs": {"created_by": {"id_": [str(uuid4())], "type_": ["\0"]}}},
        {"offset": 10**30},
        {"flows": {"tags": {"all_": ["\0"]}}},
    ],
)
async def test_the_strangest_filters_get_an_answer(api: Any, runs: Any, asked: dict[str, Any]) -> None:
    answer = await api.post("/flow_runs/filter", json=asked)
    assert answer.status_code == 200, answer.text
    assert (await api.post("/flow_runs/filter", json={})).status_code == 200


async def test_runs_of_deployments_pools_and_queues_are_found_and_named(
    api: Any, runs: Any, db: Database
) -> None:
    pool, queue, plan = uuid4(), uuid4(), uuid4()
    times = {"created": db.now(), "updated": db.now()}
    etl = UUID(runs["alpha"]["flow_id"])
    empty: dict[str, Any] = {"labels": {}, "parameters": {}, "job_variables": {}}
    async with db.write() as connection:
        await connection.execute(
            insert(work_pool).values(
                id=pool, name="big", type="ray", base_job_template={}, is_paused=False,
                default_queue_id=queue, storage_configuration={}, **times,
            )
        )  # fmt: skip
        await connection.execute(
            insert(work_queue).values(
                id=queue, work_pool_id=pool, name="fast", priority=1, is_paused=False, **times
            )
        )
        await connection.execute(
            insert(deployment).values(
                id=plan, flow_id=etl, name="nightly", paused=False, tags=["d"], work_pool_id=pool,
                work_queue_id=queue, enforce_parameter_schema=True, **empty, **times,
            )
        )  # fmt: skip
        await connection.execute(
            update(flow_run)
            .where(flow_run.c.name == "alpha")
            .values(deployment_id=plan, work_pool_id=pool, work_queue_id=queue)
        )
    for asked in (
        {"deployments": {"name": {"like_": "NIGHT"}}},
        {"deployments": {"flow_or_deployment_name": {"like_": "etl"}, "tags": {"any_": ["d"]}}},
        {"deployments": {"work_queue_name": {"any_": ["fast"]}, "paused": {"eq_": False}}},
        {"deployments": {"concurrency_limit": {"is_null_": True}}},
        {"work_pools": {"type": {"any_": ["ray"]}}},
        {"work_pool_queues": {"name": {"startswith_": ["fa", "x"]}}},
        {"flow_runs": {"deployment_id": {"is_null_": False}}},
        {"flow_runs": {"work_queue_name": {"any_": ["fast"]}}},
    ):
        assert await names(api, **asked) == ["alpha"], asked
    assert await names(api, deployments={"paused": {"eq_": True}}) == []
    assert await names(api, "flows", deployments={"name": {"any_": ["nightly"]}}) == ["etl"]
    assert await names(api, "flows", work_pools={"name": {"any_": ["big"]}}) == ["etl"]
    assert await names(api, "flows", flows={"deployment": {"is_null_": True}}) == ["Report"]
    assert await names(api, "task_runs", deployments={"id": {"any_": [str(plan)]}}) == ["clean"]
    shown = (await api.get(f"/flow_runs/{runs['alpha']['id']}")).json()
    assert (shown["deployment_id"], shown["work_pool_name"], shown["work_queue_name"]) == (
        str(plan),
        "big",
        "fast",
    )
