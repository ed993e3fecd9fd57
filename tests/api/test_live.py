"""The stream of changes: each topic, going on where it broke, slow readers, and the end of the server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import event as sql_event

from heliostat.api.app import create_app
from heliostat.api.streams.event_desk import desk_of
from heliostat.api.streams.live_hub import LiveHub
from heliostat.api.streams.live_topics import Topic
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.records import LogLine
from heliostat.runtime.states import Completed, Pending, Running
from heliostat.runtime.store import flow_run_changes, flow_runs, flows, logs, task_run_changes, variables
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import NewFlowRun
from heliostat.runtime.store.task_run_changes import NewTaskRun

sys.path.append(str(Path(__file__).parents[1] / "support"))
from streams import following  # noqa: E402
from waiting import wait_until  # noqa: E402


@pytest.fixture
def url(served: Any) -> str:
    return served.url.replace("ws://", "http://")


async def a_run(db: Database, **more: Any) -> UUID:
    flow = await flows.get_or_create(db, "etl")
    new = NewFlowRun(ids.uuid7(), "etl", "run", [], tags=("nightly",), **more)
    run, _ = await flow_run_changes.create(db, flow.id, new, Pending())
    return run.run.id


async def a_task_run(db: Database, run_id: UUID, key: str) -> UUID:
    nothing: dict[str, Any] = {}
    new = NewTaskRun(None, run_id, "clean", key, "clean", [], nothing, nothing, None, nothing, None, None)
    row, _ = await task_run_changes.create(db, new, Running())
    return row.id


async def write_lines(db: Database, run_id: UUID, *messages: str) -> None:
    await logs.create(db, [(run_id, LogLine(clock.epoch_s(), 20, "flow", each)) for each in messages])


def about(run_id: UUID, state: str) -> Any:
    return lambda data: any(
        row["id"] == str(run_id) and row["state_type"] == state for row in data.get("runs", ())
    )


async def test_a_flow_run_that_changes_comes_with_all_that_a_list_shows(served: Any, url: str) -> None:
    run_id = await a_run(served.db)
    async with following(url, "flow_runs") as stream:
        await flow_run_changes.propose(served.db, run_id, Running())
        data = await stream.until("flow_runs", about(run_id, "RUNNING"))
        [row] = [each for each in data["runs"] if each["id"] == str(run_id)]
    assert row["state_name"] == "Running"
    assert row["tags"] == ["nightly"]
    assert row["start_time"].endswith("Z")
    assert {"flow_id", "deployment_id", "parent_flow_run_id", "work_pool_name", "end_time"} <= row.keys()


async def test_runs_that_are_renamed_or_removed_make_lists_stale(served: Any, url: str) -> None:
    run_id = await a_run(served.db)
    async with following(url, "flow_runs") as stream:
        await stream.marked()
        await flow_run_changes.change(served.db, run_id, {"name": "other"})
        await stream.until("flow_runs", lambda data: data["stale"])
        await stream.marked()
        await flow_runs.delete(served.db, run_id)
        await stream.until("flow_runs", lambda data: data["stale"])


async def test_a_watched_run_tells_its_state_its_counts_and_its_sub_flows(served: Any, url: str) -> None:
    run_id = await a_run(served.db)
    topics = (f"flow_run:{run_id}", f"task_runs:{run_id}")
    async with following(url, *topics) as stream:
        first = await stream.until(topics[0])
        assert first["run"]["state_type"] == "PENDING"
        assert first["task_runs"] == {}
        task = await a_task_run(served.db, run_id, "0")
        await stream.until(topics[0], lambda data: data.get("task_runs") == {"RUNNING": 1})
        await task_run_changes.propose(served.db, task, Completed())
        await stream.until(topics[1])
        await stream.until(topics[0], lambda data: data.get("task_runs") == {"COMPLETED": 1})
        below = await a_run(served.db, parent_task_run_id=await a_task_run(served.db, run_id, "1"))
        await stream.until(
            topics[0],
            lambda data: str(below) in [each["id"] for each in data.get("subflow_runs", ())],
        )


async def test_new_log_lines_come_with_their_numbers_and_long_ones_are_cut(served: Any, url: str) -> None:
    run_id, other = await a_run(served.db), await a_run(served.db)
    topic = f"logs:{run_id}"
    async with following(url, topic) as stream:
        await write_lines(served.db, other, "not asked for")
        await write_lines(served.db, run_id, "one", "two\nlines\r\u2028", "x" * 1_000_000)
        data = await stream.until(topic)
    assert [each["message"][:11] for each in data["lines"]] == ["one", "two\nlines\r\u2028", "x" * 11]
    assert [each.get("cut", False) for each in data["lines"]] == [False, False, True]
    numbers = [each["id"] for each in data["lines"]]
    assert numbers == sorted(numbers)


async def test_new_events_come_in_short(served: Any, url: str) -> None:
    async with following(url, "events") as stream:
        await variables.create(served.db, "greeting", "hello", [])
        seen = await stream.until("events")
    [told] = [each for each in seen["events"] if each["event"] == "prefect.variable.created"]
    assert told["resource_name"] == "greeting"
    assert told["resource_id"].startswith("prefect.variable.")


async def test_what_people_set_up_is_told_by_kind_and_id(served: Any, url: str) -> None:
    async with following(url, "setup") as stream, httpx.AsyncClient(base_url=url) as client:
        await stream.marked()
        made = (await client.post("/variables/", json={"name": "greeting", "value": "hello"})).json()
        data = await stream.until("setup", lambda data: "variables" in data["changed"])
        assert data["changed"]["variables"] == [made["id"]]
        await client.post("/work_pools/", json={"name": "yard", "type": "process"})
        await stream.until("setup", lambda data: "work_pools" in data["changed"])
        await client.post("/work_pools/yard/workers/heartbeat", json={"name": "one"})
        await stream.until("setup", lambda data: "workers" in data["changed"])


async def test_a_stream_goes_on_where_it_broke(served: Any, url: str) -> None:
    run_id = await a_run(served.db)
    topics = ("flow_runs", f"logs:{run_id}", "events")
    await variables.create(served.db, "before", "x", [])
    async with following(url, *topics) as stream:
        at = await stream.marked()
        assert stream.hello["resumed"] is False
    await write_lines(served.db, run_id, "while nobody listened")
    await flow_run_changes.propose(served.db, run_id, Running())
    async with following(url, "flow_runs") as other:  # by now the events of these states are stored
        await flow_run_changes.propose(served.db, run_id, Completed())
        await other.until("flow_runs", about(run_id, "COMPLETED"))
    async with following(url, *topics, after=at) as stream:
        assert stream.hello["resumed"] is True
        heard = dict([await stream.message() for _ in topics])
    assert about(run_id, "COMPLETED")(heard["flow_runs"])
    assert [each["message"] for each in heard[topics[1]]["lines"]] == ["while nobody listened"]
    assert "prefect.flow-run.Running" in [each["event"] for each in heard["events"]["events"]]


@pytest.mark.parametrize("after", ["nonsense", "999999999-", "1"])
async def test_a_position_that_cannot_be_resumed_is_answered_by_a_reset(url: str, after: str) -> None:
    async with following(url, "flow_runs", after=after) as stream:
        assert stream.hello["resumed"] is False
        assert (await stream.until("reset"))["topics"] == ["flow_runs"]


async def test_lines_of_a_log_that_was_not_followed_before_are_asked_for_anew(served: Any, url: str) -> None:
    run_id = await a_run(served.db)
    async with following(url, "flow_runs") as stream:
        at = await stream.marked()
    async with following(url, "flow_runs", f"logs:{run_id}", after=at) as stream:
        assert (await stream.until("reset"))["topics"] == [f"logs:{run_id}"]


@pytest.mark.parametrize("topic", ["", "flow_run", "flow_run:1", "weather", "flow_runs:x"])
async def test_a_topic_that_is_none_is_refused_in_words(api: Any, topic: str) -> None:
    answer = await api.get("/heliostat/live", params={"topic": topic})
    assert answer.status_code == 422
    assert "is no topic" in answer.text


async def test_a_stream_is_not_held_back_on_its_way(url: str) -> None:
    async with following(url, "flow_runs") as stream:
        headers = stream.answer.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in headers
    assert "content-length" not in headers
    assert headers["x-accel-buffering"] == "no"
    assert "no-cache" in headers["cache-control"]
    async with httpx.AsyncClient() as client:
        assert (await client.head(f"{url}/heliostat/live?topic=events")).status_code == 200


async def test_two_servers_of_one_database_tell_the_same(served: Any, url: str, database_url: str) -> None:
    other = create_app(database_url)
    async with other.router.lifespan_context(other):
        transport = httpx.ASGITransport(app=other)
        async with (
            following(url, "flow_runs", "setup") as stream,
            httpx.AsyncClient(transport=transport, base_url="http://test/api") as client,
        ):
            flow = (await client.post("/flows/", json={"name": "etl"})).json()
            body = {"flow_id": flow["id"], "state": {"type": "RUNNING"}}
            run = (await client.post("/flow_runs/", json=body)).json()
            await stream.until("flow_runs", about(UUID(run["id"]), "RUNNING"))


@pytest.fixture
async def hub(database_url: str) -> AsyncIterator[LiveHub]:
    app = create_app(database_url)
    async with app.router.lifespan_context(app):
        yield desk_of(app).live


async def test_a_reader_that_is_too_slow_is_told_so_and_takes_no_more_room(hub: LiveHub) -> None:
    with hub.watching([Topic("flow_runs")]) as watcher:
        await hub.begin(watcher, None)
        for _ in range(2_000):
            watcher.offer({Topic("flow_runs"): [b"data: " + b"x" * 10_000 + b"\n\n"]}, "7-")
        waiting = await watcher.next(0)
    assert waiting is not None
    assert waiting.startswith(b"event: reset\n")
    assert len(waiting) < 5_000_000


async def test_when_the_server_stops_streams_end_at_once(hub: LiveHub) -> None:
    with hub.watching([Topic("events")]) as watcher:
        reading = asyncio.create_task(watcher.next(600))
        await asyncio.sleep(0)
        hub.end()
        assert await reading is None
    with hub.watching([Topic("events")]) as late:
        await hub.begin(late, None)
        assert await late.next(600) is None


async def test_a_server_that_stops_ends_its_streams_before_it_waits(served: Any, url: str) -> None:
    async with following(url, "events") as stream:
        served.server.should_exit = True
        with pytest.raises(StopAsyncIteration):  # and not the error of a connection that was cut
            while True:
                await stream.message()


async def test_with_a_password_a_stream_needs_it(sqlite_url: str) -> None:
    with override_settings(server_auth_string="ann:s3cret"):
        app = create_app(sqlite_url)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
                asked = "/heliostat/live?topic=events"
                assert (await client.get(asked)).status_code == 401
                assert (await client.head(asked, auth=("ann", "s3cret"))).status_code == 200


async def test_nothing_is_asked_of_the_database_while_nobody_watches(database_url: str, db: Database) -> None:
    hub = LiveHub(lambda: db, _never)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    sql_event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    reading = asyncio.create_task(hub.read_on())
    for _ in range(20):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert asked == []


async def test_twenty_watchers_of_one_thing_cost_one_query(hub: LiveHub) -> None:
    run = Topic("flow_run", uuid4())
    db = hub._database()  # type: ignore[attr-defined]
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "GROUP BY task_run.state_type" in statement:
            asked.append(statement)

    sql_event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    with ExitStack() as stack:
        watchers = [stack.enter_context(hub.watching([run])) for _ in range(20)]
        for each in watchers:
            await hub.begin(each, None)
            told = await wait_until(lambda each=each: each.next(1))
            assert json.loads(told.partition(b"data: ")[2].partition(b"\n")[0])["run"] is None
    assert len(asked) == 1


async def _never() -> Any:
    raise AssertionError("nobody watches")
