"""What is written at the same moment shares a transaction, and nobody is the worse for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation.errors import LeaseHeld, NotFound
from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.records import Owner
from heliostat.runtime.states import Cancelled, Completed, Pending, Running, State
from heliostat.runtime.store import deployments, flow_run_changes, flow_runs, flows, scheduled_runs, search
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.gathering import Gathering, gathered
from heliostat.runtime.store.database.rows import Adopted, NewFlowRun
from heliostat.runtime.store.deployment_rows import NewDeployment
from heliostat.runtime.store.flow_run_changes import Proposed


async def _made(db: Database, count: int, flow_id: UUID | None = None) -> list[UUID]:
    flow = flow_id or (await flows.get_or_create(db, "survey")).id
    news = [NewFlowRun(uuid7(), "", f"run-{number}", []) for number in range(count)]
    await asyncio.gather(*(flow_run_changes.create(db, flow, new, Pending()) for new in news))
    return [new.id for new in news]


async def _proposed(db: Database, asked: Sequence[tuple[UUID, State]]) -> list[Proposed | BaseException]:
    each = (flow_run_changes.propose(db, run_id, state) for run_id, state in asked)
    return await asyncio.gather(*each, return_exceptions=True)


async def test_requests_made_during_a_transaction_ride_in_the_next_one(db: Database) -> None:
    groups: list[list[int]] = []
    first_is_in, goes_on = asyncio.Event(), asyncio.Event()

    @gathered(lambda item: (item % 10,))
    async def doubled(_: Database, items: Sequence[int]) -> list[int | Exception]:
        groups.append(list(items))
        first_is_in.set()
        await goes_on.wait()
        return [2 * item for item in items]

    first = asyncio.ensure_future(doubled(db, 1))
    await first_is_in.wait()
    others = [asyncio.ensure_future(doubled(db, item)) for item in (2, 3, 12, 4)]
    await asyncio.sleep(0)  # lets them ask
    goes_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 24, 8]
    assert groups == [[1], [2, 3, 4], [12]], "2 and 12 are about the same subject"


async def test_a_caller_that_stops_waiting_takes_nothing_from_the_others(db: Database) -> None:
    goes_on = asyncio.Event()
    written: list[int] = []

    @gathered(lambda item: (item,))
    async def write(_: Database, items: Sequence[int]) -> list[int | Exception]:
        await goes_on.wait()
        written.extend(items)
        return list(items)

    leaves, stays = (asyncio.ensure_future(write(db, item)) for item in (1, 2))
    await asyncio.sleep(0)
    leaves.cancel()
    goes_on.set()
    assert await stays == 2
    assert leaves.cancelled() and sorted(written) == [1, 2]


async def test_runs_that_are_made_at_once_are_all_there(db: Database) -> None:
    made = await _made(db, 40)
    for run_id in made:
        found = await search.one_flow_run(db, run_id)
        assert found.state is not None and found.state.type == "PENDING" and found.run.flow_name == "survey"


async def test_a_run_that_cannot_be_made_leaves_the_others_alone(db: Database) -> None:
    flow = (await flows.get_or_create(db, "survey")).id
    unknown = NewFlowRun(uuid7(), "", "lost", [])
    nobody = asyncio.ensure_future(flow_run_changes.create(db, uuid4(), unknown, Pending()))
    twin = NewFlowRun(uuid7(), "", "twin", [])
    twins = [asyncio.ensure_future(flow_run_changes.create(db, flow, twin, Pending())) for _ in range(2)]
    made = await _made(db, 5, flow)
    with pytest.raises(NotFound):
        await nobody
    results = await asyncio.gather(*twins, return_exceptions=True)
    assert sorted(isinstance(each, Exception) for each in results) == [False, True], "an id is given once"
    for run_id in (*made, twin.id):
        assert (await search.one_flow_run(db, run_id)).run.state_type == "PENDING"


async def test_states_that_are_proposed_at_once_are_judged_one_by_one(db: Database) -> None:
    runs = await _made(db, 20)
    began = await _proposed(db, [*((run_id, Running()) for run_id in runs), (uuid4(), Running())])
    assert all(isinstance(each, Proposed) and each.written for each in began[:-1])
    assert isinstance(began[-1], NotFound)
    again = await _proposed(db, [(run_id, Pending()) for run_id in runs])
    assert [isinstance(each, Proposed) and each.written for each in again] == [False] * 20
    ends = [Completed() if number % 2 else Cancelled() for number in range(20)]
    await _proposed(db, list(zip(runs, ends, strict=True)))
    for run_id, end in zip(runs, ends, strict=True):
        found = await search.one_flow_run(db, run_id)
        assert found.run.state_type == end.type and found.run.run_count == 1


async def test_of_two_states_for_one_run_the_second_sees_the_first(db: Database) -> None:
    (run_id,) = await _made(db, 1)
    first, second = await _proposed(db, [(run_id, Running()), (run_id, Pending())])
    assert isinstance(first, Proposed) and first.written
    assert isinstance(second, Proposed) and not second.written and second.state is not None
    assert second.state.type == "RUNNING"


async def test_a_state_that_cannot_be_stored_fails_alone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = await _made(db, 4)
    broken = Running(message="x" * 10, name="Running")
    monkeypatch.setattr(flow_run_changes, "trail_of", _unless(broken, flow_run_changes.trail_of))
    results = await _proposed(db, [*((run_id, Running()) for run_id in runs[:3]), (runs[3], broken)])
    assert all(isinstance(each, Proposed) and each.written for each in results[:3])
    assert isinstance(results[3], ValueError)
    assert (await search.one_flow_run(db, runs[3])).run.state_type == "PENDING"


def _unless(broken: State, rows: Any) -> Any:
    def trail_of(*facts: Any) -> Any:
        if broken in facts:
            raise ValueError("no such trail")
        return rows(*facts)

    return trail_of


async def test_of_runs_that_ask_for_the_last_slot_at_once_one_gets_it(db: Database) -> None:
    flow = await flows.get_or_create(db, "survey")
    limited, _ = await deployments.upsert(db, NewDeployment(flow.id, "narrow", concurrency_limit=1))
    runs = [(await scheduled_runs.create_run(db, limited.id))[0] for _ in range(4)]
    became = await _proposed(db, [(run_id, Pending()) for run_id in runs])
    states = [each.state.type for each in became if isinstance(each, Proposed) and each.state is not None]
    assert sorted(states) == ["PENDING", "SCHEDULED", "SCHEDULED", "SCHEDULED"]


async def test_runs_that_are_adopted_at_once_get_their_leases_and_what_is_held_stays_so(
    db: Database, given: Any
) -> None:
    runs = await _made(db, 12)
    held = await given.run(db)
    owner = Owner(uuid4(), "host-b", 7, 2.5)
    asked = (flow_runs.adopt(db, run_id, owner, 15.0) for run_id in (*runs, held.id, uuid4()))
    *adopted, refused, unknown = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, LeaseHeld) and isinstance(unknown, NotFound)
    for run_id, each in zip(runs, adopted, strict=True):
        assert isinstance(each, Adopted) and each.run.id == each.lease.run_id == run_id
        assert (each.lease.epoch, each.lease.last_seq, each.run.flow_name) == (1, 0, "survey")
    again = await asyncio.gather(*(flow_runs.adopt(db, run_id, owner, 15.0, dead_epoch=1) for run_id in runs))
    assert {each.lease.epoch for each in again} == {2}


async def test_the_one_that_comes_first_goes_first() -> None:
    groups: list[list[tuple[str, str]]] = []
    goes_on = asyncio.Event()

    async def together(items: Sequence[tuple[str, str]]) -> list[None]:
        groups.append(list(items))
        await goes_on.wait()
        return [None] * len(items)

    gathering: Gathering[tuple[str, str], None] = Gathering(together, lambda item: item)
    asked = [("a", "b"), ("b", "c"), ("c", "d"), ("x", "y")]
    under_way = [asyncio.ensure_future(gathering.do(item)) for item in asked]
    goes_on.set()
    await asyncio.gather(*under_way)
    assert groups == [[("a", "b"), ("x", "y")], [("b", "c")], [("c", "d")]]
