"""Claiming runs that are due: one taker each, limits that hold, first things first."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.states import Completed, Pending, Running, Scheduled
from heliostat.runtime.store import (
    concurrency_limits,
    deployments,
    flow_run_changes,
    flow_runs,
    leases,
    polling,
    rescues,
    scheduled_runs,
    work_pools,
    work_queues,
)
from heliostat.runtime.store.concurrency_limits import NewLimit
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.deployment_rows import DeploymentRow, NewWorkPool, NewWorkQueue, WorkPoolRow
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

PAST = datetime.now(UTC) - timedelta(minutes=5)


@pytest.fixture
async def pool(db: Database) -> WorkPoolRow:
    return await work_pools.create(db, NewWorkPool("yard", "ray"))


async def a_deployment(db: Database, given: Any, **facts: Any) -> DeploymentRow:
    row, _ = await given.deployment(db, **({"work_pool_name": "yard"} | facts))
    return row


async def runs_of(
    db: Database, deployment: DeploymentRow, count: int, start: datetime = PAST, **facts: Any
) -> list[UUID]:
    """Runs due one second after the other."""
    made = [
        await scheduled_runs.create_run(
            db, deployment.id, NewDeploymentRun(state=Scheduled(start + timedelta(seconds=i)), **facts)
        )
        for i in range(count)
    ]
    return [run_id for run_id, _ in made]


async def claimed_ids(db: Database, pool: WorkPoolRow, given: Any, limit: int = 100) -> list[UUID]:
    claimed = await scheduled_runs.claim(db, pool.id, limit, given.owner(), 15.0)
    return [run.run_id for run in claimed]


async def test_a_run_of_a_deployment_is_scheduled_for_now(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(
        db, given, parameters={"x": 1, "y": 1}, tags=("a",), version="3", job_variables={"cpu": 1}
    )
    new = NewDeploymentRun(parameters={"y": 2}, tags=("b",), job_variables={"cpu": 2}, name="mine")
    run_id, made = await scheduled_runs.create_run(db, row.id, new)
    run = await flow_runs.read(db, run_id)
    assert made and (run.state_type, run.name, run.auto_scheduled) == ("SCHEDULED", "mine", False)
    assert (run.parameters, run.tags, run.job_variables) == ({"x": 1, "y": 2}, ["a", "b"], {"cpu": 2})
    assert (run.deployment_id, run.deployment_version) == (row.id, "3")
    assert (run.work_pool_id, run.work_queue_id) == (pool.id, pool.default_queue_id)
    with pytest.raises(NotFound):
        await scheduled_runs.create_run(db, uuid4())


async def test_the_same_idempotency_key_gives_the_same_run(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(db, given)
    asked = [
        scheduled_runs.create_run(db, row.id, NewDeploymentRun(idempotency_key="once")) for _ in range(4)
    ]
    answers = await asyncio.gather(*asked)
    assert len({run_id for run_id, _ in answers}) == 1
    assert Counter(made for _, made in answers) == {True: 1, False: 3}


async def test_a_run_may_name_another_queue_of_the_pool(db: Database, pool: WorkPoolRow, given: Any) -> None:
    row = await a_deployment(db, given)
    run_id, _ = await scheduled_runs.create_run(db, row.id, NewDeploymentRun(work_queue_name="fast"))
    run = await flow_runs.read(db, run_id)
    assert run.work_queue_id == (await work_queues.read(db, "yard", "fast")).id
    poolless, _ = await given.deployment(db, name="served")
    with pytest.raises(NotFound, match="no work pool"):
        await scheduled_runs.create_run(db, poolless.id, NewDeploymentRun(work_queue_name="fast"))


async def test_a_claimed_run_is_pending_and_leased_to_the_claimer(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(db, given, entrypoint="flows.py:survey", code_revision="abc")
    (run_id,) = await runs_of(db, row, 1, job_variables={"cpu": 2})
    owner = given.owner()
    (claimed,) = await scheduled_runs.claim(db, pool.id, 10, owner, 15.0)
    assert (claimed.run_id, claimed.epoch, claimed.last_seq) == (run_id, 1, 0)
    assert (claimed.entrypoint, claimed.code_revision) == ("flows.py:survey", "abc")
    assert (claimed.job_variables, claimed.due_at, claimed.deployment_id) == ({"cpu": 2}, PAST, row.id)
    run = await flow_runs.read(db, run_id)
    assert (run.state_type, run.state_name, run.next_scheduled_start_time) == ("PENDING", "Pending", None)
    assert (run.version, run.expected_start_time, run.run_count) == (2, PAST, 0)
    scheduled, pending = await flow_runs.history(db, run_id)
    assert (pending.id, pending.type) == (run.state_id, "PENDING")
    assert pending.timestamp == run.state_timestamp > scheduled.timestamp
    assert datetime.fromisoformat(pending.details["scheduled_time"]) == PAST
    lease = await leases.read(db, run_id)
    assert lease is not None and (lease.owner, lease.epoch, lease.pid) == (owner.id, 1, owner.pid)
    assert not lease.lapsed and await claimed_ids(db, pool, given) == []


async def test_runs_that_are_not_due_are_left(db: Database, pool: WorkPoolRow, given: Any) -> None:
    row = await a_deployment(db, given)
    await runs_of(db, row, 1, datetime.now(UTC) + timedelta(hours=1))
    assert await claimed_ids(db, pool, given) == []
    assert await claimed_ids(db, WorkPoolRowOf(uuid4()), given) == []  # type: ignore[arg-type]


class WorkPoolRowOf:
    def __init__(self, pool_id: UUID) -> None:
        self.id = pool_id


async def test_claims_go_by_queue_priority_then_by_due_time(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    await work_queues.create(db, "yard", NewWorkQueue("first", priority=1))
    ordinary = await a_deployment(db, given, name="ordinary")
    urgent = await a_deployment(db, given, name="urgent", work_queue_name="first")
    later = await runs_of(db, ordinary, 2)
    earlier = await runs_of(db, ordinary, 1, PAST - timedelta(minutes=1))
    sooner = await runs_of(db, urgent, 2)
    assert await claimed_ids(db, pool, given, 3) == [*sooner, *earlier]
    assert await claimed_ids(db, pool, given) == later


async def test_paused_pools_and_queues_give_nothing(db: Database, pool: WorkPoolRow, given: Any) -> None:
    row = await a_deployment(db, given)
    (run_id,) = await runs_of(db, row, 1)
    await work_pools.change(db, "yard", {"is_paused": True})
    assert await claimed_ids(db, pool, given) == []
    await work_pools.change(db, "yard", {"is_paused": False})
    await work_queues.change(db, "yard", "default", {"is_paused": True})
    assert await claimed_ids(db, pool, given) == []
    await work_queues.change(db, "yard", "default", {"is_paused": False})
    assert await claimed_ids(db, pool, given) == [run_id]


async def test_the_limit_of_a_pool_counts_what_runs(db: Database, pool: WorkPoolRow, given: Any) -> None:
    row = await a_deployment(db, given)
    first, second, third = await runs_of(db, row, 3)
    await work_pools.change(db, "yard", {"concurrency_limit": 2})
    assert await claimed_ids(db, pool, given) == [first, second]
    assert (await work_pools.read(db, "yard")).active_slots == 2
    await given.move(db, first, "RUNNING")
    assert await claimed_ids(db, pool, given) == []
    await given.move(db, first, "COMPLETED")
    assert await claimed_ids(db, pool, given) == [third]


async def test_the_limit_of_a_queue_leaves_room_to_other_queues(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    await work_queues.create(db, "yard", NewWorkQueue("first", priority=1, concurrency_limit=1))
    urgent = await a_deployment(db, given, name="urgent", work_queue_name="first")
    ordinary = await a_deployment(db, given, name="ordinary")
    sooner, later = await runs_of(db, urgent, 2), await runs_of(db, ordinary, 2)
    assert await claimed_ids(db, pool, given) == [sooner[0], *later]
    assert (await work_queues.read(db, "yard", "first")).active_slots == 1


async def test_a_full_deployment_does_not_hold_up_those_behind_it(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    limited = await a_deployment(db, given, name="limited", concurrency_limit=2)
    free = await a_deployment(db, given, name="free")
    first, second, third, *_ = await runs_of(db, limited, 8)
    behind = await runs_of(db, free, 2, PAST + timedelta(minutes=1))
    assert await claimed_ids(db, pool, given, 4) == [first, second, *behind]
    assert await claimed_ids(db, pool, given, 4) == []
    await given.move(db, first, "CANCELLING")
    assert await claimed_ids(db, pool, given, 4) == []
    await given.move(db, first, "CANCELLED")
    assert await claimed_ids(db, pool, given, 4) == [third]


async def test_a_deployment_may_cancel_runs_that_it_has_no_slot_for(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    options = {"collision_strategy": "CANCEL_NEW"}
    row = await a_deployment(db, given, concurrency_limit=1, concurrency_options=options)
    first, second = await runs_of(db, row, 2)
    assert await claimed_ids(db, pool, given) == [first]
    run = await flow_runs.read(db, second)
    assert run.state_type == "CANCELLED" and run.end_time is not None
    (*_, said) = await flow_runs.decisions(db, second)
    assert (said.outcome, said.to_type) == ("REJECT", "PENDING") and "limit" in said.reason
    assert await leases.read(db, second) is None


async def test_claims_keep_to_a_limit_that_deployments_share(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    limit = await concurrency_limits.create(db, NewLimit("both", 3))
    sharing = [
        await a_deployment(db, given, name=name, global_concurrency_limit_id=limit.id) for name in "ab"
    ]
    runs = [run for each in sharing for run in await runs_of(db, each, 4)]
    taken = await claimed_ids(db, pool, given)
    assert len(taken) == 3 and await claimed_ids(db, pool, given) == []
    assert (await concurrency_limits.read(db, limit.id)).active_slots == 3
    await concurrency_limits.change(db, limit.id, {"active": False})
    assert {*taken, *await claimed_ids(db, pool, given)} == set(runs)


async def test_limits_hold_and_nobody_gets_a_run_twice_however_many_claim(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    limited = await a_deployment(db, given, name="limited", concurrency_limit=3)
    free = await a_deployment(db, given, name="free")
    few, many = await runs_of(db, limited, 10), await runs_of(db, free, 20)

    async def claimer() -> list[UUID]:
        owner, mine = given.owner(), []
        for _ in range(8):
            mine += [run.run_id for run in await scheduled_runs.claim(db, pool.id, 4, owner, 15.0)]
        return mine

    taken = [run_id for share in await asyncio.gather(*(claimer() for _ in range(4))) for run_id in share]
    taken += await claimed_ids(db, pool, given)
    assert len(taken) == len(set(taken))
    assert set(many) <= set(taken) and len(set(few) & set(taken)) == 3


async def test_the_limit_of_a_pool_holds_however_many_claim(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    await runs_of(db, await a_deployment(db, given), 12)
    await work_pools.change(db, "yard", {"concurrency_limit": 5})
    shares = await asyncio.gather(*(claimed_ids(db, pool, given, 2) for _ in range(6)))
    assert len({run_id for share in shares for run_id in share}) == 5


async def test_a_run_that_its_process_retries_is_left_to_it(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(db, given)
    ours, clients = await runs_of(db, row, 2)
    owner = given.owner()
    lease = await leases.take(db, ours, owner, 15.0)
    await flow_run_changes.change(db, clients, {"empirical_policy": {"retry_type": "in_process"}})
    assert await claimed_ids(db, pool, given) == []
    assert await polling.of_deployments(db, [row.id], before=clock.now()) == []
    await flow_run_changes.change(db, ours, {"empirical_policy": {"retry_type": "in_process"}})
    await leases.renew(db, [(ours, lease.epoch, owner.id)], -1.0)
    (claimed,) = await scheduled_runs.claim(db, pool.id, 10, given.owner(), 15.0)
    assert (claimed.run_id, claimed.epoch) == (ours, 2)


async def test_a_claimed_run_can_be_given_back_by_its_owner_only(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    (run_id,) = await runs_of(db, await a_deployment(db, given), 1)
    owner = given.owner()
    (claimed,) = await scheduled_runs.claim(db, pool.id, 1, owner, 15.0)
    assert not await scheduled_runs.release(db, run_id, claimed.epoch, uuid4())
    assert not await scheduled_runs.release(db, run_id, claimed.epoch + 1, owner.id)
    assert await scheduled_runs.release(db, run_id, claimed.epoch, owner.id, message="no room")
    run = await flow_runs.read(db, run_id)
    assert (run.state_type, run.state_name) == ("SCHEDULED", "Scheduled")
    assert (await flow_runs.history(db, run_id))[-1].message == "no room"
    (again,) = await scheduled_runs.claim(db, pool.id, 1, given.owner(), 15.0)
    assert (again.run_id, again.epoch) == (run_id, 2)


async def test_a_run_that_began_is_not_given_back(db: Database, pool: WorkPoolRow, given: Any) -> None:
    (run_id,) = await runs_of(db, await a_deployment(db, given), 1)
    owner = given.owner()
    (claimed,) = await scheduled_runs.claim(db, pool.id, 1, owner, 15.0)
    await given.move(db, run_id, "RUNNING")
    assert not await scheduled_runs.release(db, run_id, claimed.epoch, owner.id)
    assert (await flow_runs.read(db, run_id)).state_type == "RUNNING"
    lease = await leases.read(db, run_id)
    assert lease is not None and lease.owner == owner.id


async def test_a_given_back_run_may_wait_a_while(db: Database, pool: WorkPoolRow, given: Any) -> None:
    (run_id,) = await runs_of(db, await a_deployment(db, given), 1)
    owner = given.owner()
    (claimed,) = await scheduled_runs.claim(db, pool.id, 1, owner, 15.0)
    assert await scheduled_runs.release(db, run_id, claimed.epoch, owner.id, delay_s=3600.0)
    assert await claimed_ids(db, pool, given) == []
    run = await flow_runs.read(db, run_id)
    assert run.next_scheduled_start_time is not None
    assert run.next_scheduled_start_time > clock.now() + timedelta(minutes=59)


async def test_overdue_runs_are_named_late_once_and_still_claimed(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(db, given)
    overdue = await runs_of(db, row, 2)
    recent = await runs_of(db, row, 1, clock.now())
    assert await scheduled_runs.mark_late(db, limit=1) == overdue[:1]
    assert await scheduled_runs.mark_late(db) == overdue[1:]
    assert await scheduled_runs.mark_late(db) == []
    run = await flow_runs.read(db, overdue[0])
    assert (run.state_type, run.state_name, run.next_scheduled_start_time) == ("SCHEDULED", "Late", PAST)
    assert (await flow_runs.history(db, overdue[0]))[-1].name == "Late"
    assert await claimed_ids(db, pool, given) == [*overdue, *recent]


async def test_runs_of_silent_owners_are_found(db: Database, pool: WorkPoolRow, given: Any) -> None:
    row = await a_deployment(db, given)
    await runs_of(db, row, 3)
    dead = given.owner()
    silent, ended = [run.run_id for run in await scheduled_runs.claim(db, pool.id, 2, dead, -1.0)]
    await given.move(db, ended, "COMPLETED")
    await scheduled_runs.claim(db, pool.id, 1, given.owner(), 15.0)
    (lapsed,) = await rescues.lapsed(db, script_patience_s=60.0)
    assert (lapsed.run_id, lapsed.owner, lapsed.epoch) == (silent, dead.id, 1)
    assert (lapsed.state_type, lapsed.pid, lapsed.work_pool_id) == ("PENDING", dead.pid, pool.id)
    await leases.take(db, silent, given.owner(), 15.0)
    assert await rescues.lapsed(db, script_patience_s=60.0) == []


async def test_pollers_are_offered_what_there_is_room_for(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    await work_queues.create(db, "yard", NewWorkQueue("first", priority=1, concurrency_limit=1))
    first = await work_queues.read(db, "yard", "first")
    urgent = await a_deployment(db, given, name="urgent", work_queue_name="first")
    ordinary = await a_deployment(db, given, name="ordinary")
    sooner, later = await runs_of(db, urgent, 2), await runs_of(db, ordinary, 3)
    default = pool.default_queue_id
    offered = await polling.of_pool(db, pool.id, before=clock.now())
    assert offered == [(sooner[0], first.id), *((run_id, default) for run_id in later)]
    assert await polling.of_pool(db, pool.id, before=clock.now(), queue_ids=[default], limit=1) == [
        (later[0], default)
    ]
    await work_pools.change(db, "yard", {"concurrency_limit": 2})
    assert await polling.of_pool(db, pool.id, before=clock.now()) == offered[:2]
    assert await polling.of_pool(db, pool.id, before=PAST - timedelta(days=1)) == []
    await work_pools.change(db, "yard", {"is_paused": True})
    assert await polling.of_pool(db, pool.id, before=clock.now()) == []
    assert await polling.of_deployments(db, [urgent.id], before=clock.now()) == sooner


async def test_a_run_whose_time_is_yet_to_come_keeps_no_slot_from_one_that_is_due(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    """Seen: where a pool has one slot, a run of the first queue that was due in ten seconds was offered in
    the place of one of a later queue that was due now.
    """
    await work_queues.create(db, "yard", NewWorkQueue("first", priority=1))
    urgent = await a_deployment(db, given, name="urgent", work_queue_name="first")
    ordinary = await a_deployment(db, given, name="ordinary")
    ahead = NewDeploymentRun(state=Scheduled(clock.now() + timedelta(seconds=10)))
    later, _ = await scheduled_runs.create_run(db, urgent.id, ahead)
    (due,) = await runs_of(db, ordinary, 1)
    before = clock.now() + timedelta(seconds=20)

    async def offered(limit: int = 200) -> list[UUID]:
        return [run_id for run_id, _ in await polling.of_pool(db, pool.id, before=before, limit=limit)]

    assert await offered() == [later, due]  # in the order of their queues
    assert await offered(limit=1) == [due]
    await work_pools.change(db, "yard", {"concurrency_limit": 1})
    assert await offered() == [due]
    await given.move(db, due, "RUNNING")
    assert await offered() == []


async def test_runs_that_wait_for_their_deployment_keep_no_others_from_clients(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    """Seen: 200 runs of a full deployment were all that a client was offered, poll after poll."""
    limited = await a_deployment(db, given, name="limited", concurrency_limit=2)
    other = await a_deployment(db, given, name="other")
    waiting = await runs_of(db, limited, 12)
    wanted, _ = await scheduled_runs.create_run(db, other.id)
    before = clock.now() + timedelta(seconds=1)

    async def offered(limit: int) -> list[UUID]:
        return [run_id for run_id, _ in await polling.of_pool(db, pool.id, before=before, limit=limit)]

    assert await offered(10) == [*waiting[:5], wanted]  # two slots, and some that are told why they wait
    for run_id in waiting[:2]:
        await given.move(db, run_id, "RUNNING")
    assert await offered(10) == [*waiting[2:5], wanted]
    await deployments.change(db, limited.id, {"concurrency_limit": None})
    assert await offered(10) == waiting[2:]


async def test_deleting_a_pool_leaves_its_runs_in_no_queue(
    db: Database, pool: WorkPoolRow, given: Any
) -> None:
    row = await a_deployment(db, given)
    (run_id,) = await runs_of(db, row, 1)
    await work_pools.delete(db, "yard")
    run = await flow_runs.read(db, run_id)
    assert (run.state_type, run.work_pool_id, run.work_queue_id) == ("SCHEDULED", None, None)
    assert (await deployments.read(db, row.id)).work_pool_name is None


@pytest.mark.parametrize("whose", ["pool", "queue"])
async def test_the_limits_of_pool_and_queue_hold_where_clients_take_runs(
    db: Database, pool: WorkPoolRow, given: Any, whose: str
) -> None:
    """Limits were only looked at when runs were offered: of several workers that had asked before any of them
    took a run, each took one.
    """
    row = await a_deployment(db, given)
    run_ids = await runs_of(db, row, 4)
    if whose == "pool":
        await work_pools.change(db, "yard", {"concurrency_limit": 1})
    else:
        await work_queues.change(db, "yard", "default", {"concurrency_limit": 1})
    became = await asyncio.gather(*(flow_run_changes.propose(db, each, Pending()) for each in run_ids))
    assert sum(each.written for each in became) == 1
    assert {each.verdict.decision.outcome for each in became if not each.written} == {"ABORT"}
    assert await claimed_ids(db, pool, given) == []
    (first,) = [run_id for run_id, each in zip(run_ids, became, strict=True) if each.written]
    await flow_run_changes.propose(db, first, Running())
    await flow_run_changes.propose(db, first, Completed())
    rest = [run_id for run_id in run_ids if run_id != first]
    assert (await flow_run_changes.propose(db, rest[0], Pending())).written
    assert not (await flow_run_changes.propose(db, rest[1], Pending())).written
