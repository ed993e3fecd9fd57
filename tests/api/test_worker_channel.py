"""The workers' channel over a real port: hello, heartbeats, and what a worker hears of its pool."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.store import work_pools, work_queues, workers
from heliostat.runtime.store.deployment_rows import NewWorkPool, NewWorkQueue

PATH = "/work_pools/hall/workers/connect"
TEMPLATE = {"job_configuration": {"command": "{{ command }}"}, "variables": {"properties": {"command": {}}}}


def a_hello(**facts: Any) -> dict[str, Any]:
    return {
        "consumer_id": str(uuid4()),
        "worker_name": "w1",
        "worker_type": "process",
        "heartbeat_interval_seconds": 30,
        "supported_channel_versions": ["work_pool_worker_channel.v1"],
        "requested_capabilities": ["worker_heartbeat.v1", "work_pool_snapshot.v1"],
        **facts,
    }


async def say(line: ClientConnection, kind: str, payload: dict[str, Any]) -> None:
    frame = {"type": kind, "id": str(uuid4()), "sent_at": clock.now().isoformat(), "payload": payload}
    await line.send(json.dumps(frame))


async def heard(line: ClientConnection) -> tuple[str, dict[str, Any]]:
    frame = json.loads(await asyncio.wait_for(line.recv(), 20))
    assert set(frame) == {"type", "id", "sent_at", "payload"}
    return frame["type"], frame["payload"]


async def closed(line: ClientConnection) -> tuple[int | None, str | None]:
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(line.recv(), 20)
    return line.close_code, line.close_reason


async def test_a_worker_is_known_by_its_hello_and_hears_what_changes_of_its_pool(served: Any) -> None:
    await work_pools.create(served.db, NewWorkPool("hall", "process"))
    await work_queues.create(served.db, "hall", NewWorkQueue("urgent"))
    line = await served.admitted(PATH)
    hello = a_hello(work_queue_names=["urgent"], default_base_job_template=TEMPLATE)
    hello["requested_capabilities"].append("cleanup_delivery.v1")
    await say(line, "worker.hello.v1", hello)
    kind, ready = await heard(line)
    assert kind == "worker.ready.v1" and ready["consumer_id"] == hello["consumer_id"]
    assert ready["accepted_capabilities"] == ["worker_heartbeat.v1", "work_pool_snapshot.v1"]
    assert ready["rejected_capabilities"] == ["cleanup_delivery.v1"]
    assert [queue["name"] for queue in ready["resolved_work_queues"]] == ["urgent"]
    first = ready["initial_snapshot"]
    assert (first["snapshot_sequence"], first["reason"]) == (1, "initial")
    assert first["work_pool"]["base_job_template"] == TEMPLATE, "an empty one is filled"
    (worker,) = await workers.list(served.db, "hall")
    assert ready["worker_id"] == str(worker.id)

    await work_pools.change(served.db, "hall", {"description": "of no interest to workers"})
    await work_pools.change(served.db, "hall", {"is_paused": True})
    kind, snapshot = await heard(line)
    assert (kind, snapshot["snapshot_sequence"]) == ("work_pool.snapshot.v1", 2)
    assert snapshot["work_pool"]["is_paused"]

    beat = {name: hello[name] for name in ("consumer_id", "worker_name", "heartbeat_interval_seconds")}
    await say(line, "worker.heartbeat.v1", beat | {"heartbeat_interval_seconds": 7})
    for _ in range(2_000):
        (again,) = await workers.list(served.db, "hall")
        if again.heartbeat_interval_seconds == 7:
            break
    else:
        raise AssertionError("the heartbeat was not taken")
    assert again.last_heartbeat_time > worker.last_heartbeat_time

    await work_pools.delete(served.db, "hall")
    assert await closed(line) == (1008, "authorization_failed")


async def test_a_worker_may_bring_its_pool_along(served: Any) -> None:
    line = await served.admitted(PATH)
    asked = a_hello(create_pool_if_not_found=True, default_base_job_template=TEMPLATE)
    await say(line, "worker.hello.v1", asked)
    _, ready = await heard(line)
    pool = await work_pools.read(served.db, "hall")
    assert (pool.type, pool.base_job_template) == ("process", TEMPLATE)
    assert [each["name"] for each in ready["resolved_work_queues"]] == ["default"]
    await line.close()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, (1008, "authorization_failed")),
        ({"create_pool_if_not_found": True, "work_queue_names": ["none"]}, (1008, "authorization_failed")),
        ({"supported_channel_versions": ["v0"]}, (1008, "unsupported_version")),
        ({"requested_capabilities": ["worker_heartbeat.v1"]}, (1002, "protocol_error")),
        ({"heartbeat_interval_seconds": 0}, (1002, "protocol_error")),
        ({"color": "red"}, (1002, "protocol_error")),
        (
            {
                "create_pool_if_not_found": True,
                "default_base_job_template": {"job_configuration": {"command": "{{ what }}"}},
            },
            (1002, "protocol_error"),
        ),
    ],
)
async def test_a_hello_that_cannot_be_granted_is_answered_with_the_reason(
    served: Any, facts: dict[str, Any], why: tuple[int, str]
) -> None:
    line = await served.admitted(PATH)
    await say(line, "worker.hello.v1", a_hello(**facts))
    assert await closed(line) == why
    with pytest.raises(NotFound):
        await work_pools.read(served.db, "hall")


async def test_what_is_no_frame_of_the_channel_ends_it(served: Any) -> None:
    await work_pools.create(served.db, NewWorkPool("hall", "process"))
    line = await served.admitted(PATH)
    await line.send("no json")
    assert await closed(line) == (1002, "protocol_error")
    line = await served.admitted(PATH)
    hello = a_hello()
    await say(line, "worker.hello.v1", hello)
    assert (await heard(line))[0] == "worker.ready.v1"
    beat = {"consumer_id": str(uuid4()), "worker_name": "w1", "heartbeat_interval_seconds": 30}
    await say(line, "worker.heartbeat.v1", beat)
    assert await closed(line) == (1002, "protocol_error")
