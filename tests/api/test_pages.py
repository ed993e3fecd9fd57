"""What pages ask: graphs, counts, points of a history, forms, logs as a file, many runs at once."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

NOW = "2026-01-01T00:00:00Z"


async def test_a_sub_flow_run_takes_the_place_of_its_task_run_in_the_graph(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    first = await api.task_run(run, "0", state={"type": "COMPLETED"})
    tracking = await api.task_run(
        run, "1", task_inputs={"x": [{"input_type": "task_run", "id": first["id"]}]}
    )
    inside = await api.task_run(
        run,
        "2",
        task_inputs={
            "__parents__": [{"input_type": "task_run", "id": first["id"]}],
            "y": [
                {"input_type": "task_run", "id": tracking["id"]},
                {"input_type": "task_run", "id": str(uuid4())},
            ],
        },
    )
    child = await api.flow_run("RUNNING", flow="child", name="kid", parent_task_run_id=tracking["id"])
    for body in (
        {"key": "of-task", "type": "progress", "data": 5, "task_run_id": first["id"]},
        {"key": "of-run", "type": "markdown", "data": "text"},
        {"type": "result", "data": "hidden"},
    ):
        await api.post("/artifacts/", json={"flow_run_id": run["id"], **body})
    graph = (await api.get(f"/flow_runs/{run['id']}/graph-v2")).json()
    nodes = {id: node for id, node in graph["nodes"]}
    assert set(nodes) == {first["id"], child["id"], inside["id"]}
    assert graph["root_node_ids"] == [first["id"]]
    kid = nodes[child["id"]]
    assert (kid["kind"], kid["label"], kid["parents"]) == ("flow-run", "child / kid", [{"id": first["id"]}])
    assert kid["children"] == [{"id": inside["id"]}]
    assert nodes[inside["id"]]["encapsulating"] == [{"id": first["id"]}]
    (artifact,) = nodes[first["id"]]["artifacts"]
    assert (artifact["data"], artifact["is_latest"]) == (5, True)
    assert [(each["key"], each["data"]) for each in graph["artifacts"]] == [("of-run", None)]
    assert [state["type"] for state in graph["states"]][-1] == "RUNNING"
    flat = (await api.get(f"/flow_runs/{run['id']}/graph")).json()
    upstream = {each["id"]: [up["id"] for up in each["upstream_dependencies"]] for each in flat}
    assert upstream[tracking["id"]] == [first["id"]]
    later = (
        await api.get(f"/flow_runs/{run['id']}/graph-v2", params={"since": "2999-01-01T00:00:00Z"})
    ).json()
    assert first["id"] not in [id for id, _ in later["nodes"]]
    for path in ("graph", "graph-v2", "logs/download"):
        assert (await api.get(f"/flow_runs/{uuid4()}/{path}")).status_code == 404

    counts = await api.post("/ui/flow_runs/count-task-runs", json={"flow_run_ids": [run["id"], child["id"]]})
    assert counts.json() == {run["id"]: 2, child["id"]: 0}


async def test_the_log_of_a_run_is_downloaded_as_csv(api: Any) -> None:
    run = await api.flow_run()
    lines = [
        {
            "name": "x",
            "level": 20,
            "message": f'line "{i}", with\nbreak',
            "timestamp": NOW,
            "flow_run_id": run["id"],
        }
        for i in range(1_200)
    ]
    await api.post("/logs/", json=lines)
    answer = await api.get(f"/flow_runs/{run['id']}/logs/download")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["timestamp", "level", "flow_run_id", "task_run_id", "message"]
    assert len(rows) == 1_201 and rows[-1][4] == 'line "1199", with\nbreak'


async def test_counts_of_flows_are_given_for_every_flow_asked(api: Any) -> None:
    flow, other = await api.flow("etl"), await api.flow("other")
    await api.deployment("daily")
    run = await api.flow_run("SCHEDULED")
    ids = {"flow_ids": [flow["id"], other["id"]]}
    assert (await api.post("/ui/flows/count-deployments", json=ids)).json() == {flow["id"]: 1, other["id"]: 0}
    nexts = (await api.post("/ui/flows/next-runs", json=ids)).json()
    assert nexts[other["id"]] is None and nexts[flow["id"]]["id"] == run["id"]
    many = {"flow_ids": [str(uuid4()) for _ in range(201)]}
    assert (await api.post("/ui/flows/next-runs", json=many)).status_code == 422


async def test_task_runs_are_counted_by_state_and_by_time(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    for key, state in enumerate(("COMPLETED", "COMPLETED", "FAILED", "CRASHED", "PENDING")):
        await api.task_run(run, str(key), state={"type": state})
    counts = (await api.post("/ui/task_runs/count")).json()
    assert len(counts) == 9 and (counts["COMPLETED"], counts["CRASHED"], counts["PAUSED"]) == (2, 1, 0)
    parts = (
        await api.post(
            "/ui/task_runs/dashboard/counts",
            json={"task_runs": {"start_time": {"after_": "2020-01-01T00:00:00Z"}}},
        )
    ).json()
    assert len(parts) == 20
    assert [sum(part[kind] for part in parts) for kind in ("completed", "failed")] == [2, 2]
    assert (await api.post("/ui/task_runs/dashboard/counts", json={"task_runs": {}})).status_code == 422
    points = (await api.post("/ui/flow_runs/history", json={"limit": 5})).json()
    assert [point["id"] for point in points] == [run["id"]]
    assert (await api.post("/ui/flow_runs/history", json={"limit": 1_001})).status_code == 422
    task = await api.task_run(run, "named")
    assert (await api.get(f"/ui/task_runs/{task['id']}")).json()["flow_run_name"] == run["name"]


async def test_forms_are_told_what_is_wrong_with_which_field(api: Any) -> None:
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "sizes": {"type": "array", "items": {"type": "integer"}},
        },
    }

    async def errors(**values: Any) -> Any:
        answer = await api.post("/ui/schemas/validate", json={"schema": schema, "values": values})
        assert answer.status_code == 200 and answer.json()["valid"] == (not answer.json()["errors"])
        return answer.json()["errors"]

    assert await errors(name="x", sizes=[1]) == []
    assert await errors() == [{"property": "name", "errors": ["'name' is a required property"]}]
    (wrong,) = await errors(name="x", sizes=[1, "two"])
    assert wrong["property"] == "sizes" and wrong["errors"][0]["index"] == 1
    await api.post("/variables/", json={"name": "who", "value": "ann"})
    assert await errors(name={"__prefect_kind": "workspace_variable", "variable_name": "who"}) == []
    bad = {"schema": {"type": "object", "properties": {"a": {"type": "no type"}}}, "values": {}}
    assert (await api.post("/ui/schemas/validate", json=bad)).status_code == 422


async def test_many_runs_are_changed_at_once(api: Any) -> None:
    runs = [await api.flow_run("RUNNING") for _ in range(3)]
    two = {"flow_runs": {"id": {"any_": [run["id"] for run in runs[:2]]}}}
    answer = await api.post("/flow_runs/bulk_set_state", json={**two, "state": {"type": "COMPLETED"}})
    assert sorted(each["flow_run_id"] for each in answer.json()["results"]) == sorted(
        run["id"] for run in runs[:2]
    )
    assert {each["status"] for each in answer.json()["results"]} == {"ACCEPT"}
    gone = (await api.post("/flow_runs/bulk_delete", json=two)).json()["deleted"]
    assert len(gone) == 2 and (await api.post("/flow_runs/count")).json() == 1
    assert (await api.post("/flow_runs/bulk_delete", json={**two, "limit": 51})).status_code == 422
    flows = {"flows": {"name": {"any_": ["etl"]}}}
    assert len((await api.post("/flows/bulk_delete", json=flows)).json()["deleted"]) == 1
    assert (await api.post("/flow_runs/count")).json() == 0
