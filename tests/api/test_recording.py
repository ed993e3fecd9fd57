"""Flows of a process that has no database: HELIOSTAT_API_URL is set and everything is recorded over HTTP."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from serving import serving  # noqa: E402

from heliostat import flow, get_client, get_run_logger, task
from heliostat.runtime.foundation import ids, settings
from heliostat.runtime.foundation.errors import BadSetting, DatabaseUnavailable, LeaseHeld, NotFound
from heliostat.runtime.journal.current import close_current_recording, current_recording
from heliostat.runtime.journal.remote_verbs import BadQuestion, remote_verb, verb_named
from heliostat.runtime.journal.thread_recording import ThreadRecording
from heliostat.runtime.records import Owner
from heliostat.runtime.states import State, StateType
from heliostat.runtime.store import concurrency_limits, flow_runs, leases, logs, task_runs
from heliostat.runtime.store.commits import cache
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import NewFlowRun
from heliostat.runtime.values.caching import INPUTS


@pytest.fixture
def served(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The API on a socket, and this process recording to it."""
    with serving(database_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        monkeypatch.setenv("HELIOSTAT_TASK_RUNNER", "threads")
        settings.reload_settings()
        yield served
        close_current_recording()


def from_database(database_url: str, verb: Any, *args: Any, **kwargs: Any) -> Any:
    async def ask() -> Any:
        database = await Database.open(database_url)
        try:
            return await verb(database, *args, **kwargs)
        finally:
            await database.close()

    return asyncio.run(ask())


def a_run(**fields: Any) -> NewFlowRun:
    from heliostat.runtime.engine.flow.flow_states import transition_of
    from heliostat.runtime.states import Pending

    return NewFlowRun(ids.uuid7(), "etl", "brave-owl", [transition_of(Pending())], **fields)


def an_owner() -> Owner:
    return Owner(uuid4(), "host", 7, 1_700_000_000.0)


def test_a_flow_with_tasks_sub_flows_logs_and_cache_is_recorded_by_the_server(
    served: Any, database_url: str, heliostat_home: Path
) -> None:
    executed: list[int] = []

    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    def double(number: int) -> int:
        executed.append(number)
        print(f"doubling {number}")
        return number * 2

    @flow
    def inner(numbers: list[int]) -> int:
        return sum(double.map(numbers).result())

    @flow
    def outer() -> int:
        return inner([1, 2]) + inner([1, 2]) + double(5)

    assert outer() == 22
    assert sorted(executed) == [1, 2, 5]
    close_current_recording()
    runs = from_database(database_url, flow_runs.list)
    assert {(run.flow_name, run.state_type) for run in runs} == {
        ("outer", "COMPLETED"),
        ("inner", "COMPLETED"),
    }
    [top] = [run for run in runs if run.parent_task_run_id is None]
    assert from_database(database_url, task_runs.count_by_state, top.id) == {"COMPLETED": 3}
    lines = from_database(database_url, logs.read, flow_run_id=top.id)
    assert "doubling 5" in [line.message for line in lines]
    assert not (heliostat_home / "heliostat.db").exists()


def test_texts_that_no_json_can_hold_are_recorded_over_http_as_in_a_database(
    served: Any, database_url: str, heliostat_home: Path
) -> None:
    """NUL and half of a surrogate pair ended runs that record over HTTP.

    The name of the run, a log line or the message of an exception was enough: its journal was refused for
    good, while the same run with a database of its own only kept U+FFFD in their place.
    """
    odd = "a\x00b\ud800c"

    @task(tags=["tag\x00"], task_run_name="named {text}")
    def fail(text: str) -> None:
        raise ValueError(text)

    @flow(name="oddly", flow_run_name=odd)
    def oddly(text: str, number: int) -> State:
        get_run_logger().info("log %s", text[:-2])  # pytest's own channel cannot carry half of a pair
        assert fail(text, return_state=True).is_failed()
        return State(StateType.COMPLETED, name=odd, message=odd)

    oddly(odd, 2**70, return_state=True)
    close_current_recording()
    (run,) = from_database(database_url, flow_runs.list)
    kept = "a\ufffdb?c"
    assert (run.name, run.state_type, run.state_name) == (kept, StateType.COMPLETED, kept)
    assert run.parameters == {"text": kept, "number": str(2**70)}
    [failed] = from_database(database_url, task_runs.list, run.id)
    assert (failed.name, failed.tags, failed.state_type) == (f"named {kept}", ["tag\ufffd"], StateType.FAILED)
    lines = from_database(database_url, logs.read, flow_run_id=run.id)
    assert "log a\ufffdb" in [line.message for line in lines]


def test_verbs_come_back_as_they_are_and_their_errors_as_what_they_were(served: Any) -> None:
    recording = current_recording()
    assert isinstance(recording, ThreadRecording) and recording.place == served.url
    new, owner = a_run(parameters={"x": [1, None]}, parameters_pickle=b"\x80\x00\xff"), an_owner()
    begun = recording.call(flow_runs.begin, new, owner, 30.0)
    assert begun.run == recording.call(flow_runs.read, new.id)
    assert (begun.run.parameters_pickle, begun.run.parameters) == (b"\x80\x00\xff", {"x": [1, None]})
    assert begun.lease is not None and begun.lease.epoch == 1
    with pytest.raises(LeaseHeld, match="process 7 on host") as held:
        recording.call(leases.take, new.id, an_owner(), 30.0)
    assert held.value.hint is not None
    assert recording.call(leases.take, new.id, an_owner(), 30.0, dead_epoch=1).epoch == 2
    with pytest.raises(NotFound):
        recording.call(flow_runs.read, uuid4())
    assert recording.call(leases.read, uuid4()) is None
    assert recording.call(cache.get_many, ("a", "b")) == {}
    with pytest.raises(NotImplementedError):
        recording.call(flow_runs.list)


def test_a_run_goes_on_when_the_server_comes_back(served: Any, database_url: str) -> None:
    """Everything that happens while it is away is kept and sent, and questions wait for the answer."""

    @task
    def work(number: int) -> int:
        return number

    @flow
    def child() -> int:
        return 1

    @flow
    def through_an_outage() -> int:
        total = sum(work.map(range(20)).result())
        served.stop()
        futures = work.map(range(20))
        total += sum(futures.result())
        served.start()
        return total + child()

    assert through_an_outage() == 381
    close_current_recording()
    run = from_database(database_url, flow_runs.find, "@last")
    assert (run.state_type, run.run_count) == ("COMPLETED", 1)
    assert from_database(database_url, task_runs.count_by_state, run.id) == {"COMPLETED": 41}


def test_nothing_begins_while_no_server_answers(served: Any) -> None:
    served.stop()
    began: list[bool] = []

    @flow
    def never() -> None:
        began.append(True)

    with pytest.raises(DatabaseUnavailable, match="cannot reach the Heliostat server") as away:
        never()
    assert "HELIOSTAT_API_URL" in str(away.value.hint)
    assert began == []


def test_another_program_at_the_address_is_told_apart_from_a_server(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOSTAT_API_URL", f"http://127.0.0.1:{served.port}/elsewhere")
    settings.reload_settings()
    with pytest.raises(BadSetting, match="not a Heliostat server"):
        current_recording()


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("flow_runs.read", b"{"),
        ("flow_runs.read", b"{}"),
        ("flow_runs.read", b'{"run_id": "no"}'),
        ("flow_runs.read", b'{"run_id": "019b0000-0000-7000-8000-000000000000", "more": 1}'),
        ("leases.release", b'{"run_id": "019b0000-0000-7000-8000-000000000000", "epoch": -1, "owner_id": 3}'),
        ("cache.get_many", b'{"keys": ["a\\u0000"]}'),
    ],
)
def test_a_bad_question_is_refused_with_the_place_at_fault(verb: str, body: bytes) -> None:
    known = verb_named(verb)
    assert known is not None
    with pytest.raises(BadQuestion, match=verb):
        known.load_question(body)


