"""Events: recorded once, found by filters as these decide in memory, read on without a gap."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.events.filters import (
    EventFilter,
    EventIds,
    EventName,
    EventText,
    OfAnyResource,
    OfRelated,
    OfResource,
)
from heliostat.runtime.events.matching import fits
from heliostat.runtime.events.records import Event
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.foundation.errors import BadEventQuery
from heliostat.runtime.store import event_counts, event_search, events, flow_run_events, task_runs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.event_tail import EventTail


def an_event(name: str = "shop.sale", resource: str = "shop.1", minutes: float = 0, **facts: Any) -> Event:
    labels = {"prefect.resource.id": resource, **facts.pop("labels", {})}
    return Event(
        facts.pop("id", None) or ids.uuid7(), clock.now() - timedelta(minutes=minutes), name, labels, **facts
    )


def related(resource: str, role: str, **labels: str) -> dict[str, str]:
    return {"prefect.resource.id": resource, "prefect.resource.role": role, **labels}


STORY = [
    an_event(minutes=9, labels={"city": "Kyoto"}, related=[related("flow.a", "flow")]),
    an_event(
        "shop.closed",
        "shop.2",
        minutes=8,
        labels={"city": "Kyiv", "prefect.resource.name": "north"},
        related=[related("flow.a", "owner", color="red"), related("flow.b", "flow", color="blue")],
    ),
    an_event("depot.full", "depot.1", minutes=7, payload={"note": "It is Really full"}),
    an_event("shop.sale", "shop.2", minutes=6, related=[related("shop.1", "neighbour")]),
    an_event("shop.sale_1", "shop%1", minutes=5, labels={"city": ""}),
]

FILTERS = {
    "everything": EventFilter(),
    "a name": EventFilter(event=EventName(name=["shop.sale"])),
    "a beginning": EventFilter(event=EventName(prefix=["shop."], exclude_name=["shop.closed"])),
    "not a beginning": EventFilter(event=EventName(exclude_prefix=["shop."])),
    "an underscore is itself": EventFilter(event=EventName(prefix=["shop_"])),
    "a resource": EventFilter(resource=OfResource(id=["shop.2"])),
    "resources": EventFilter(resource=OfResource(id_prefix=["shop."])),
    "a percent is itself": EventFilter(resource=OfResource(id_prefix=["shop%"])),
    "a label": EventFilter(resource=OfResource(labels={"city": "Kyoto"})),
    "one of some": EventFilter(resource=OfResource(labels={"city": ["Kyoto", "Kyiv"]})),
    "a label's beginning": EventFilter(resource=OfResource(labels={"city": "Ky*"})),
    "a label at all": EventFilter(resource=OfResource(labels={"city": "*"})),
    "not that label": EventFilter(resource=OfResource(labels={"city": "!Kyoto"})),
    "one and not another": EventFilter(resource=OfResource(labels={"city": ["Ky*", "!Kyiv"]})),
    "no value": EventFilter(resource=OfResource(labels={"city": []})),
    "related": EventFilter(related=OfRelated(id=["flow.a"])),
    "in a role": EventFilter(related=OfRelated(role=["flow"])),
    "related in a role": EventFilter(related=OfRelated(id=["flow.a"], role=["flow"])),
    "pairs": EventFilter(related=OfRelated(resources_in_roles=[("flow.a", "owner"), ("flow.b", "owner")])),
    "related with a label": EventFilter(related=OfRelated(labels={"color": "red"})),
    "one related has both": EventFilter(related=OfRelated(id=["flow.b"], labels={"color": "red"})),
    "two related": EventFilter(related=[OfRelated(id=["flow.a"]), OfRelated(id=["flow.b"])]),
    "any resource": EventFilter(any_resource=OfAnyResource(id=["shop.1"])),
    "any with a beginning": EventFilter(any_resource=OfAnyResource(id_prefix=["flow."])),
    "any with labels": EventFilter(
        any_resource=OfAnyResource(id_prefix=["shop."], labels={"prefect.resource.name": ["no*", "!x"]})
    ),
    "two of any": EventFilter(any_resource=[OfAnyResource(id=["shop.1"]), OfAnyResource(id=["shop.2"])]),
    "an id": EventFilter(id=EventIds([STORY[2].id])),
    "a word": EventFilter(text=EventText("REALLY")),
    "one of two words": EventFilter(text=EventText("kyoto full")),
    "a phrase and not a word": EventFilter(text=EventText('"really full" -depot.1')),
    "a word that must be": EventFilter(text=EventText("+kyiv")),
}


@pytest.fixture
async def story(db: Database) -> Database:
    assert (await events.record(db, STORY)).new == len(STORY)
    return db


async def test_every_filter_finds_what_it_lets_through_in_memory(story: Database) -> None:
    for what, asked in FILTERS.items():
        wanted = [each.id for each in reversed(STORY) if fits(each, asked, in_time=True)]
        assert [each.id for each in await event_search.find(story, asked, 50)] == wanted, what
        assert await event_search.count(story, asked) == len(wanted), what
        oldest_first = [each.id async for each in event_search.every(story, replace(asked, order="ASC"))]
        assert oldest_first == wanted[::-1], what


def test_the_filters_of_these_tests_tell_events_apart() -> None:
    found = {what: sum(fits(each, asked, in_time=True) for each in STORY) for what, asked in FILTERS.items()}
    none = {"no value", "an underscore is itself", "one related has both", "a phrase and not a word"}
    assert {what for what, number in found.items() if not number} == none
    assert found["everything"] == len(STORY) and found["any with labels"] == 1 and found["two related"] == 1


async def test_what_comes_back_is_what_was_recorded(story: Database) -> None:
    strange = an_event(payload={"deep": [1, {"x": None}], "nul": "a\0b"}, follows=STORY[0].id)
    await events.record(story, [strange])
    [back] = await event_search.find(story, EventFilter(id=EventIds([strange.id])), 1)
    assert back.payload == {"deep": [1, {"x": None}], "nul": "a\ufffdb"}
    assert (back.follows, back.resource, back.occurred) == (STORY[0].id, strange.resource, strange.occurred)


async def test_pages_hold_every_event_once(story: Database) -> None:
    same_moment = [replace(an_event(), occurred=STORY[1].occurred) for _ in range(5)]
    await events.record(story, same_moment)
    seen: list[UUID] = []
    after = None
    while page := await event_search.find(story, EventFilter(), 3, after):
        seen += [each.id for each in page]
        after = event_search.place_of(page[-1])
    assert len(seen) == len(set(seen)) == len(STORY) + 5


async def test_of_each_resource_the_newest_event(story: Database) -> None:
    asked = EventFilter(resource=OfResource(id_prefix=["shop."], distinct=True))
    found = await event_search.find(story, asked, 50)
    assert [each.id for each in found] == [STORY[3].id, STORY[0].id]
    assert await event_search.count(story, asked) == 2


async def test_an_event_that_is_sent_again_changes_nothing(story: Database) -> None:
    again = await events.record(story, [*STORY, STORY[0], replace(STORY[1], event="other")])
    assert again.new == 0
    assert await event_search.count(story, EventFilter()) == len(STORY)


async def test_events_are_counted_by_name_resource_and_time(story: Database) -> None:
    by_name = await event_counts.by_name(story, EventFilter(), "day", 1)
    assert [(each.value, each.count) for each in by_name][0] == ("shop.sale", 2)
    assert by_name[0].start == STORY[0].occurred and by_name[0].end == STORY[3].occurred
    by_resource = await event_counts.by_resource(story, EventFilter(), "day", 1)
    assert ("shop.2", "north", 2) in {(each.value, each.label, each.count) for each in by_resource}
    span = replace(EventFilter().occurred, since=STORY[0].occurred)
    by_time = await event_counts.by_time(story, EventFilter(occurred=span), "minute", 1)
    assert sum(each.count for each in by_time) == len(STORY)
    assert all(later.start > earlier.end for earlier, later in zip(by_time, by_time[1:], strict=False))
    assert by_time[0].start <= STORY[0].occurred <= by_time[0].end
    with pytest.raises(BadEventQuery, match="buckets"):
        await event_counts.by_time(story, EventFilter(), "minute", 1)


async def test_old_events_are_removed_in_small_batches(story: Database) -> None:
    old = [an_event(minutes=60 * 24 * 8, related=[related("flow.a", "flow")]) for _ in range(700)]
    await events.record(story, old)
    gone = [await events.remove_before(story, timedelta(days=7)) for _ in range(3)]
    assert sum(gone) == 700 and gone[-1] == 0
    assert await event_search.count(story, EventFilter()) == len(STORY)


async def test_reading_on_gives_each_new_event_once_while_many_write(story: Database) -> None:
    tail = EventTail(story)
    await tail.begin()
    batches = [[an_event(f"load.{number}") for _ in range(20)] for number in range(15)]
    seen: list[UUID] = []

    async def read_all() -> None:
        while len(seen) < 15 * 20:
            seen.extend(each.id for each in await tail.read(lambda name: name.startswith("load.")))
            await asyncio.sleep(0)

    await asyncio.gather(read_all(), *(events.record(story, batch) for batch in batches))
    assert sorted(seen) == sorted(each.id for batch in batches for each in batch)
    assert await tail.read(lambda name: True) == []


async def test_a_number_that_commits_late_is_not_missed(postgres_url: str) -> None:
    """Two transactions take numbers in one order and commit in the other: the reader must not step over the
    number that is not there yet.
    """
    db = await Database.open(postgres_url)
    tail = EventTail(db)
    await tail.begin()
    early, late = an_event("early"), an_event("late")
    async with db.asyncpg_write() as slow:
        await events._record_postgres(slow, [early])  # pyright: ignore[reportPrivateUsage]
        await events.record(db, [late])
        assert [each.event for each in await tail.read(lambda name: True)] == ["late"]
    assert [each.event for each in await tail.read(lambda name: True)] == ["early"]
    assert await tail.read(lambda name: True) == []
    await db.close()


async def test_another_host_whose_clock_is_wrong_reads_on_where_one_left_off(postgres_url: str) -> None:
    """Numbers that were passed over were dated by the clock of the host that read them, and given up by that
    of the host that went on: one that was half a minute ahead lost events. They are dated by the database's.
    """
    db = await Database.open(postgres_url)
    first = EventTail(db)
    await first.begin()
    early, late = an_event("early"), an_event("late")
    try:
        async with db.asyncpg_write() as slow:
            await events._record_postgres(slow, [early])  # pyright: ignore[reportPrivateUsage]
            await events.record(db, [late])
            assert [each.event for each in await first.read(lambda name: True)] == ["late"]
        clock.set_wall_clock(lambda: time.time() + 3_600)
        other = EventTail(db, first.last, first.gaps)
        assert [each.event for each in await other.read(lambda name: True)] == ["early"]
    finally:
        clock.set_wall_clock(None)
        await db.close()


async def test_each_state_of_a_flow_run_becomes_one_event_whoever_writes_it(db: Database, given: Any) -> None:
    run = await given.run(db, tags=("nightly",))
    await run.record(given.transition("COMPLETED", given.t0 + 5))
    asked = replace(
        EventFilter(), occurred=replace(EventFilter().occurred, since=clock.from_epoch(0)), order="ASC"
    )
    assert sum(await asyncio.gather(*(flow_run_events.make(db) for _ in range(3)))) >= 3
    told = await event_search.find(db, asked, 50)
    found = [each for each in told if each.event.startswith("prefect.flow-run.")]
    assert [each.event.rpartition(".")[2] for each in found] == ["Pending", "Running", "Completed"]
    assert [each.follows for each in found] == [None, found[0].id, found[1].id]
    last = found[-1]
    assert last.resource_id == f"prefect.flow-run.{run.id}"
    assert {each["prefect.resource.role"] for each in last.related} == {"flow", "tag"}
    assert last.payload["intended"] == {"from": "RUNNING", "to": "COMPLETED"}
    assert await flow_run_events.make(db) == 0


# Task runs.


def told(
    run_id: UUID | None, task_run_id: UUID, state: str, at: float, key: str = "0", **facts: Any
) -> Event:
    kind = {"Retrying": "RUNNING", "AwaitingRetry": "SCHEDULED"}.get(state, state.upper())
    return Event(
        facts.pop("id", None) or ids.uuid7(),
        clock.from_epoch(1_700_000_000 + at),
        f"prefect.task-run.{state}",
        {
            "prefect.resource.id": f"prefect.task-run.{task_run_id}",
            "prefect.orchestration": facts.pop("orchestration", "client"),
        },
        [related(f"prefect.flow-run.{run_id}", "flow-run")] if run_id else [],
        {
            "validated_state": {"type": kind, "name": state, "message": facts.pop("message", None)},
            "task_run": {"task_key": "add-1", "dynamic_key": key, "name": "add", "tags": ["b", "a"], **facts},
        },
    )


async def test_task_runs_are_what_their_events_say_in_any_order(db: Database, given: Any) -> None:
    run = await given.run(db)
    task_run_id = uuid4()
    story = [
        told(run.id, task_run_id, "Pending", 0),
        told(run.id, task_run_id, "Running", 1, run_count=1),
        told(run.id, task_run_id, "AwaitingRetry", 2, run_count=1, message="no"),
        told(run.id, task_run_id, "Retrying", 3, run_count=2, name="add again"),
        told(run.id, task_run_id, "Completed", 4, run_count=2, name="add again"),
    ]
    for one_at_a_time in (story[4:], story[1:2], story[2:4], story[:1], story):
        assert (await events.record(db, one_at_a_time)).orphans == []
    row = await task_runs.read(db, task_run_id)
    assert (row.state_name, row.run_count, row.name, row.tags) == ("Completed", 2, "add again", ["a", "b"])
    assert [each.name for each in task_runs.states_of(row)] == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert [each.id for each in task_runs.states_of(row)] == [each.id for each in story]
    assert row.start_time == story[1].occurred and row.end_time == story[4].occurred


async def test_a_task_run_that_crashed_before_it_ran_has_no_end_time(db: Database, given: Any) -> None:
    run = await given.run(db)
    never, begun = uuid4(), uuid4()
    await events.record(db, [told(run.id, never, "Pending", 0, "0"), told(run.id, never, "Crashed", 1, "0")])
    await events.record(db, [told(run.id, begun, "Running", 0, "1"), told(run.id, begun, "Crashed", 1, "1")])
    row = await task_runs.read(db, never)
    assert (row.state_type, row.start_time, row.end_time) == ("CRASHED", None, None)
    row = await task_runs.read(db, begun)
    assert row.end_time == clock.from_epoch(1_700_000_001)


async def test_the_id_that_came_first_stays(db: Database, given: Any) -> None:
    run = await given.run(db)
    first, second = uuid4(), uuid4()
    await events.record(db, [told(run.id, first, "Pending", 0), told(run.id, second, "Running", 1)])
    await events.record(db, [told(run.id, second, "Completed", 2)])
    [row] = await task_runs.list(db, run.id)
    assert (row.id in (first, second), row.state_type, len(row.timeline or ())) == (True, "COMPLETED", 3)


async def test_task_runs_of_events_are_listed_and_counted_with_their_flow_run(
    db: Database, given: Any
) -> None:
    """They have ids of their client's making, which do not begin as the flow run's does."""
    run = await given.run(db)
    await events.record(db, [told(run.id, uuid4(), "Completed", n, key=str(n)) for n in range(30)])
    await events.record(db, [told(None, uuid4(), "Running", 1, key="alone")])
    assert len(await task_runs.list(db, run.id)) == 30
    assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": 30}
    assert await task_runs.has_any(db, run.id)


async def test_a_task_run_of_an_unknown_flow_run_is_left_out_and_reported(db: Database, given: Any) -> None:
    run, nowhere = await given.run(db), uuid4()
    good, lost = uuid4(), uuid4()
    recorded = await events.record(
        db, [told(run.id, good, "Running", 1), told(nowhere, lost, "Running", 1, key="1")]
    )
    assert (recorded.new, [each.task_run_id for each in recorded.orphans]) == (2, [lost])
    assert [row.id for row in await task_runs.list(db, run.id)] == [good]


async def test_only_states_that_clients_orchestrate_are_recorded(db: Database, given: Any) -> None:
    run = await given.run(db)
    incomplete = replace(told(run.id, uuid4(), "Running", 1, key="2"), payload={})
    await events.record(db, [told(run.id, uuid4(), "Running", 1, orchestration="server"), incomplete])
    assert await task_runs.list(db, run.id) == []
