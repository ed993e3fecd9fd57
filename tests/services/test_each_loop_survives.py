"""Whatever goes wrong in a round of a service, and whichever row it is about, the service goes on.

A row at which the code fails is set aside with a reason that can be read where people look at it: a run is
Crashed, an automation switched off, an action told as failed, a schedule passed over for a day.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from heliostat.actors.journal_host import JournalHost
from heliostat.actors.loops.loop import Loop
from heliostat.actors.loops.reaper import Reaper
from heliostat.actors.loops.scheduler import Scheduler
from heliostat.actors.loops.services import SERVICES
from heliostat.actors.loops.triggers import Triggers
from heliostat.api.actions.loop import ActionPerformer
from heliostat.api.models.automations import AutomationCreate
from heliostat.api.streams.event_desk import EventDesk
from heliostat.runtime.automations.firings import Firing, firing_as_json
from heliostat.runtime.events.filters import EventFilter, EventName
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.journal.journal import Journal
from heliostat.runtime.journal.transport import StoreTransport
from heliostat.runtime.records import LogBatch, LogLine
from heliostat.runtime.states import Running
from heliostat.runtime.store import (
    automation_actions,
    automations,
    commands,
    event_search,
    events,
    flow_run_changes,
    flow_run_events,
    flow_runs,
    leases,
    losses,
    slot_runs,
)
from heliostat.runtime.store.database.automation_tables import automation_action
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed
from heliostat.runtime.store.database.tables import automation, deployment_schedule
from heliostat.runtime.store.deployment_rows import ScheduleSpec
from heliostat.runtime.store.explaining import explain

PATIENCE_S = 60.0
GONE = -100.0  # a lease that lapsed long ago
KINDS: tuple[type[Loop], ...] = (*SERVICES, ActionPerformer)


@pytest.fixture(autouse=True)
def _errors_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


async def test_every_service_goes_on_after_an_unexpected_error(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    injected: dict[str, list[BaseException]] = {
        kind.name: [asyncio.CancelledError("injected"), ZeroDivisionError("injected")] for kind in KINDS
    }

    def failing(kind: type[Loop]) -> Callable[[Loop], Awaitable[float | None]]:
        step = kind.step

        async def fail_first(self: Loop) -> float | None:
            if injected[kind.name]:
                raise injected[kind.name].pop()
            return await step(self)

        return fail_first

    for kind in KINDS:
        monkeypatch.setattr(kind, "step", failing(kind))
        monkeypatch.setattr(kind, "interval_s", 0.01)
    loops = [kind(db) for kind in KINDS]
    for loop in loops:
        loop.start()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(loop.first_step.wait() for loop in loops))
    await asyncio.gather(*(loop.stop() for loop in loops))
    assert all(f"{kind.name} failed and goes on" in caplog.text for kind in KINDS)


def failing_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, bad: UUID) -> None:
    """Make a verb fail whenever it is about one row."""
    verb = getattr(module, name)

    async def about_one(*args: Any, **kwargs: Any) -> Any:
        if bad in args:
            raise ZeroDivisionError("injected")
        return await verb(*args, **kwargs)

    monkeypatch.setattr(module, name, about_one)


async def test_a_run_that_the_reaper_cannot_deal_with_is_set_aside(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = [(await given.claimed(db, GONE)).run_id for _ in range(2)]
    for run_id in (bad, good):
        await flow_run_changes.propose(db, run_id, Running())
    failing_at(monkeypatch, losses, "count", bad)
    await Reaper(db, lease_s=0.0).step()
    assert (await flow_runs.read(db, good)).state_name == "AwaitingRetry"
    assert (await flow_runs.read(db, bad)).state_type == "CRASHED"
    told = await explain(db, bad)
    assert "ZeroDivisionError: injected" in (told.state_message or "")
    assert any(f"{bad}: Set aside" in record.getMessage() for record in caplog.records)


async def test_an_automation_that_cannot_be_read_is_switched_off_and_the_others_fire(db: Database) -> None:
    when = {"type": "event", "posture": "Reactive", "expect": ["bell.rung"]}
    body = {"trigger": when, "actions": [{"type": "do-nothing"}]}
    bad, good = [
        await automations.create(db, AutomationCreate.model_validate({"name": name, **body}).facts())
        for name in ("bad", "good")
    ]
    async with db.write() as connection:
        broken = update(automation).where(automation.c.id == bad.id).values(trigger={"type": "sequence"})
        await connection.execute(broken)
    resource = {"prefect.resource.id": "bell.1"}
    await events.record(db, [Event(ids.uuid7(), clock.now(), "bell.rung", resource, received=clock.now())])
    await Triggers(db).step()
    fired = EventFilter(event=EventName(name=["prefect.automation.triggered"]))
    [told] = await event_search.find(db, fired, 10)
    assert told.resource["prefect.resource.id"] == f"prefect.automation.{good.id}"
    row = await automations.read(db, bad.id)
    assert not row.enabled and "KeyError" in (row.paused_reason or "")


async def test_an_action_that_cannot_be_read_is_told_as_failed_and_the_others_are_carried_out(
    db: Database,
) -> None:
    described = {"id": str(ids.uuid7()), "name": "porter", "trigger": {"type": "sequence"}}
    due = clock.now() - timedelta(seconds=1)
    good = firing_as_json(Firing("", due))
    rows = [
        {
            "id": ids.uuid7(),
            "automation": described,
            "action": {"type": "do-nothing"},
            "place": 0,
            "firing": firing,
            "triggered_event_id": ids.uuid7(),
            "attempts": 0,
            "due": due,
        }
        for firing in ({"at": "never"}, good)
    ]
    async with db.write() as connection:
        await connection.execute(insert(automation_action), rows)
    await ActionPerformer(db).step()
    assert await automation_actions.waiting(db) == 0
    for kind in ("executed", "failed"):
        asked = EventFilter(event=EventName(name=[f"prefect.automation.action.{kind}"]))
        assert await event_search.count(db, asked) == 1, kind


async def test_a_schedule_that_cannot_be_carried_out_keeps_no_other_from_its_runs(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly = {"cron": "0 * * * *", "timezone": "UTC", "day_or": True}
    specs = [ScheduleSpec(hourly, slug=slug) for slug in ("bad", "worse", "good")]
    row = await given.deployment(db, schedules=specs)
    bad, worse, _ = (each.id for each in row.schedules)
    async with db.write() as connection:
        statement = update(deployment_schedule).where(deployment_schedule.c.id == bad)
        await connection.execute(statement.values(definition={"cron": 7}))
    insert_slots = slot_runs.insert_slots

    async def refuse_one(db: Database, batches: Any) -> Any:
        if any(batch.schedule_id == worse and batch.slots for batch in batches):
            raise ZeroDivisionError("injected")
        return await insert_slots(db, batches)

    monkeypatch.setattr(slot_runs, "insert_slots", refuse_one)
    scheduler = Scheduler(db)
    await scheduler.step()
    runs = await flow_runs.list(db)
    assert len(runs) == 3 and len({run.slot_at for run in runs}) == 3
    assert await slot_runs.due(db, 0.0) == []  # none is tried again at once


async def test_the_loops_of_the_api_and_the_journal_go_on_after_an_unexpected_error(
    db: Database, failing_once: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = failing_once(flow_run_events, "make")
    recorded = failing_once(events, "record")
    desk = EventDesk(lambda: db)
    read = failing_once(desk.broadcast, "read_on")
    followed = failing_once(desk.logs, "read_on")
    looked = failing_once(commands, "pending")
    feed = await Feed.open(db)
    host = JournalHost(db, feed, 15.0)
    host.hold("somebody", ids.uuid7())
    journal = Journal(StoreTransport(db, 0.3), 0.3)
    renewed = failing_once(journal, "_renew_quiet_runs")
    desk.start()
    resource = {"prefect.resource.id": "bell.1"}
    for _ in range(2):
        await desk.intake.put(Event(ids.uuid7(), clock.now(), "bell.rung", resource, received=clock.now()))
    async with asyncio.timeout(PATIENCE_S):
        await desk.intake.durable()
        await asyncio.gather(*(each.wait() for each in (made, recorded, read, followed, looked, renewed)))
    await desk.stop()
    await host.close()
    await journal.close()
    await feed.close()
    for name in ("making events", "reading new events", "reading new log lines", "what is asked", "renewal"):
        assert any(name in record.getMessage() for record in caplog.records), name


async def test_the_journal_commits_on_after_an_unexpected_error(
    db: Database, given: Any, failing_once: Any
) -> None:
    journal = Journal(StoreTransport(db, 15.0), 15.0)
    gathered = failing_once(journal, "_gather")
    lease = await leases.read(db, (await given.script(db, 15.0)).run_id)
    assert lease is not None and lease.owner is not None
    run = journal.open(lease.run_id, lease.epoch, lease.owner, lease.last_seq)
    async with asyncio.timeout(PATIENCE_S):
        await gathered.wait()
        run.append(LogBatch([LogLine(clock.epoch_s(), logging.INFO, "somebody", "a line", None)]))
        await asyncio.wrap_future(run.barrier())
    await journal.close()
