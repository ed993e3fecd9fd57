"""The cluster over the API: as its keeper last saw it, with the runs that use it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from heliostat.runtime.store import clusters, losses
from heliostat.runtime.store.clusters import Sample
from heliostat.runtime.store.database.database import Database

from .conftest import Client


def picture(*workers: dict[str, Any], supervisors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    node = {"id": "n1", "name": "hall", "cpus": 4.0, "workers": list(workers)}
    return {"nodes": [node], "supervisors": supervisors or [], "actors": [], "news": []}


async def test_a_server_that_never_saw_ray_says_so(api: Client) -> None:
    found = (await api.get("/heliostat/cluster")).json()
    assert (found["picture"], found["is_up"], found["keepers"]) == (None, False, [])
    assert (await api.get("/heliostat/load")).json() == []


async def test_the_run_of_a_busy_supervisor_is_told(api: Client, db: Database) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    carrier = {"name": "s1", "node_id": "n1", "pid": 7, "run_ids": [run["id"]]}
    seen = picture({"pid": 7, "cpus": 1.0}, {"pid": 8, "cpus": 1.0}, supervisors=[carrier])
    await clusters.keep(db, "hall:4200", "ray:1", seen, None)
    found = (await api.get("/heliostat/cluster")).json()
    assert found["is_up"] and found["problem"] is None
    assert [each["run_id"] for each in found["picture"]["nodes"][0]["workers"]] == [run["id"], None]
    assert [(each["name"], each["flow_name"]) for each in found["runs"]] == [(run["name"], "etl")]
    brief = (await api.get("/heliostat/cluster", params={"with_runs": False})).json()
    assert (brief["runs"], brief["losses"], len(brief["picture"]["nodes"])) == ([], [], 1)


async def test_a_picture_of_a_ray_that_is_away_is_shown_with_the_reason(api: Client, db: Database) -> None:
    await clusters.keep(db, "hall:4200", "ray:1", picture(), None)
    await clusters.keep_problem(db, "hall:4200", "Ray does not answer")
    found = (await api.get("/heliostat/cluster")).json()
    assert not found["is_up"] and found["problem"] == "Ray does not answer"
    assert found["picture"]["nodes"][0]["name"] == "hall" and found["seen"] < found["at"]


async def test_the_load_is_told_since_a_moment(api: Client, db: Database) -> None:
    await clusters.keep(db, "hall:4200", "ray:1", picture(), Sample(1, 3, 4, 1, 2))
    since = (await db.time() - timedelta(hours=1)).isoformat()
    [load] = (await api.get("/heliostat/load", params={"since": since})).json()
    assert (load["cpu_used"], load["cpu_total"], load["gpu_used"], load["gpu_total"]) == (3, 4, 1, 2)


@pytest.mark.parametrize("asked", [{"parts": 0}, {"parts": 501}, {"since": "x"}])
async def test_a_load_that_makes_no_sense_is_refused(api: Client, asked: dict[str, Any]) -> None:
    assert (await api.get("/heliostat/load", params=asked)).status_code == 422


@pytest.mark.parametrize("since", ["2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00"])
async def test_the_load_of_any_time_may_be_asked_for(api: Client, since: str) -> None:
    assert (await api.get("/heliostat/load", params={"since": since})).status_code == 200


async def test_runs_that_lost_their_executor_are_told_the_newest_first(api: Client, db: Database) -> None:
    from heliostat.runtime.records import Owner

    runs = [await api.flow_run() for _ in range(2)]
    for number, run in enumerate(runs):
        await api.propose(run, "RUNNING")
        owner = Owner(UUID(int=number + 1), "hall", 1, 0.0)
        await losses.take_over(db, UUID(run["id"]), owner, 15.0, None, "its process died")
        await asyncio.sleep(0)
    await clusters.keep(db, "hall:4200", "ray:1", picture(), None)
    told = (await api.get("/heliostat/cluster")).json()["losses"]
    assert [each["run_id"] for each in told] == [run["id"] for run in reversed(runs)]
    assert told[0]["reason"] == "its process died"
