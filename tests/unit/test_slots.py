"""Who may start now, and why the others wait."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.pools.slots import QueueSlots, Slots, WaitingRun, WaitReason, claim

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
QUEUES = [UUID(int=each) for each in (1, 2, 3)]
DEPLOYMENTS = [UUID(int=each) for each in (11, 12)]

slots = st.builds(Slots, st.just("x"), st.none() | st.integers(0, 6), st.integers(0, 8))
queues = st.tuples(
    *(st.builds(QueueSlots, st.just(each), slots, st.integers(1, 3), st.booleans()) for each in QUEUES)
)
runs = st.lists(
    st.builds(
        lambda queue, late, priority, deployment: (
            queue,
            NOW - timedelta(seconds=late),
            priority,
            deployment,
        ),
        st.sampled_from(QUEUES),
        st.integers(-3, 20),
        st.integers(0, 2),
        st.none() | st.sampled_from(DEPLOYMENTS),
    ),
    max_size=25,
).map(lambda given: [WaitingRun(UUID(int=100 + number), *run) for number, run in enumerate(given)])
deployments = st.dictionaries(st.sampled_from(DEPLOYMENTS), slots)
situations = st.tuples(slots, queues, runs, st.booleans(), deployments, st.none() | st.integers(0, 9))


def decide(situation):
    pool, queues, runs, paused, deployments, at_most = situation
    return claim(pool, queues, runs, NOW, pool_paused=paused, deployments=deployments, at_most=at_most)


@settings(deadline=None)
@given(situations)
def test_no_limit_is_ever_exceeded_and_nothing_paused_or_early_starts(situation):
    pool, queues, _, paused, deployments, at_most = situation
    claimed = decide(situation).claimed
    assert len(claimed) <= pool.free and len(claimed) <= (99 if at_most is None else at_most)
    by_queue, by_deployment = Counter(r.queue_id for r in claimed), Counter(r.deployment_id for r in claimed)
    assert all(by_queue[queue.id] <= queue.slots.free for queue in queues)
    assert all(by_deployment[id] <= limited.free for id, limited in deployments.items())
    assert not (paused and claimed)
    assert all(run.due_at <= NOW for run in claimed)
    assert not {run.queue_id for run in claimed} & {queue.id for queue in queues if queue.paused}


@settings(deadline=None)
@given(situations)
def test_every_run_is_either_claimed_or_told_why_it_waits(situation):
    claims = decide(situation)
    told = [run.id for run in claims.claimed] + [wait.run_id for wait in claims.waits]
    assert sorted(told) == sorted(run.id for run in situation[2])
    assert all(str(wait) for wait in claims.waits)


@settings(deadline=None)
@given(situations)
def test_slots_go_by_queue_priority_then_run_priority_then_due_time(situation):
    claims = decide(situation)
    priorities = {queue.id: queue.priority for queue in situation[1]}
    ranks = [(priorities[run.queue_id], run.priority, run.due_at, run.id) for run in claims.claimed]
    assert ranks == sorted(ranks)


@settings(deadline=None)
@given(situations)
def test_runs_of_one_queue_start_first_in_first_out(situation):
    """A run is overtaken only by one that does not need the slot it waits for: of another deployment."""
    claims = decide(situation)
    runs = {run.id: run for run in situation[2]}
    for wait in claims.waits:
        held = runs[wait.run_id]
        if wait.reason in (WaitReason.NOT_DUE, WaitReason.DEPLOYMENT_LIMIT):
            continue
        for run in claims.claimed:
            if run.queue_id == held.queue_id:
                assert (run.priority, run.due_at, run.id) < (held.priority, held.due_at, held.id)


@settings(deadline=None)
@given(situations)
def test_no_run_waits_beside_a_free_slot(situation):
    pool, queues, _, paused, deployments, at_most = situation
    claims = decide(situation)
    runs = {run.id: run for run in situation[2]}
    by_id = {queue.id: queue.slots for queue in queues}
    taken = Counter(run.queue_id for run in claims.claimed) + Counter(r.deployment_id for r in claims.claimed)
    for wait in claims.waits:
        run = runs[wait.run_id]
        match wait.reason:
            case WaitReason.POOL_LIMIT:
                assert len(claims.claimed) == pool.free or pool.free == 0
            case WaitReason.QUEUE_LIMIT:
                assert taken[run.queue_id] == by_id[run.queue_id].free
            case WaitReason.DEPLOYMENT_LIMIT:
                assert taken[run.deployment_id] == deployments[run.deployment_id].free
            case WaitReason.BATCH_FULL:
                assert len(claims.claimed) == at_most
            case WaitReason.POOL_PAUSED:
                assert paused
            case _:
                assert run.due_at > NOW or next(q.paused for q in queues if q.id == run.queue_id)


def a_run(number, queue=QUEUES[0], **facts):
    return WaitingRun(UUID(int=number), queue, facts.pop("due_at", NOW), **facts)


def a_queue(**facts):
    return QueueSlots(QUEUES[0], Slots("default", facts.pop("limit", None)), **facts)


def test_full_pool_is_told_with_its_holders_old_and_new():
    pool = Slots("gpu", limit=2, running=1, holders=(UUID(int=7),))
    claims = claim(pool, [a_queue()], [a_run(100), a_run(101), a_run(102)], NOW)
    assert [run.id.int for run in claims.claimed] == [100]
    assert claims.waits[0].reason is WaitReason.POOL_LIMIT
    assert [holder.int for holder in claims.waits[0].holders] == [7, 100]
    assert str(claims.waits[1]) == "Work pool 'gpu' takes 2 runs at a time, and all of its slots are held."


def test_deployment_at_its_limit_holds_up_no_other_one():
    limited = {DEPLOYMENTS[0]: Slots("etl/nightly", limit=1, running=1)}
    waiting = [a_run(100, deployment_id=DEPLOYMENTS[0]), a_run(101, deployment_id=DEPLOYMENTS[1])]
    claims = claim(Slots(), [a_queue()], waiting, NOW, deployments=limited)
    assert [run.id.int for run in claims.claimed] == [101]
    assert str(claims.waits[0]).startswith("Deployment 'etl/nightly' takes 1 run at a time")


def test_run_priority_goes_before_due_time():
    early, urgent = a_run(100, due_at=NOW - timedelta(hours=1), priority=5), a_run(101, priority=1)
    assert [r.id.int for r in claim(Slots(), [a_queue()], [early, urgent], NOW).claimed] == [101, 100]


@pytest.mark.parametrize(
    ("queue", "pool", "paused", "run", "reason", "text"),
    [
        (a_queue(), Slots("p"), True, a_run(1), WaitReason.POOL_PAUSED, "Work pool 'p' is paused."),
        (
            a_queue(paused=True),
            Slots(),
            False,
            a_run(1),
            WaitReason.QUEUE_PAUSED,
            "Work queue 'default' is paused.",
        ),
        (a_queue(limit=0), Slots(), False, a_run(1), WaitReason.QUEUE_LIMIT, "its limit is 0"),
        (a_queue(), Slots(), False, a_run(1, QUEUES[1]), WaitReason.NO_SUCH_QUEUE, "does not exist"),
        (
            a_queue(),
            Slots(),
            False,
            a_run(1, due_at=NOW + timedelta(1)),
            WaitReason.NOT_DUE,
            "2026-05-06 12:00:00 UTC",
        ),
    ],
)
def test_reason_is_told_in_words(queue, pool, paused, run, reason, text):
    (wait,) = claim(pool, [queue], [run], NOW, pool_paused=paused).waits
    assert wait.reason is reason
    assert text in str(wait)


def test_batch_takes_no_more_than_it_may():
    claims = claim(Slots(), [a_queue()], [a_run(1), a_run(2)], NOW, at_most=1)
    assert len(claims.claimed) == 1
    assert claims.waits[0].reason is WaitReason.BATCH_FULL
