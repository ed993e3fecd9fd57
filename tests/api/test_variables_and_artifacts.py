"""Variables, saved searches and artifacts over the API."""

from __future__ import annotations

from typing import Any

import pytest


async def names(api: Any, **asked: Any) -> list[str]:
    return [each["name"] for each in (await api.post("/variables/filter", json=asked)).json()]


async def test_a_variable_is_made_found_changed_and_removed(api: Any) -> None:
    made = await api.post(
        "/variables/", json={"name": "region", "value": {"a": [1, None]}, "tags": ["x", "y"]}
    )
    assert made.status_code == 201
    await api.post("/variables/", json={"name": "zone", "value": None})
    assert (await api.post("/variables/", json={"name": "zone", "value": 1})).status_code == 409
    assert await names(api, variables={"tags": {"all_": ["x"]}}) == ["region"]
    assert await names(api, variables={"tags": {"is_null_": True}}) == ["zone"]
    assert await names(api, variables={"name": {"like_": "EGI"}}) == ["region"]
    assert await names(api, sort="NAME_DESC", limit=1) == ["zone"]
    assert (await api.post("/variables/count", json={"variables": {"name": {"any_": ["zone"]}}})).json() == 1
    assert (await api.patch("/variables/name/zone", json={"name": "area"})).status_code == 204
    assert (await api.get("/variables/name/area")).json()["value"] is None
    await api.patch(f"/variables/{made.json()['id']}", json={"value": None, "name": None})
    assert (await api.get("/variables/name/region")).json()["value"] is None
    assert (await api.delete("/variables/name/area")).status_code == 204
    for answer in (
        await api.get("/variables/name/area"),
        await api.patch("/variables/name/area", json={"value": 1}),
        await api.delete("/variables/name/area"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Variable not found"})


@pytest.mark.parametrize(
    "bad", [{"name": "Bad Name"}, {"name": "a" * 256}, {"value": "x" * 5000}, {"more": 1}]
)
async def test_a_bad_variable_is_422_and_nothing_is_made(api: Any, bad: dict[str, Any]) -> None:
    answer = await api.post("/variables/", json={"name": "fine", "value": 1, **bad})
    assert answer.status_code == 422
    assert (await api.post("/variables/count")).json() == 0


async def test_a_search_is_saved_under_its_name(api: Any) -> None:
    asked = {
        "name": "mine",
        "filters": [
            {"object": "flow_run", "property": "name", "type": "s", "operation": "equals", "value": "x"}
        ],
    }
    first = await api.put("/saved_searches/", json=asked)
    second = await api.put("/saved_searches/", json={"name": "mine"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"] and second.json()["filters"] == []
    assert len((await api.post("/saved_searches/filter")).json()) == 1
    await api.delete(f"/saved_searches/{first.json()['id']}")
    assert (await api.get(f"/saved_searches/{first.json()['id']}")).status_code == 404


async def test_the_newest_artifact_of_a_key_stands_for_it(api: Any) -> None:
    run = await api.flow_run()
    ids = []
    for data in ("one", {"two": 2}, 3):
        body = {"key": "report", "type": "markdown", "data": data, "flow_run_id": run["id"]}
        answer = await api.post("/artifacts/", json=body)
        assert answer.status_code == 201
        ids.append(answer.json()["id"])
    await api.post("/artifacts/", json={"type": "result", "data": None})
    assert (await api.get("/artifacts/report/latest")).json()["id"] == ids[2]
    (shown,) = (await api.post("/artifacts/latest/filter")).json()
    assert (shown["latest_id"], shown["data"], shown["key"]) == (ids[2], 3, "report")
    await api.delete(f"/artifacts/{ids[2]}")
    assert (await api.get("/artifacts/report/latest")).json()["data"] == {"two": 2}
    for artifact in ids[:2]:
        assert (await api.delete(f"/artifacts/{artifact}")).status_code == 204
    assert (await api.get("/artifacts/report/latest")).status_code == 404
    assert (await api.post("/artifacts/latest/count")).json() == 0
    assert (await api.post("/artifacts/count")).json() == 1


async def test_artifacts_are_found_by_key_type_and_run(api: Any) -> None:
    run, other = await api.flow_run(flow="a"), await api.flow_run(flow="b")
    task = await api.task_run(run)
    await api.post("/artifacts/", json={"key": "of-run", "type": "table", "flow_run_id": run["id"]})
    await api.post(
        "/artifacts/",
        json={"key": "of-task", "type": "progress", "flow_run_id": run["id"], "task_run_id": task["id"]},
    )
    await api.post("/artifacts/", json={"type": "table", "flow_run_id": other["id"]})

    async def keys(**asked: Any) -> list[str | None]:
        rows = (await api.post("/artifacts/filter", json={"sort": "KEY_ASC", **asked})).json()
        return [row["key"] for row in rows]

    assert await keys(flows={"name": {"any_": ["a"]}}) == ["of-run", "of-task"]
    assert await keys(task_runs={"id": {"any_": [task["id"]]}}) == ["of-task"]
    assert await keys(artifacts={"type": {"not_any_": ["table"]}}) == ["of-task"]
    assert await keys(artifacts={"key": {"exists_": False}}) == [None]
    assert await keys(artifacts={"key": {"like_": "of-"}, "type": {"any_": ["table"]}}) == ["of-run"]
    either = {"operator": "or_", "key": {"any_": ["of-task"]}, "flow_run_id": {"any_": [other["id"]]}}
    assert set(await keys(artifacts=either)) == {"of-task", None}
    patched = (await api.post("/artifacts/filter", json={"artifacts": {"key": {"any_": ["of-task"]}}})).json()
    await api.patch(f"/artifacts/{patched[0]['id']}", json={"data": 42.5})
    again = (await api.get(f"/artifacts/{patched[0]['id']}")).json()
    assert (again["data"], again["type"]) == (42.5, "progress")
    assert (await api.post("/artifacts/", json={"key": "Not a key"})).status_code == 422
