"""Sockets over a real port: handshake, confirmation by pong, streams of events and logs, background tasks."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from heliostat.runtime.events.records import LARGEST_BYTES
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.records import LogLine
from heliostat.runtime.states import Cancelling, Pending, Running, Scheduled
from heliostat.runtime.store import (
    background_runs,
    flow_run_changes,
    flow_runs,
    flows,
    logs,
    task_run_changes,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import NewFlowRun
from heliostat.runtime.store.task_run_changes import NewTaskRun


def an_event(name: str, minutes: float = 0, **facts: Any) -> dict[str, Any]:
    return {
        "id": str(ids.uuid7()),
        "occurred": (clock.now() - timedelta(minutes=minutes)).isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": "shop.1"},
        **facts,
    }


async def next_event(line: ClientConnection) -> dict[str, Any]:
    message = json.loads(await asyncio.wait_for(line.recv(), 20))
    assert message["type"] == "event"
    return message["event"]


async def a_run(db: Database) -> UUID:
    flow = await flows.get_or_create(db, "etl")
    run, _ = await flow_run_changes.create(db, flow.id, NewFlowRun(ids.uuid7(), "etl", "run", []), Pending())
    return run.run.id


@pytest.mark.parametrize(
    "path",
    [
        "/events/in",
        "/events/out",
        "/logs/out",
        "/task_runs/subscriptions/scheduled",
        "/work_pools/hall/workers/connect",
    ],
)
async def test_who_does_not_begin_with_auth_is_sent_away(served: Any, path: str) -> None:
    line = await served.open(path, {"type": "hello"})
    with pytest.raises(ConnectionClosed):
        await line.recv()
    assert line.close_code == 1008


async def test_a_reader_without_a_filter_is_sent_away(served: Any) -> None:
    for message in ('{"type": "filter", "filter": {"color": 1}}', "no json", "[]"):
        line = await served.admitted("/events/out")
        await line.send(message)
        with pytest.raises(ConnectionClosed):
            await line.recv()
        assert line.close_code == 1002


async def test_a_pong_says_that_everything_before_it_is_durable(served: Any) -> None:
    line = await served.admitted("/events/in")
    await asyncio.wait_for(await line.ping(), 20)
    async with served.db.write() as connection:  # nobody else can write now
        lock = "SELECT 1" if served.db.is_sqlite else "LOCK TABLE event IN EXCLUSIVE MODE"
        await connection.execute(text(lock))
        for number in range(50):
            await line.send(json.dumps(an_event(f"shop.{number}")))
        pong = await line.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.3)
    await asyncio.wait_for(pong, 20)
    assert len(await served.names()) == 50
    await line.close()


async def test_what_is_no_event_is_left_out_and_the_rest_is_taken(served: Any) -> None:
    line = await served.admitted("/events/in")
    bad = ["{", "[]", "{}", json.dumps(an_event("x" * 1_025)), json.dumps(an_event("x", resource={"a": "b"}))]
    bad.append(json.dumps(an_event("large", payload={"text": "x" * LARGEST_BYTES})))
    for message in (*bad, json.dumps(an_event("good"))):
        await line.send(message)
    await asyncio.wait_for(await line.ping(), 20)
    assert await served.names() == ["good"]
    await line.close()


async def test_events_that_are_sent_again_after_a_lost_connection_count_once(served: Any) -> None:
    sent = [json.dumps(an_event(f"shop.{number}")) for number in range(20)]
    for _ in range(2):
        line = await served.admitted("/events/in")
        for message in sent:
            await line.send(message)
        await asyncio.wait_for(await line.ping(), 20)
        await line.close()
    assert len(await served.names()) == 20


async def test_a_reader_gets_recent_events_then_each_new_one_once(served: Any) -> None:
    source = await served.admitted("/events/in")
    for minutes in (20, 10, 5):
        await source.send(json.dumps(an_event(f"shop.{minutes}", minutes)))
    await source.send(json.dumps(an_event("depot.5", 5)))
    await asyncio.wait_for(await source.ping(), 20)
    reader = await served.admitted("/events/out")
    await reader.send(json.dumps({"type": "filter", "filter": {"event": {"prefix": ["shop."]}}}))
    assert [(await next_event(reader))["event"] for _ in range(2)] == ["shop.10", "shop.5"]
    for name in ("depot.now", "shop.now", "shop.end"):
        await source.send(json.dumps(an_event(name)))
    assert [(await next_event(reader))["event"] for _ in range(2)] == ["shop.now", "shop.end"]
    await reader.close()
    await source.close()


async def test_a_reader_may_do_without_what_was_before(served: Any) -> None:
    source = await served.admitted("/events/in")
    await source.send(json.dumps(an_event("before")))
    await asyncio.wait_for(await source.ping(), 20)
    reader = await served.admitted("/events/out")
    await reader.send(json.dumps({"type": "filter", "filter": {}, "backfill": False}))
    marker = 0
    seen: list[str] = []

    async def read() -> None:
        seen.append((await next_event(reader))["event"])

    reading = asyncio.create_task(read())
    while not reading.done():  # its subscription begins some time after the message
        marker += 1
        await source.send(json.dumps(an_event(f"after.{marker}")))
        await asyncio.wait([reading], timeout=0.1)
    assert seen[0].startswith("after.")
    await reader.close()
    await source.close()


async def test_a_cancelled_run_is_told_to_those_who_execute_it(served: Any) -> None:
    """Stock workers and runners stop a run when they hear of it here."""
    run_id = await a_run(served.db)
    await flow_run_changes.propose(served.db, run_id, Pending(), force=True)
    reader = await served.admitted("/events/out")
    await reader.send(
        json.dumps({"type": "filter", "filter": {"event": {"name": ["prefect.flow-run.Cancelling"]}}})
    )
    await flow_run_changes.propose(served.db, run_id, Cancelling(), force=True)
    event = await next_event(reader)
    run = await flow_runs.read(served.db, run_id)
    assert event["resource"]["prefect.resource.id"] == f"prefect.flow-run.{run_id}"
    assert event["id"] == str(run.state_id)
    await reader.close()


async def test_a_reader_of_logs_gets_new_lines_that_fit(served: Any) -> None:
    run_id = await a_run(served.db)
    reader = await served.admitted("/logs/out")
    asked = {"flow_run_id": {"any_": [str(run_id)]}, "level": {"ge_": 20}}
    await reader.send(json.dumps({"type": "filter", "filter": asked}))
    reading = asyncio.create_task(reader.recv())
    number = 0
    while not reading.done():  # its subscription begins some time after the message
        number += 1
        lines = [LogLine(clock.epoch_s(), level, "flow", f"{level} {number}") for level in (10, 20)]
        await logs.create(served.db, [(run_id, line) for line in lines] + [(None, lines[1])])
        await asyncio.wait([reading], timeout=0.1)
    told = json.loads(await reading)
    assert told["type"] == "log" and told["log"]["flow_run_id"] == str(run_id)
    assert told["log"]["message"].startswith("20 ")
    await reader.close()


async def a_background_run(db: Database, key: str = "tasks.later") -> UUID:
    new = NewTaskRun(None, None, key, str(ids.uuid7()), "later", (), {}, {}, None, {}, None, None)
    row, _ = await task_run_changes.create(db, new, Scheduled(details={"deferred": True}))
    return row.id


async def worker(served: Any, *keys: str, name: str = "host-1") -> ClientConnection:
    line = await served.admitted("/task_runs/subscriptions/scheduled")
    await line.send(json.dumps({"type": "subscribe", "keys": list(keys), "client_id": name}))
    return line


async def given_to(line: ClientConnection) -> str:
    run = json.loads(await asyncio.wait_for(line.recv(), 20))
    assert run["state"]["type"] == "SCHEDULED" and run["state"]["state_details"]["deferred"]
    return run["id"]


async def test_background_runs_are_given_to_workers_in_order_one_at_a_time(served: Any) -> None:
    runs = [str(await a_background_run(served.db)) for _ in range(2)]
    await a_background_run(served.db, "tasks.other")
    line = await worker(served, "tasks.later")
    assert await given_to(line) == runs[0]
    listed = await background_runs.workers(served.db, ["tasks.later"])
    assert [(each.client_id, each.task_keys) for each in listed] == [("host-1", ["tasks.later"])]
    await line.send(json.dumps({"type": "ack"}))
    assert await given_to(line) == runs[1]
    await line.send(json.dumps({"type": "ack"}))
    late = str(await a_background_run(served.db))
    assert await given_to(line) == late
    await line.close()


async def test_a_background_run_that_did_not_reach_its_worker_goes_to_the_next_one(served: Any) -> None:
    run_id = str(await a_background_run(served.db))
    line = await worker(served, "tasks.later")
    assert await given_to(line) == run_id
    await line.close()
    line = await worker(served, "tasks.later", name="host-2")
    assert await given_to(line) == run_id
    await line.send(json.dumps({"type": "quit"}))
    with pytest.raises(ConnectionClosed):
        await line.recv()
    assert line.close_code == 1000


async def test_a_background_run_that_was_taken_and_not_begun_is_given_out_again(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker acknowledged and died with would else wait for ever; what it began is not given again."""
    taken, begun = await a_background_run(served.db), await a_background_run(served.db)
    subscription = ids.uuid7()
    monkeypatch.setattr(background_runs, "LEASE_S", 0.0)
    for _ in range(2):
        assert await background_runs.claim(served.db, ["tasks.later"], subscription)
        await task_run_changes.propose(served.db, begun, Running())
    again = await background_runs.claim(served.db, ["tasks.later"], subscription)
    assert again is not None and again.id == taken
    await task_run_changes.propose(served.db, taken, Running())
    assert await background_runs.claim(served.db, ["tasks.later"], subscription) is None


@pytest.mark.parametrize("said", [{"type": "x"}, {"type": "subscribe", "keys": [], "client_id": "a"}, {}])
async def test_a_task_worker_that_does_not_say_what_it_serves_is_sent_away(served: Any, said: Any) -> None:
    line = await served.admitted("/task_runs/subscriptions/scheduled")
    await line.send(json.dumps(said))
    with pytest.raises(ConnectionClosed):
        await line.recv()
    assert line.close_code == 4001