BROKEN: list[tuple[str, Any]] = [
    ("lease_s", 0),
    ("owner.pid", 2**40),
    ("owner.process_started", -1),
    ("new.entrypoint", "a\0"),
    ("new.transitions", []),
    ("new.transitions.0.state_type", "ODD"),
    ("new.transitions.0.at", 1e300),
    ("new.parameters_pickle", "no base64!"),
]


async def test_runs_that_no_database_could_take_are_refused(api: httpx.AsyncClient) -> None:
    for place, value in BROKEN:
        question = orjson.loads(remote_verb(flow_runs.begin).dump_question((a_run(), an_owner(), 30.0), {}))
        *path, last = place.split(".")
        inner = question
        for step in path:
            inner = inner[int(step)] if step.isdigit() else inner[step]
        inner[last] = value
        answer = await api.post("/heliostat/recording/flow_runs.begin", json=question)
        assert answer.status_code == 422, (place, answer.text)
    assert (await api.post("/flow_runs/count", json={})).json() == 0
    assert (await api.post("/heliostat/recording/flow_removal.remove", json={})).status_code == 404


def test_records_and_requests_go_to_a_server_that_wants_csrf_tokens(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with this protection refused all records, and everything that the client wrote, with 403."""
    monkeypatch.setenv("HELIOSTAT_SERVER_CSRF_PROTECTION", "true")
    settings.reload_settings()

    @flow
    def etl() -> int:
        return 7

    with serving(sqlite_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        settings.reload_settings()
        try:
            assert etl() == 7
        finally:
            close_current_recording()
        assert httpx.post(f"{served.url}/flows/", json={"name": "x"}).status_code == 403
        with get_client(sync_client=True, api_url=served.url) as client:
            (run,) = client.read_flow_runs()
            assert run.state_type == "COMPLETED"
            client.delete_flow_run(run.id)
            assert client.read_flow_runs() == []


def test_limits_on_tags_hold_for_a_process_without_a_database(served: Any, database_url: str) -> None:
    from_database(database_url, concurrency_limits.set_tag_limit, "db", 1)
    lock, inside, most = threading.Lock(), 0, 0

    @task(tags=["db"])
    def query(number: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.005)
        with lock:
            inside -= 1
        return number

    @flow
    def limited() -> list[int]:
        return [*query.map(range(5)).result(), query(5)]

    assert limited() == list(range(6))
    assert most == 1
    assert from_database(database_url, concurrency_limits.read, "tag:db").active_slots == 0
