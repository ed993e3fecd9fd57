"""The journal against a transport that fails in every way that matters: all is recorded, once, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID, uuid4

import pytest
from waiting import wait_for

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import DatabaseUnavailable, JournalGap, LeaseLost
from heliostat.runtime.foundation.loop_thread import LoopThread
from heliostat.runtime.journal.journal import Journal, JournalLimits, RunJournal
from heliostat.runtime.records import (
    Ack,
    CallSite,
    FlowRunTransition,
    LogBatch,
    LogLine,
    RunAppend,
    TaskRunBatch,
)

QUICK = JournalLimits(backoff_first_s=0.001, backoff_most_s=0.002)


class FakeTransport:
    """Keeps what a database would, and fails as it is told: entries of `faults` are used up one a commit."""

    def __init__(self) -> None:
        self.last_seq: dict[UUID, int] = {}
        self.applied: list[tuple[UUID, int, Any]] = []  # run, first number, record
        self.commits: list[int] = []  # runs in each
        self.faults: list[str | Exception] = []
        self.fenced: set[UUID] = set()
        self.poisoned: set[UUID] = set()
        self.renewed: list[set[UUID]] = []
        self.gate = threading.Event()  # commits wait here
        self.gate.set()
        self.entered = threading.Semaphore(0)

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        self.entered.release()
        while not self.gate.is_set():
            await asyncio.sleep(0.001)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "no connection":
            raise ConnectionError("no connection")
        if isinstance(fault, Exception):
            raise fault
        if self.poisoned & {append.run_id for append in appends}:
            raise ValueError("poison")
        acks = [self._apply(append) for append in appends]
        self.commits.append(len(appends))
        if fault == "answer lost":
            raise ConnectionError("answer lost")
        return acks

    def _apply(self, append: RunAppend) -> Ack:
        known = self.last_seq.get(append.run_id, 0)
        if append.run_id in self.fenced:
            return Ack(append.run_id, known, fenced=True)
        if append.first_seq > known + 1:
            raise JournalGap("gap")
        seq = append.first_seq
        for record in append.records:
            if seq > known:
                self.applied.append((append.run_id, seq, record))
            seq += len(record)
        self.last_seq[append.run_id] = max(known, seq - 1)
        return Ack(append.run_id, self.last_seq[append.run_id])

    async def renew(self, leases: Sequence[tuple[UUID, int, UUID]]) -> set[UUID]:
        runs = {run_id for run_id, _, _ in leases}
        self.renewed.append(runs)
        return runs & self.fenced

    def messages(self, run_id: UUID) -> list[str]:
        return [record.lines[0].message for run, _, record in self.applied if run == run_id]


class Bench:
    """A journal on a loop thread over a fake transport."""

    def __init__(self, limits: JournalLimits = QUICK, lease_s: float = 3600.0) -> None:
        self.transport = FakeTransport()
        self.thread = LoopThread("test-journal")

        async def make() -> Journal:
            return Journal(self.transport, lease_s, limits)

        self.journal = self.thread.run(make())

    def open(self, **facts: Any) -> RunJournal:
        return self.journal.open(ids.uuid7(), 1, uuid4(), 0, **facts)

    def close(self) -> None:
        self.transport.gate.set()
        self.thread.run(self.journal.close(5.0))
        self.thread.close()


@pytest.fixture
def bench() -> Any:
    made: list[Bench] = []

    def make(**facts: Any) -> Bench:
        made.append(Bench(**facts))
        return made[-1]

    yield make
    for one in made:
        one.close()


def line(message: str | int) -> LogBatch:
    return LogBatch([LogLine(0.0, 20, "flow", str(message))])


def done(future: Future[None]) -> None:
    future.result(30)


def test_events_are_recorded_in_order_and_without_gaps(bench: Any) -> None:
    b = bench()
    run = b.open()
    site = CallSite(run.run_id, "", "work-1", "work", 0)
    batch = TaskRunBatch(site, range(7), "COMPLETED", "Completed", 0.0, [0.0] * 7, [0.0] * 7)
    for number in range(100):
        run.append(line(number))
        run.append(batch)
    done(run.barrier())
    firsts = [first for _, first, _ in b.transport.applied]
    assert firsts == [start for number in range(100) for start in (8 * number + 1, 8 * number + 2)]
    assert run.durable_seq == 800


def test_a_journal_continues_where_a_lease_says(bench: Any) -> None:
    b = bench()
    run_id = ids.uuid7()
    b.transport.last_seq[run_id] = 41
    run = b.journal.open(run_id, 2, uuid4(), 41)
    run.append(line("next"))
    done(run.barrier())
    assert b.transport.applied[0][1] == 42


def test_events_that_come_during_a_commit_share_the_next_one(bench: Any) -> None:
    b = bench()
    runs = [b.open() for _ in range(5)]
    b.transport.gate.clear()
    runs[0].append(line("first"))
    assert b.transport.entered.acquire(timeout=30)
    for run in runs:
        for number in range(20):
            run.append(line(number))
    b.transport.gate.set()
    for run in runs:
        done(run.barrier())
    assert b.transport.commits[0] == 1
    assert b.transport.commits[1] == 5


@pytest.mark.parametrize("fault", ["no connection", "answer lost", DatabaseUnavailable("restarting")])
def test_an_unanswered_commit_is_sent_again_and_recorded_once(bench: Any, fault: Any) -> None:
    b = bench()
    b.transport.faults = [fault, fault, fault]
    run = b.open()
    for number in range(10):
        run.append(line(number))
    done(run.barrier())
    run.append(line("after"))
    done(run.barrier())
    assert b.transport.messages(run.run_id) == [*map(str, range(10)), "after"]


def test_a_barrier_waits_for_what_was_appended_before_it(bench: Any) -> None:
    b = bench()
    run = b.open()
    done(run.barrier())  # nothing was appended: at once
    b.transport.gate.clear()
    run.append(line("one"))
    barrier = run.barrier()
    assert b.transport.entered.acquire(timeout=30)
    assert not barrier.done()
    b.transport.gate.set()
    done(barrier)
    assert b.transport.messages(run.run_id) == ["one"]


def test_a_full_buffer_makes_producers_wait_until_there_is_room(bench: Any) -> None:
    b = bench(limits=JournalLimits(buffer_events=10))
    run = b.open()
    b.transport.gate.clear()
    for number in range(10):
        run.append(line(number))
    assert b.transport.entered.acquire(timeout=30)
    went_in = threading.Event()

    def one_more() -> None:
        run.append(line("late"))
        went_in.set()

    producer = threading.Thread(target=one_more)
    producer.start()
    assert not went_in.wait(0.05)
    assert b.journal.buffered_events == 10
    b.transport.gate.set()
    assert went_in.wait(30)
    producer.join()
    done(run.barrier())
    assert b.transport.messages(run.run_id) == [*map(str, range(10)), "late"]
    assert b.journal.buffered_events == 0


def test_large_results_fill_the_buffer_by_their_bytes(bench: Any) -> None:
    b = bench(limits=JournalLimits(buffer_bytes=100_000))
    run = b.open()
    b.transport.gate.clear()
    site = CallSite(run.run_id, "", "work-1", "work", 0)
    run.append(TaskRunBatch(site, [0], "COMPLETED", "Completed", 0.0, [0.0], [0.0], results=[b"x" * 200_000]))
    producer = threading.Thread(target=run.append, args=(line("late"),))
    producer.start()
    assert b.transport.entered.acquire(timeout=30)
    assert b.journal.buffered_events == 1
    b.transport.gate.set()
    producer.join(30)
    done(run.barrier())
    assert run.durable_seq == 2


def test_the_journal_s_own_thread_never_waits_for_room(bench: Any) -> None:
    b = bench(limits=JournalLimits(buffer_events=2))
    run = b.open()
    b.transport.gate.clear()

    async def append_many() -> None:
        for number in range(10):
            run.append(line(number))

    b.thread.run(append_many(), 30)
    b.transport.gate.set()
    done(run.barrier())
    assert len(b.transport.messages(run.run_id)) == 10


def test_a_fenced_run_is_told_and_takes_nothing_more(bench: Any) -> None:
    b = bench()
    told: Future[UUID] = Future()
    fenced, other = b.open(on_fenced=told.set_result), b.open()
    b.transport.fenced.add(fenced.run_id)
    fenced.append(line("too late"))
    with pytest.raises(LeaseLost, match="another process executes run"):
        fenced.barrier().result(30)
    assert told.result(30) == fenced.run_id
    with pytest.raises(LeaseLost):
        fenced.append(line("more"))
    other.append(line("fine"))
    done(other.barrier())
    assert b.transport.messages(other.run_id) == ["fine"]
    assert b.journal.buffered_events == 0


def test_a_producer_that_waits_for_room_learns_that_its_run_is_fenced(bench: Any) -> None:
    b = bench(limits=JournalLimits(buffer_events=1))
    run = b.open()
    b.transport.fenced.add(run.run_id)
    b.transport.gate.clear()
    run.append(line("one"))
    said: Future[BaseException | None] = Future()

    def produce() -> None:
        try:
            while True:
                run.append(line("more"))
        except BaseException as error:
            said.set_result(error)

    producer = threading.Thread(target=produce)
    producer.start()
    b.transport.gate.set()
    assert isinstance(said.result(30), LeaseLost)
    producer.join()


def test_a_quiet_run_keeps_its_lease_and_learns_when_it_is_lost(bench: Any) -> None:
    b = bench(lease_s=0.03)
    told: Future[UUID] = Future()
    quiet, closed = b.open(on_fenced=told.set_result), b.open()
    done(closed.close())
    assert wait_for(lambda: b.transport.renewed)[0] == {quiet.run_id}
    b.transport.fenced.add(quiet.run_id)
    assert told.result(30) == quiet.run_id


def test_nothing_follows_the_state_that_gives_the_lease_back(bench: Any) -> None:
    b = bench()
    run = b.open()
    run.append(FlowRunTransition(ids.uuid7(), "COMPLETED", "Completed", 0.0, release=True))
    with pytest.raises(LeaseLost, match="closed"):
        run.append(line("late"))
    done(run.close())
    assert run.durable_seq == 1


def test_one_run_s_bad_append_does_not_stop_the_others(bench: Any) -> None:
    b = bench()
    bad, good = b.open(), b.open()
    b.transport.poisoned.add(bad.run_id)
    b.transport.gate.clear()
    good.append(line("first"))
    assert b.transport.entered.acquire(timeout=30)
    bad.append(line("bad"))
    good.append(line("second"))
    b.transport.gate.set()
    with pytest.raises(ValueError, match="poison"):
        bad.barrier().result(30)
    done(good.barrier())
    assert b.transport.messages(good.run_id) == ["first", "second"]


def test_what_waiting_cannot_mend_is_given_up_after_its_patience(bench: Any) -> None:
    b = bench(limits=JournalLimits(backoff_first_s=0.001, incurable_patience_s=0.01))
    full = DatabaseUnavailable("the disk is full", hint="free some space")
    full.heals = False
    b.transport.faults = [full] * 10_000
    run = b.open()
    run.append(line("one"))
    with pytest.raises(DatabaseUnavailable, match="could not be recorded .* the disk is full") as failed:
        run.barrier().result(30)
    assert failed.value.hint == "free some space"
    with pytest.raises(DatabaseUnavailable):
        run.append(line("more"))
    with pytest.raises(DatabaseUnavailable):
        b.open().append(line("other run"))
    assert b.journal.buffered_events == 0


def test_a_database_that_is_away_is_given_up_only_when_told_so(bench: Any) -> None:
    b = bench(limits=JournalLimits(backoff_first_s=0.001, patience_s=0.01))
    b.transport.faults = ["no connection"] * 10_000
    run = b.open()
    run.append(line("one"))
    with pytest.raises(DatabaseUnavailable, match="no connection"):
        run.barrier().result(30)


def test_closing_the_journal_records_what_is_in_it(bench: Any) -> None:
    b = bench(limits=JournalLimits(linger_s=3600.0))
    run = b.open()
    for number in range(10):
        run.append(line(number))
    b.thread.run(b.journal.close(30.0))
    assert len(b.transport.messages(run.run_id)) == 10


def test_closing_the_journal_in_vain_says_what_was_lost(bench: Any) -> None:
    b = bench()
    b.transport.faults = ["no connection"] * 1_000_000
    run = b.open()
    run.append(line("one"))
    barrier = run.barrier()
    b.thread.run(b.journal.close(0.05))
    with pytest.raises(DatabaseUnavailable, match="closed before"):
        barrier.result(30)


def test_many_threads_append_to_one_run_and_every_event_has_its_number(bench: Any) -> None:
    b = bench(limits=JournalLimits(buffer_events=50))
    run = b.open()

    def produce(name: int) -> None:
        for number in range(200):
            run.append(line(f"{name}:{number}"))

    producers = [threading.Thread(target=produce, args=(name,)) for name in range(4)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    done(run.barrier())
    assert [first for _, first, _ in b.transport.applied] == list(range(1, 801))
    for name in range(4):
        own = [message for message in b.transport.messages(run.run_id) if message.startswith(f"{name}:")]
        assert own == [f"{name}:{number}" for number in range(200)]
