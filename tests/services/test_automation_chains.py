"""Automations that set each other off come to an end: none feeds itself, rings end, and a flood is paused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from sqlalchemy import insert

from heliostat.actors.loops.triggers import Triggers
from heliostat.api.actions.loop import ActionPerformer
from heliostat.api.models.automations import AutomationCreate
from heliostat.runtime.events.filters import EventFilter, EventName
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, ids, settings
from heliostat.runtime.states import Completed, Crashed, Running, Scheduled
from heliostat.runtime.store import (
    automations,
    event_search,
    events,
    flow_run_changes,
    flow_run_events,
    flow_runs,
    place_events,
    scheduled_runs,
    work_pools,
)
from heliostat.runtime.store.automations import AutomationRow
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.tables import automation as automation_table
from heliostat.runtime.store.deployment_rows import NewWorkPool
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

NOTHING = {"type": "do-nothing"}
MOST_ROUNDS = 60


def on(*expect: str, **facts: Any) -> dict[str, Any]:
    return {"type": "event", "posture": "Reactive", "expect": list(expect), **facts}


async def automation(db: Database, name: str, when: dict[str, Any], *actions: Any) -> AutomationRow:
    body = {"name": name, "trigger": when, "actions": list(actions or (NOTHING,))}
    return await automations.create(db, AutomationCreate.model_validate(body).facts())


async def ring(db: Database) -> Event:
    """Something happens that no automation caused."""
    rung = Event(
        ids.uuid7(), clock.now(), "bell.rung", {"prefect.resource.id": "bell.1"}, received=clock.now()
    )
    await events.record(db, [rung])
    return rung


async def until_nothing_happens(db: Database, works: Any = None) -> int:
    """Let all be done that follows, each time by services that know nothing but the database. Gives how many
    events there are then.
    """
    count = -1
    for _ in range(MOST_ROUNDS):
        if works is not None:
            await works()
        while await flow_run_events.make(db):
            pass
        await Triggers(db).step()
        await ActionPerformer(db).step()
        before, count = count, await event_search.count(db, EventFilter())
        if before == count:
            return count
    raise AssertionError(f"it goes on and on: {count} events")


async def firings(db: Database, row: AutomationRow) -> list[Event]:
    asked = EventFilter(event=EventName(name=["prefect.automation.triggered"]), order="ASC")
    found = await event_search.find(db, asked, 200)
    return [each for each in found if each.resource["prefect.resource.id"].endswith(str(row.id))]


def set_for(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"HELIOSTAT_{name.upper()}", str(value))
    settings.reload_settings()


@pytest.fixture(autouse=True)
def own_settings() -> Any:
    yield
    settings.forget_settings()


@pytest.mark.parametrize(
    "expect", [[], ["*"], ["prefect.automation.*"], ["bell.rung", "prefect.automation.*"]]
)
async def test_an_automation_does_not_fire_on_what_it_does(db: Database, expect: list[str]) -> None:
    """Seen: an automation that listens to everything fired on the events that tell of its own firing: a
    million in eighteen minutes, and the server went down.
    """
    row = await automation(db, "all ears", on(*expect))
    await until_nothing_happens(db)
    made = len(await firings(db, row))
    assert made == ("prefect.automation.*" in expect)  # its own making is what it asked to hear of
    await ring(db)
    await until_nothing_happens(db)
    assert len(await firings(db, row)) - made == (expect != ["prefect.automation.*"])


@pytest.mark.parametrize(
    "when",
    [
        {"type": "compound", "triggers": [on(), on("prefect.automation.*")], "require": "any", "within": 60},
        {"type": "sequence", "triggers": [on("bell.rung"), on()], "within": 60},
        on(after=["bell.rung"], within=60),
        on(threshold=2, within=60),
        on(for_each=["prefect.resource.id"]),
        on("prefect.automation.absent", posture="Proactive", within=10, after=["*"]),
    ],
    ids=["compound", "sequence", "after", "threshold", "for-each", "proactive"],
)
async def test_no_kind_of_trigger_feeds_itself(db: Database, when: dict[str, Any]) -> None:
    row = await automation(db, "all ears", when)
    await until_nothing_happens(db)
    made = len(await firings(db, row))
    assert made <= 1
    await ring(db)
    await ring(db)
    await until_nothing_happens(db)
    assert len(await firings(db, row)) <= made + 2


async def test_a_thousand_automations_that_listen_to_everything_fire_once_each(db: Database) -> None:
    one = await automation(db, "all ears", on())
    columns = {each.name: getattr(one, each.name) for each in fields(one)} | {"updated": one.created}
    many = 1_000 if db.is_sqlite else 100
    async with db.write() as connection:
        rows = [columns | {"id": ids.uuid7()} for _ in range(many - 1)]
        await connection.execute(insert(automation_table), rows)
    await ring(db)
    await until_nothing_happens(db)
    fired = EventFilter(event=EventName(name=["prefect.automation.triggered"]))
    assert await event_search.count(db, fired) == many


@pytest.mark.parametrize("size", [2, 3])
async def test_a_ring_of_automations_ends_at_the_depth_that_is_set(
    db: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    set_for(monkeypatch, automation_chain_depth=7)
    rows = [
        await automation(db, f"r{number}", on("prefect.automation.action.executed")) for number in range(size)
    ]
    for number, row in enumerate(rows):
        before = f"prefect.automation.{rows[number - 1].id}"
        when = on("prefect.automation.action.executed", match={"prefect.resource.id": before})
        body = {"name": row.name, "trigger": when, "actions": [NOTHING]}
        await automations.replace(db, row.id, AutomationCreate.model_validate(body).facts())
    starter = await automation(db, "starter", on("bell.rung"))
    body = {"name": "r0", "actions": [NOTHING]}
    body["trigger"] = {
        "type": "compound",
        "require": "any",
        "within": None,
        "triggers": [
            on(
                "prefect.automation.action.executed",
                match={"prefect.resource.id": f"prefect.automation.{each}"},
            )
            for each in (starter.id, rows[-1].id)
        ],
    }
    await automations.replace(db, rows[0].id, AutomationCreate.model_validate(body).facts())
    rung = await ring(db)
    await until_nothing_happens(db)
    fired = [each for row in (starter, *rows) for each in await firings(db, row)]
    chains = sorted((each.payload["heliostat.chain"] for each in fired), key=lambda each: each["depth"])
    assert [each["depth"] for each in chains] == [1, 2, 3, 4, 5, 6, 7]
    names = [str(starter.id), *(str(rows[number % size].id) for number in range(6))]
    assert chains[-1] == {"root": str(rung.id), "automations": names, "depth": 7}
    await ring(db)  # what comes anew begins a chain of its own
    await until_nothing_happens(db)
    assert len([each for row in (starter, *rows) for each in await firings(db, row)]) == 14


async def test_many_that_listen_to_each_other_fire_no_oftener_for_one_event_than_a_chain_is_long(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By depth alone eight that hear each other would fire eight to the power of it."""
    set_for(monkeypatch, automation_chain_depth=3)
    rows = [
        await automation(db, f"a{number}", on("bell.rung", "prefect.automation.action.*"))
        for number in range(8)
    ]
    await ring(db)
    await until_nothing_happens(db)
    assert {len(await firings(db, row)) for row in rows} == {3}


