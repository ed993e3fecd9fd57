"""The client against the API itself."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from heliostat import HeliostatClient
from heliostat.runtime.foundation import errors
from heliostat.runtime.states import Cancelling, Completed, Pending, Running


async def a_run(client: HeliostatClient) -> UUID:
    flow_id = await client.create_flow_from_name("etl")
    body = {"flow_id": str(flow_id), "name": "quiet-heron", "state": {"type": "PENDING"}}
    return UUID((await client.request("POST", "/flow_runs/", body))["id"])


async def test_a_run_is_moved_and_read_back(client: HeliostatClient) -> None:
    run_id = await a_run(client)
    assert (await client.set_flow_run_state(run_id, Running())).status == "ACCEPT"
    assert (await client.set_flow_run_state(run_id, Completed("well done"))).status == "ACCEPT"
    run = await client.wait_for_flow_run(run_id)
    assert run.state is not None
    assert run.state.is_completed()
    assert run.state.message == "well done"
    assert [state.name for state in await client.read_flow_run_states(run_id)] == [
        "Pending",
        "Running",
        "Completed",
    ]
    refused = await client.set_flow_run_state(run_id, Cancelling())
    assert (refused.status, bool(refused.reason)) == ("ABORT", True)


async def test_runs_are_found_by_the_standards_filters(client: HeliostatClient) -> None:
    run_id = await a_run(client)
    of_state = {"state": {"type": {"any_": ["PENDING"]}}}
    assert [run.id for run in await client.read_flow_runs(flow_run_filter=of_state)] == [run_id]
    assert await client.count_flow_runs(flow_filter={"name": {"any_": ["other"]}}) == 0
    with pytest.raises(TypeError, match="unknown filter"):
        await client.read_flow_runs(flow_runs={})
    await client.delete_flow_run(run_id)
    assert await client.read_flow_runs() == []


@pytest.mark.parametrize("name", ["gpu pool #1", "why?", "50 + ünï;:", "a=b#c?d"])
async def test_places_and_deployments_of_any_name_are_reached(client: HeliostatClient, name: str) -> None:
    """A worker of a pool named "why?" beat at the address of another pool: the name was not encoded."""
    await client.create_work_pool(name, "process")
    await client.create_work_queue(f"q {name}", name)
    await client.send_worker_heartbeat(name, f"w {name}", 0.2)
    (worker,) = await client.read_workers(name)
    assert worker.name == f"w {name}"
    assert (await client.read_work_queue_by_name(f"q {name}", name)).name == f"q {name}"
    flow_id = await client.create_flow_from_name(name)
    body = {"flow_id": str(flow_id), "name": name, "work_pool_name": name, "work_queue_name": f"q {name}"}
    made = await client.request("POST", "/deployments/", body)
    found = await client.read_deployment_by_name(f"{name}/{name}")
    assert (str(found.id), found.work_pool_name, found.work_queue_name) == (made["id"], name, f"q {name}")
    await client.request("POST", f"/deployments/{made['id']}/create_flow_run", {})
    queued = await client.get_scheduled_flow_runs_for_work_pool(name, [f"q {name}"])
    assert len(queued) == 1
    await client.delete_work_queue(f"q {name}", name)
    await client.delete_work_pool(name)


async def test_what_is_not_there_is_not_found(client: HeliostatClient) -> None:
    with pytest.raises(errors.NotFound):
        await client.read_flow_run(uuid4())
    with pytest.raises(errors.NotFound):
        await client.set_flow_run_state(uuid4(), Pending())
