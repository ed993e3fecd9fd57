"""Events that the server makes of places, and how long events are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from heliostat.actors.loops.event_keeping import EventRetention, PlaceEvents
from heliostat.runtime.events.filters import EventFilter
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, settings
from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.store import deployments, event_search, events, work_pools, workers
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import NewWorkPool


async def test_pools_queues_and_deployments_are_told_of_once(db: Database, given: Any) -> None:
    pool = await work_pools.get_or_create(db, NewWorkPool("hall", "process"))
    deployment = await given.deployment(db, work_pool_name="hall")

    async def told() -> list[str]:
        before = {each.id for each in await event_search.find(db, EventFilter(), 200)}
        await asyncio.gather(*(PlaceEvents(db).step() for _ in range(2)))
        now = await event_search.find(db, EventFilter(), 200)
        return sorted(each.event.removeprefix("prefect.") for each in now if each.id not in before)

    kinds = ("deployment", "work-pool", "work-queue")
    assert await told() == sorted(f"{kind}.{what}" for kind in kinds for what in ("created", "not-ready"))
    assert await told() == []
    await workers.heartbeat(db, "hall", "w")
    await deployments.polled(db, [deployment.id])
    assert await told() == ["deployment.ready", "work-pool.ready"]
    await work_pools.change(db, "hall", {"is_paused": True})
    assert await told() == ["work-pool.paused"]
    await work_pools.change(db, "hall", {"description": "old"})
    assert await told() == ["work-pool.updated"]
    await deployments.delete(db, deployment.id)
    await work_pools.delete(db, "hall")
    assert await told() == [f"{kind}.deleted" for kind in kinds]
    assert pool.name == "hall"


async def test_events_are_removed_when_they_have_been_kept_long_enough(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def names() -> list[str]:
        return [each.event for each in await event_search.find(db, EventFilter(), 200)]

    resource = {"prefect.resource.id": "shop.1"}
    now = clock.now()
    await events.record(
        db, [Event(uuid7(), now - timedelta(days=days), str(days), resource) for days in (1, 6, 8, 20)]
    )
    monkeypatch.setenv("HELIOSTAT_EVENT_RETENTION_DAYS", "0")
    settings.reload_settings()
    await EventRetention(db).step()
    assert len(await names()) == 4
    monkeypatch.delenv("HELIOSTAT_EVENT_RETENTION_DAYS")
    settings.reload_settings()
    await EventRetention(db).step()
    assert await names() == ["1", "6"]
