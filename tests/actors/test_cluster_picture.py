"""The picture of the cluster that the keeper takes, on a real Ray; and what it says when Ray is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_for

from heliostat.runtime.store import clusters
from heliostat.runtime.store.database.database import Database

from .conftest import Plane


def taken(plane: Plane, before: dict[str, Any] | None = None) -> dict[str, Any]:
    from heliostat.actors import picture
    from heliostat.actors.overview import supervisors

    actors = [{"name": child.name, "state": "alive"} for child in plane.children]
    return picture.take(actors, supervisors(10.0), before, 100.0)


def test_a_picture_shows_who_uses_the_cluster_and_what_is_new(plane: Plane) -> None:
    row = plane.deploy("flows.py:many")
    run_id = plane.start(row, count=2, pause_s=20.0)
    plane.wait_until(lambda: plane.counts(run_id).get("RUNNING") == 2, tell=lambda: plane.told(run_id))
    seen = taken(plane)
    [node] = seen["nodes"]
    assert (node["is_head"], node["cpus"], node["cpus_used"]) == (True, 2.0, 2.0)
    assert node["store"] > node["store_used"] >= 0 and node["started"] > 0
    busy = {each["pid"] for each in node["workers"]}
    assert len(busy) == 2 and all(each["cpus"] == 1.0 for each in node["workers"])
    # The database knows which run has the calls that these processes execute.
    [run] = plane.ask(clusters.runs, [])
    assert (run.id, {each.pid for each in run.workers}) == (run_id, busy)
    assert {each.node for each in run.workers} == {node["name"]}
    assert [each["run_ids"] for each in seen["supervisors"] if each["active"]] == [[str(run_id)]]
    assert {each["name"] for each in seen["actors"]} == {child.name for child in plane.children}
    assert all(each["pid"] and each["restarts"] == 0 for each in seen["actors"])
    assert seen["news"] == []
    # What is new since an earlier picture is told.
    gone = {**node, "id": "0" * 56, "name": "lost-host"}
    seen["actors"][0]["pid"] = 1
    told = taken(plane, {**seen, "nodes": [node, gone]})["news"]
    kinds = {(each["kind"], each["name"]) for each in told}
    assert kinds == {("node-lost", "lost-host"), ("actor-restarted", seen["actors"][0]["name"])}


@pytest.fixture
def keeper(sqlite_url: str, tmp_path: Path) -> Any:
    """A keeper in a process of its own, with a Ray of its own."""
    home, alive = os.pipe()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_A")},
        "HELIOSTAT_DATABASE_URL": sqlite_url,
        "HELIOSTAT_HOME": str(tmp_path),
        "HELIOSTAT_RAY_DASHBOARD": "false",
    }
    words = [sys.executable, "-m", "heliostat.actors.keeper", "--alive-fd", str(home), "--server", "1"]
    process = subprocess.Popen(words, pass_fds=[home], env=environment)
    yield process
    os.close(alive)
    process.wait(60)
    os.close(home)


def test_the_picture_is_told_to_be_old_when_ray_is_killed(
    keeper: subprocess.Popen[bytes], sqlite_url: str
) -> None:
    def told() -> clusters.Picture | None:
        async def ask() -> list[clusters.Picture]:
            db = await Database.open(sqlite_url)
            try:
                return await clusters.pictures(db)
            finally:
                await db.close()

        return next(iter(asyncio.run(ask())), None)

    def is_up(wanted: bool) -> bool:
        seen = told()
        return seen is not None and seen.picture is not None and seen.is_up == wanted

    wait_for(lambda: is_up(True), within_s=120)
    seen = told()
    assert seen is not None and seen.picture is not None and len(seen.picture["nodes"]) == 1
    for child in psutil.Process(keeper.pid).children(recursive=True):
        if child.name() in ("gcs_server", "raylet"):
            os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: is_up(False), within_s=120)
    away = told()
    assert away is not None and away.problem and away.picture == seen.picture
