"""What keepers saw of Ray, how busy it was, and which processes execute calls of which runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from heliostat.runtime.store import clusters
from heliostat.runtime.store.clusters import Sample
from heliostat.runtime.store.database.database import Database

PICTURE: dict[str, Any] = {"nodes": [{"id": "1"}], "supervisors": [], "actors": []}


async def test_the_last_picture_stays_when_ray_is_away(db: Database) -> None:
    await clusters.keep(db, "host:4200", "ray:1", PICTURE, None)
    [told] = await clusters.pictures(db)
    assert (told.is_up, told.problem, told.picture) == (True, None, PICTURE)
    await clusters.keep_problem(db, "host:4200", "Ray does not answer")
    [away] = await clusters.pictures(db)
    assert (away.is_up, away.problem, away.picture) == (False, "Ray does not answer", PICTURE)
    assert away.seen == told.seen and away.at > told.at
    await clusters.keep(db, "host:4200", "ray:2", PICTURE, None)
    [back] = await clusters.pictures(db)
    assert back.is_up and back.problem is None


async def test_a_ray_that_answers_comes_before_one_that_was_seen_later(db: Database) -> None:
    await clusters.keep(db, "a:1", "ray:1", PICTURE, None)
    await clusters.keep(db, "b:1", "ray:2", PICTURE, None)
    await clusters.keep_problem(db, "b:1", "away")
    assert [each.keeper for each in await clusters.pictures(db)] == ["a:1", "b:1"]


async def test_a_keeper_that_ended_says_so(db: Database) -> None:
    await clusters.keep(db, "a:1", "ray:1", PICTURE, None)
    await clusters.forget(db, "a:1", "the server has ended")
    [told] = await clusters.pictures(db)
    assert (told.is_up, told.problem) == (False, "the server has ended")


async def test_a_keeper_that_never_saw_ray_has_no_picture(db: Database) -> None:
    await clusters.keep_problem(db, "a:1", "nothing listens there")
    [told] = await clusters.pictures(db)
    assert (told.picture, told.problem, told.seen) == (None, "nothing listens there", None)


async def test_samples_of_one_cluster_are_averaged_and_clusters_are_added(db: Database) -> None:
    since = await db.time() - timedelta(minutes=1)
    for cluster, used in (("ray:1", 2.0), ("ray:1", 4.0), ("ray:2", 8.0)):
        sample = Sample(nodes=1, cpu_used=used, cpu_total=16)
        await clusters.keep(db, "a:1", cluster, PICTURE, sample)
    [load] = await clusters.load(db, since, 1)
    assert (load.cpu_used, load.cpu_total, load.nodes) == (11.0, 32.0, 2.0)
    assert load.at is not None and since <= load.at


@pytest.mark.parametrize("parts", [1, 7, 500])
async def test_no_load_is_told_of_times_without_samples(db: Database, parts: int) -> None:
    now = await db.time()
    assert await clusters.load(db, now - timedelta(hours=6), parts) == []


async def test_nothing_is_lost_where_nothing_ran(db: Database) -> None:
    assert await clusters.lost(db) == []
    assert await clusters.runs(db, []) == []