async def test_a_run_that_an_automation_started_does_not_set_it_off_again(db: Database, given: Any) -> None:
    deployment = await given.deployment(db, enforce_parameter_schema=False)
    run = {"type": "run-deployment", "deployment_id": str(deployment.id)}
    row = await automation(db, "again", on("prefect.flow-run.Completed"), run)
    first, _ = await scheduled_runs.create_run(db, deployment.id, NewDeploymentRun(state=Scheduled()))

    await until_nothing_happens(db, lambda: all_complete(db))
    runs = await flow_runs.list(db)
    assert len(runs) == 2 and len(await firings(db, row)) == 1
    [made] = [each for each in runs if each.id != first]
    assert made.labels["heliostat.chain"] == str(row.id)


async def test_two_that_start_runs_for_each_other_end_by_depth(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for(monkeypatch, automation_chain_depth=4)
    places = [await given.deployment(db, name, enforce_parameter_schema=False) for name in ("ping", "pong")]
    for at, other in (places, places[::-1]):
        when = on(
            "prefect.flow-run.Completed",
            match_related={"prefect.resource.id": f"prefect.deployment.{at.id}"},
        )
        await automation(db, at.name, when, {"type": "run-deployment", "deployment_id": str(other.id)})
    await scheduled_runs.create_run(db, places[0].id, NewDeploymentRun(state=Scheduled()))
    await until_nothing_happens(db, lambda: all_complete(db))
    assert len(await flow_runs.list(db)) == 1 + 4


async def test_an_automation_that_moves_a_run_again_and_again_ends_by_depth(
    db: Database, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives a crashed run another try may do so several times: each crash is news. Not for ever."""
    set_for(monkeypatch, automation_chain_depth=3)
    deployment = await given.deployment(db, enforce_parameter_schema=False)
    again = {"type": "change-flow-run-state", "state": "SCHEDULED", "force": True}
    row = await automation(db, "again", on("prefect.flow-run.Crashed"), again)
    everything = await automation(db, "mover", on("prefect.flow-run.Scheduled"), again)
    run_id, _ = await scheduled_runs.create_run(db, deployment.id, NewDeploymentRun(state=Running()))
    crashes = 0

    async def crash() -> None:
        nonlocal crashes
        if (await flow_runs.read(db, run_id)).state_type != "CRASHED" and crashes < 20:
            crashes += 1
            await flow_run_changes.propose(db, run_id, Crashed("again"), force=True)

    await automations.enable(db, everything.id, False)
    await until_nothing_happens(db, crash)
    assert len(await firings(db, row)) == 3
    assert (await flow_runs.read(db, run_id)).state_type == "CRASHED"
    await automations.enable(db, row.id, False)
    await automations.enable(db, everything.id, True)
    await scheduled_runs.create_run(db, deployment.id, NewDeploymentRun(state=Scheduled()))
    await until_nothing_happens(db)
    assert len(await firings(db, everything)) == 1  # and not on the state that it set


async def test_two_that_pause_and_resume_a_pool_against_each_other_end_by_depth(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for(monkeypatch, automation_chain_depth=4)
    pool = await work_pools.create(db, NewWorkPool("yard", "process"))
    of_pool = {"prefect.resource.id": f"prefect.work-pool.{pool.id}"}
    pause = {"type": "pause-work-pool", "source": "selected", "work_pool_id": str(pool.id)}
    rows = [
        await automation(
            db, "opens", on("prefect.work-pool.paused", match=of_pool), pause | {"type": "resume-work-pool"}
        ),
        await automation(db, "closes", on("prefect.work-pool.not-ready", match=of_pool), pause),
    ]

    async def tell() -> None:
        await place_events.tell(db)

    await until_nothing_happens(db, tell)
    assert [len(await firings(db, row)) for row in rows] == [2, 2]


async def all_complete(db: Database) -> None:
    for run in await flow_runs.list(db):
        if run.state_type == "SCHEDULED":
            await flow_run_changes.propose(db, run.id, Completed(), force=True)


async def test_an_automation_that_fires_too_fast_is_paused_and_says_why(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for(monkeypatch, automation_firings_per_minute=10)
    row = await automation(db, "busy", on("bell.rung"))
    for _ in range(10):
        await ring(db)
    await until_nothing_happens(db)
    assert len(await firings(db, row)) == 10 and (await automations.read(db, row.id)).enabled
    for _ in range(5):
        await ring(db)
    await until_nothing_happens(db)
    now = await automations.read(db, row.id)
    assert len(await firings(db, row)) == 10 and not now.enabled
    assert now.paused_reason is not None and "more than 10 times in a minute" in now.paused_reason
    told = await event_search.find(db, EventFilter(event=EventName(name=["prefect.automation.paused"])), 10)
    assert [each.payload["reason"] for each in told] == [now.paused_reason]
    await automations.enable(db, row.id, True)
    await ring(db)
    await until_nothing_happens(db)
    now = await automations.read(db, row.id)
    assert (now.enabled, now.paused_reason, len(await firings(db, row))) == (True, None, 11)


async def test_an_automation_hears_of_another_one_that_it_names(db: Database) -> None:
    bell = await automation(db, "bell", on("bell.rung"))
    match = {"prefect.resource.id": f"prefect.automation.{bell.id}"}
    by_name = await automation(db, "by name", on("prefect.automation.action.executed"))
    by_match = await automation(db, "by match", on(match=match, threshold=3, within=60))
    for _ in range(2):
        await ring(db)
    await until_nothing_happens(db)
    assert len(await firings(db, bell)) == 2
    assert {each.payload["heliostat.chain"]["depth"] for each in await firings(db, by_match)} == {2}
    heard = [each.payload["triggering_event"]["resource"] for each in await firings(db, by_name)]
    assert [each["prefect.resource.name"] for each in heard].count("bell") == 2


async def test_a_chain_goes_through_sub_flow_runs_and_what_happens_in_a_run(db: Database, given: Any) -> None:
    deployment = await given.deployment(db, enforce_parameter_schema=False)
    run = {"type": "run-deployment", "deployment_id": str(deployment.id)}
    row = await automation(db, "again", on("bell.rung"), run)
    await ring(db)
    await until_nothing_happens(db)
    [made] = await flow_runs.list(db)
    inside = {"prefect.resource.id": f"prefect.flow-run.{made.id}", "prefect.resource.role": "flow-run"}
    rung = Event(
        ids.uuid7(),
        clock.now(),
        "bell.rung",
        {"prefect.resource.id": "bell.2"},
        related=[inside],
        received=clock.now(),
    )
    await events.record(db, [rung])
    await until_nothing_happens(db)
    assert len(await firings(db, row)) == 1
