"""The page about the server's health: its database, and who carries out which service."""

from __future__ import annotations

import os
from uuid import uuid4

from heliostat.actors.loops.names import LOOPS
from heliostat.runtime.records import Owner
from heliostat.runtime.store import services
from heliostat.runtime.store.database.database import Database

from .conftest import Client


async def test_the_database_tells_its_kind_size_and_schema(api: Client) -> None:
    found = (await api.get("/heliostat/condition")).json()["database"]
    assert found["kind"] in ("SQLite", "Postgres")
    assert found["size_bytes"] > 0 and found["answers_in_s"] >= 0
    assert found["schema_version"] and found["version"]


async def test_each_service_is_listed_though_none_runs(api: Client) -> None:
    found = (await api.get("/heliostat/condition")).json()["services"]
    assert [each["name"] for each in found] == list(LOOPS)
    assert all(each["process"] is None and each["does"] for each in found)


async def test_a_service_that_beats_tells_its_process(api: Client, db: Database) -> None:
    name = next(iter(LOOPS))
    await services.beat(db, Owner(uuid4(), "host-a", os.getpid(), 1.5), [name])
    [found] = [
        each for each in (await api.get("/heliostat/condition")).json()["services"] if each["name"] == name
    ]
    assert found["process"]["running"] is True and found["process"]["pid"] == os.getpid()
