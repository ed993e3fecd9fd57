"""Lists of runs by the terms of a query."""

from __future__ import annotations

from typing import Any

import pytest


async def found(api: Any, *terms: dict[str, Any], kind: str = "flow", **body: Any) -> list[dict[str, Any]]:
    answer = await api.post(f"/heliostat/{kind}_runs/search", json={"terms": list(terms), **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


async def names(api: Any, *terms: dict[str, Any], kind: str = "flow", **body: Any) -> set[str]:
    return {row["name"] for row in await found(api, *terms, kind=kind, **body)}


async def some_runs(api: Any) -> None:
    """Four runs: eu failed, us completed with three tasks, one is late without a worker, one is planned."""
    eu = await api.flow_run("RUNNING", flow="orders-etl", name="eu", tags=["prod", "eu"],
                            parameters={"region": "eu", "n": 12, "full": True})  # fmt: skip
    await api.propose(eu, "FAILED", message="ConnectionError: broker refused\nsecond line", force=True)
    us = await api.flow_run(
        "RUNNING", flow="orders-eod", name="us", tags=["staging"], parameters={"region": "us"}
    )
    for key in "012":
        await api.task_run(us, key, name=f"load-{key}", state={"type": "PENDING"}, tags=["heavy"])
    await api.propose(us, "COMPLETED", force=True)
    await api.pool()
    daily = await api.deployment("daily", flow="train", work_pool_name="yard")
    late = await api.run_of(daily, name="late one")
    await api.propose(late, "SCHEDULED", name="Late", force=True)
    await api.run_of(daily, name="planned", state={"type": "SCHEDULED"})


TERMS = [
    ({"field": "state", "values": ["failed"]}, {"eu"}),
    ({"field": "state", "values": ["FAILED", "completed"]}, {"eu", "us"}),
    ({"field": "state", "values": ["late"]}, {"late one"}),
    ({"field": "state", "values": ["scheduled"]}, {"planned"}),
    ({"field": "state", "values": ["waiting"]}, {"planned"}),
    ({"field": "state", "values": ["completed"], "negated": True}, {"eu", "late one", "planned"}),
    ({"field": "flow", "values": ["Orders-*"]}, {"eu", "us"}),
    ({"field": "flow", "values": ["orders-*"], "negated": True}, {"late one", "planned"}),
    ({"field": "deployment", "values": ["daily"]}, {"late one", "planned"}),
    ({"field": "deployment", "values": ["daily"], "negated": True}, {"eu", "us"}),
    ({"field": "pool", "values": ["yard"]}, {"late one", "planned"}),
    ({"field": "tag", "values": ["prod"]}, {"eu"}),
    ({"field": "tag", "values": ["stag*"]}, {"us"}),
    ({"field": "tag", "values": ["staging"], "negated": True}, {"eu", "late one", "planned"}),
    ({"field": "name", "values": ["LATE"]}, {"late one"}),
    ({"field": "name", "values": ["eod"]}, {"us"}),
    ({"field": "param", "key": "region", "values": ["eu"]}, {"eu"}),
    ({"field": "param", "key": "region", "values": ["e*", "u*"]}, {"eu", "us"}),
    ({"field": "param", "key": "n", "values": ["12"]}, {"eu"}),
    ({"field": "param", "key": "full", "values": ["true"]}, {"eu"}),
    ({"field": "param", "key": "region", "values": []}, {"eu", "us"}),
    ({"field": "param", "key": "region", "values": ["eu"], "negated": True}, {"us", "late one", "planned"}),
    ({"field": "tasks", "at_least": 3}, {"us"}),
    ({"field": "tasks", "at_least": 4}, set()),
    ({"field": "tasks", "at_most": 2}, {"eu", "late one", "planned"}),
    ({"field": "task", "values": ["load-*"]}, {"us"}),
    ({"field": "took", "at_most": 3600}, {"eu", "us"}),
    ({"field": "started", "after": "2100-01-01T00:00:00Z"}, set()),
    ({"field": "started", "before": "2100-01-01T00:00:00Z"}, {"eu", "us", "late one", "planned"}),
]


async def test_each_term_finds_the_runs_that_it_names(api: Any) -> None:
    await some_runs(api)
    wrong = [(term, got) for term, expected in TERMS if (got := await names(api, term)) != expected]
    assert wrong == []
    both = await names(
        api, {"field": "flow", "values": ["orders-*"]}, {"field": "state", "values": ["failed"]}
    )
    assert both == {"eu"}, "terms are joined by and"


async def test_a_row_has_its_reason_its_tasks_and_its_place(api: Any) -> None:
    await some_runs(api)
    rows = {row["name"]: row for row in await found(api)}
    assert rows["eu"]["reason"] == "ConnectionError: broker refused"
    assert rows["late one"]["reason"] == "no worker of yard is online"
    assert rows["us"]["reason"] is None
    assert rows["us"]["tasks"] == {"PENDING": 3}
    assert rows["us"]["usual"]["runs"] == 1
    assert (rows["planned"]["deployment_name"], rows["planned"]["work_pool_name"]) == ("daily", "yard")
    assert rows["eu"]["flow_name"] == "orders-etl"


@pytest.mark.parametrize("sort", ["STARTED_DESC", "STARTED_ASC", "NAME_ASC", "NAME_DESC"])
async def test_pages_follow_each_other_without_a_gap_or_a_repetition(api: Any, sort: str) -> None:
    for number in range(7):
        await api.flow_run("PENDING", name=f"run {number % 3}")
    ids: list[str] = []
    keys: list[str] = []
    cursor = None
    while True:
        body = {"sort": sort, "limit": 3, "cursor": cursor}
        page = (await api.post("/heliostat/flow_runs/search", json=body)).json()
        ids += [row["id"] for row in page["rows"]]
        keys += [row["name" if "NAME" in sort else "expected_start_time"] for row in page["rows"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(ids) == len(set(ids)) == 7
    assert keys == sorted(keys, reverse=sort.endswith("DESC"))


async def test_sub_flow_runs_are_hidden_on_request(api: Any) -> None:
    parent = await api.flow_run("RUNNING", name="parent")
    call = await api.task_run(parent)
    await api.flow_run("RUNNING", flow="child", name="child", parent_task_run_id=call["id"])
    assert await names(api) == {"parent", "child"}
    assert await names(api, hide_subflows=True) == {"parent"}


async def test_task_runs_of_all_flow_runs_are_found_with_their_flow_run(api: Any) -> None:
    await some_runs(api)
    rows = await found(api, {"field": "flow", "values": ["orders-*"]}, kind="task")
    assert {(row["name"], row["flow_run_name"], row["flow_name"]) for row in rows} == {
        (f"load-{key}", "us", "orders-eod") for key in "012"
    }
    assert await names(api, {"field": "task", "values": ["load-1"]}, kind="task") == {"load-1"}
    assert await names(api, {"field": "tag", "values": ["heavy"]}, kind="task") == {
        f"load-{k}" for k in "012"
    }
    assert await names(api, {"field": "state", "values": ["failed"]}, kind="task") == set()
    first = (await api.post("/heliostat/task_runs/search", json={"limit": 2})).json()
    rest = (
        await api.post("/heliostat/task_runs/search", json={"limit": 2, "cursor": first["cursor"]})
    ).json()
    assert len({row["id"] for row in first["rows"] + rest["rows"]}) == 3


async def test_a_summary_counts_by_state_and_by_time(api: Any) -> None:
    await some_runs(api)
    told = (await api.post("/heliostat/flow_runs/summary", json={"parts": 10})).json()
    assert told["total"] == 4
    counts = {(each["type"], each["name"]): each["count"] for each in told["states"]}
    assert counts[("SCHEDULED", "Late")] == counts[("FAILED", "Failed")] == 1
    assert sum(sum(each.values()) for each in told["bins"]) == 4
    tasks = (await api.post("/heliostat/task_runs/summary", json={})).json()
    assert tasks["total"] == 3
    nothing = (await api.post("/heliostat/flow_runs/summary", json={"terms": [TERMS[-2][0]]})).json()
    assert (nothing["total"], nothing["bins"]) == (0, [])


async def test_names_complete_a_term(api: Any) -> None:
    await some_runs(api)

    async def completed(field: str, beginning: str = "") -> Any:
        body = {"field": field, "beginning": beginning}
        return (await api.post("/heliostat/run_query/completions", json=body)).json()

    assert await completed("flow", "ord") == ["orders-eod", "orders-etl"]
    assert await completed("deployment") == ["daily"]
    assert set(await completed("tag")) == {"prod", "eu", "staging"}
    assert (await completed("param"))[0] == "region"


@pytest.mark.parametrize(
    "body",
    [
        {"terms": [{"field": "weather", "values": ["fine"]}]},
        {"cursor": "019ad2f0-0000-7000-8000-000000000000 yesterday"},
        {"cursor": "------------------------------------ 1"},
        {"sort": "COLOUR"},
        {"limit": 0},
    ],
)
async def test_what_cannot_be_asked_is_refused(api: Any, body: Any) -> None:
    assert (await api.post("/heliostat/flow_runs/search", json=body)).status_code == 422
