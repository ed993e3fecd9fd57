"""The first page: what is under way, what ended when, and what needs a person with its cause."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from heliostat.api.shared_answers import SharedAnswers
from heliostat.runtime.foundation import clock
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.tables import flow_run

from .conftest import Client


async def needs(api: Client) -> list[dict[str, Any]]:
    answer = await api.get("/heliostat/needs")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ended(api: Client, state: str, message: str = "", **fields: Any) -> dict[str, Any]:
    run = await api.flow_run(**fields)
    await api.propose(run, "RUNNING")
    await api.propose(run, state, message=message)
    return run


async def test_a_run_is_counted_in_the_part_of_the_time_in_which_it_began(api: Client) -> None:
    await ended(api, "COMPLETED")
    await ended(api, "FAILED")
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    found = (await api.get("/heliostat/overview", params={"hours": 1, "parts": 60})).json()
    assert len(found["bins"]) == 60 and found["step_s"] == 60
    newest: dict[str, int] = {}
    for each in found["bins"][-2:]:
        for state, count in each["runs"].items():
            newest[state] = newest.get(state, 0) + count
    assert newest == {"COMPLETED": 1, "FAILED": 1, "RUNNING": 1}
    assert found["under_way"] == {"running": 1, "waiting": 0, "late": 0, "paused": 0}


async def test_task_runs_are_counted_and_runs_of_parents_are_not(api: Client) -> None:
    parent = await api.flow_run()
    await api.propose(parent, "RUNNING")
    task = await api.task_run(parent)
    child = await api.flow_run(parent_task_run_id=task["id"])
    await api.propose(child, "RUNNING")
    found = (await api.get("/heliostat/overview", params={"hours": 1, "parts": 1})).json()
    assert found["bins"][0]["tasks"] == 1
    assert found["bins"][0]["runs"] == {"RUNNING": 1}


@pytest.mark.parametrize("asked", [{"hours": 0}, {"hours": "x"}, {"parts": 501}, {"hours": 1e9}])
async def test_a_stretch_of_time_that_makes_no_sense_is_refused(api: Client, asked: dict[str, Any]) -> None:
    assert (await api.get("/heliostat/overview", params=asked)).status_code == 422


async def test_nothing_needs_a_person_on_an_empty_server(api: Client) -> None:
    assert await needs(api) == []


async def test_a_failed_run_needs_a_person_until_a_later_run_goes_well(api: Client) -> None:
    deployment = await api.deployment()
    run = await api.run_of(deployment)
    await api.propose(run, "RUNNING")
    await api.propose(run, "FAILED", message="ValueError: no rows")
    [cause] = await needs(api)
    assert (cause["kind"], cause["text"], cause["run_id"]) == ("failed", "ValueError: no rows", run["id"])
    assert (cause["flow_name"], cause["deployment_name"], cause["count"]) == ("etl", "daily", 1)


async def test_failures_before_a_success_need_nobody(api: Client) -> None:
    await ended(api, "FAILED")
    await ended(api, "COMPLETED")
    assert await needs(api) == []


async def test_a_flow_that_fails_often_is_told_although_its_last_run_went_well(api: Client) -> None:
    for _ in range(3):
        await ended(api, "FAILED", message="ConnectionError: refused")
    await ended(api, "COMPLETED")
    [cause] = await needs(api)
    assert (cause["kind"], cause["count"], cause["failures"]) == ("keeps-failing", 3, 3)


async def test_crashed_comes_before_failed(api: Client) -> None:
    await ended(api, "FAILED", flow="a")
    await ended(api, "CRASHED", flow="b")
    assert [cause["kind"] for cause in await needs(api)] == ["crashed", "failed"]


async def test_late_runs_of_a_queue_are_one_cause_with_the_reason_and_its_cure(api: Client) -> None:
    await api.pool("laptops")
    deployment = await api.deployment(work_pool_name="laptops")
    for _ in range(2):
        run = await api.run_of(deployment)
        await api.propose(run, "SCHEDULED", name="Late", force=True)
    [cause] = await needs(api)
    assert (cause["kind"], cause["count"], cause["code"]) == ("late", 2, "no-worker")
    assert cause["hint"] == "heliostat worker start --pool laptops"
    assert (cause["work_pool"], cause["work_queue"]) == ("laptops", "default")


async def test_a_pool_shows_its_slots_and_its_late_runs(api: Client) -> None:
    await api.pool("yard", concurrency_limit=3)
    deployment = await api.deployment(work_pool_name="yard")
    for state, name in (("PENDING", None), ("RUNNING", None), ("SCHEDULED", "Late")):
        await api.propose(await api.run_of(deployment), state, name=name, force=True)
    found = (await api.get("/heliostat/overview")).json()
    [yard] = [pool for pool in found["pools"] if pool["name"] == "yard"]
    assert (yard["taken"], yard["late"], yard["limit"], yard["is_paused"]) == (2, 1, 3, False)


async def test_a_paused_run_says_what_it_waits_for(api: Client) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    await api.propose(run, "PAUSED", force=True)
    [cause] = await needs(api)
    assert cause["kind"] == "paused" and "until it is resumed" in cause["text"]


async def test_many_who_ask_at_once_share_one_answer() -> None:
    shared = SharedAnswers(fresh_s=60)
    made: list[int] = []
    go = asyncio.Event()

    async def make() -> int:
        await go.wait()
        made.append(1)
        return len(made)

    asking = [asyncio.create_task(shared.get("x", make)) for _ in range(20)]
    go.set()
    assert await asyncio.gather(*asking) == [1] * 20
    assert await shared.get("x", make) == 1


async def test_a_failure_is_told_to_all_who_wait_and_the_next_one_asks_again() -> None:
    shared = SharedAnswers(fresh_s=60)
    tries: list[int] = []

    async def make() -> str:
        tries.append(1)
        await asyncio.sleep(0)
        if len(tries) == 1:
            raise ValueError("the database is away")
        return "well"

    first = await asyncio.gather(*(shared.get("x", make) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in first] == ["the database is away"] * 3
    assert await shared.get("x", make) == "well"


async def test_who_stops_waiting_takes_the_answer_from_nobody() -> None:
    shared = SharedAnswers(fresh_s=60)
    go = asyncio.Event()

    async def make() -> str:
        await go.wait()
        return "made"

    impatient = asyncio.create_task(shared.get("x", make))
    patient = asyncio.create_task(shared.get("x", make))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    go.set()
    assert await patient == "made"


async def _began_ago(
    database_url: str, run: dict[str, Any], hours: float, *, took_s: float | None = None
) -> None:
    """Move a run into the past, as if it had begun so long ago."""
    at = clock.now() - timedelta(hours=hours)
    end = {} if took_s is None else {"end_time": at + timedelta(seconds=took_s)}
    db = await Database.open(database_url)
    try:
        async with db.write() as connection:
            of_run = flow_run.update().where(flow_run.c.id == UUID(run["id"]))
            times = {"start_time": at, "expected_start_time": at, "state_timestamp": at}
            await connection.execute(of_run.values(**times, **end))
    finally:
        await db.close()


async def test_a_running_run_without_news_for_long_stands_still(api: Client, database_url: str) -> None:
    done, quiet, writing, working, fresh = [await api.flow_run() for _ in range(5)]
    for run in (done, quiet, writing, working, fresh):
        await api.propose(run, "RUNNING")
    await api.propose(done, "COMPLETED")
    await _began_ago(database_url, done, 9, took_s=150)
    for run in (quiet, writing, working):
        await _began_ago(database_url, run, 3)
    await api.task_run(working, state={"type": "RUNNING"})
    line = {"name": "flow_runs", "level": 20, "message": "part 7", "timestamp": clock.now().isoformat()}
    await api.post("/logs/", json=[{**line, "flow_run_id": writing["id"]}])
    [cause] = await needs(api)
    assert (cause["kind"], cause["run_id"], cause["count"]) == ("stands-still", quiet["id"], 1)
    assert cause["text"].endswith("such runs usually take 2 min")


async def test_a_run_that_usually_takes_long_may_be_silent_for_as_long(
    api: Client, database_url: str
) -> None:
    done, quiet = await api.flow_run(), await api.flow_run()
    for run in (done, quiet):
        await api.propose(run, "RUNNING")
    await api.propose(done, "COMPLETED")
    await _began_ago(database_url, done, 9, took_s=5 * 3600)
    await _began_ago(database_url, quiet, 3)
    assert await needs(api) == []


async def test_what_stands_still_is_told_of_the_sub_flow_and_not_of_its_parent(
    api: Client, database_url: str
) -> None:
    parent = await api.flow_run()
    await api.propose(parent, "RUNNING")
    task = await api.task_run(parent)
    child = await api.flow_run(parent_task_run_id=task["id"])
    await api.propose(child, "RUNNING")
    await _began_ago(database_url, parent, 4)
    await _began_ago(database_url, child, 3)
    assert [each["run_id"] for each in await needs(api)] == [child["id"]]
