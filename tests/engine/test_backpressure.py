"""A full journal makes producers wait, but never one that holds what others need to go on.

Seen: the dispatcher recorded calls that had ended without running while it held its lock, and the journal
was full. The journal's thread had just learned that the parent run had another owner, and wanted that very
lock to tell its dispatcher. Each waited for the other, and the sub-flow with them, for ever.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

sys.path.append(str(Path(__file__).parents[1] / "support"))

from fake_lane import PATIENCE_S, Bench, failed  # noqa: E402

from heliostat.runtime.authoring.context import FlowRunInfo  # noqa: E402
from heliostat.runtime.authoring.futures import TaskFuture  # noqa: E402
from heliostat.runtime.authoring.terminal import Terminal  # noqa: E402
from heliostat.runtime.engine.run_desk import RunDesk  # noqa: E402
from heliostat.runtime.foundation import ids  # noqa: E402
from heliostat.runtime.foundation.errors import DatabaseUnavailable, LeaseLost  # noqa: E402
from heliostat.runtime.foundation.loop_thread import LoopThread  # noqa: E402
from heliostat.runtime.journal.journal import Journal, JournalLimits  # noqa: E402
from heliostat.runtime.records import Ack, LogBatch, LogLine, RunAppend  # noqa: E402


class HangingTransport:
    """Commits hang while `gate` is closed; of `fenced` runs nothing is taken."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.fenced: set[UUID] = set()
        self.entered = threading.Semaphore(0)

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        self.entered.release()
        while not self.gate.is_set():
            await asyncio.sleep(0.001)
        return [Ack(each.run_id, each.last_seq, fenced=each.run_id in self.fenced) for each in appends]

    async def renew(self, leases: Sequence[tuple[UUID, int, UUID]]) -> set[UUID]:
        return {run_id for run_id, _, _ in leases} & self.fenced


class Family:
    """A parent run and its sub-flow's, which share a dispatcher and a journal that takes two events."""

    def __init__(self) -> None:
        self.transport = HangingTransport()
        self.thread = LoopThread("test-journal")

        async def make() -> Journal:
            return Journal(self.transport, 3600.0, JournalLimits(buffer_events=2))

        self.journal = self.thread.run(make())
        self.bench = Bench(slots=2)
        self.parent = self.journal.open(self.bench.flow_run.id, 1, uuid4(), 0, self._fenced)
        self.bench.desk.journal = self.parent
        self.child = self.journal.open(ids.uuid7(), 1, uuid4(), 0)
        info = FlowRunInfo(self.child.run_id, "child", "child")
        self.child_desk = RunDesk(info, self.child, Terminal(level=100))

    def _fenced(self, _run_id: UUID) -> None:
        self.bench.dispatcher.fail(LeaseLost("another process took over"))

    def group(self, of_child: bool) -> Any:
        group = self.bench.group()
        if of_child:
            group.desk, group.flow_run = self.child_desk, self.child_desk.flow_run
        return group

    def fill(self) -> None:
        """The journal is full, and its transport hangs."""
        for number in range(2):
            self.parent.append(LogBatch([LogLine(0.0, 20, "flow", str(number))]))
        assert self.transport.entered.acquire(timeout=PATIENCE_S)

    def close(self) -> None:
        self.transport.gate.set()
        self.bench.close()
        self.thread.run(self.journal.close(5.0))
        self.thread.close()


@pytest.fixture
def family() -> Iterator[Family]:
    made = Family()
    yield made
    made.close()


def _in_a_thread(work: Any) -> Future[Any]:
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


@pytest.mark.parametrize("of_child", [False, True])
def test_calls_that_end_under_the_lock_and_a_fence_do_not_wait_for_each_other(
    family: Family, of_child: bool
) -> None:
    bench, lock = family.bench, family.bench.dispatcher.changed
    family.fill()
    group = family.group(of_child)
    upstream = bench.send(group, args=[0])
    with lock:
        bench.dispatcher.settling.without_running(upstream, [0], failed(), None)
    settling = _in_a_thread(lambda: bench.send(group, 20, wait_for=[TaskFuture(upstream, 0)]))
    waiting = _in_a_thread(lambda: family.child.barrier().result())
    assert not settling.done()

    family.transport.fenced.add(family.parent.run_id)
    family.transport.gate.set()
    # Whoever belongs to the parent learns that it is fenced; the sub-flow's records are durable.
    assert waiting.result(PATIENCE_S) is None
    with pytest.raises(LeaseLost):
        family.parent.barrier().result(PATIENCE_S)
    assert settling.exception(PATIENCE_S) is None or isinstance(settling.exception(), LeaseLost)
    with pytest.raises(LeaseLost):
        bench.dispatcher.wait_until(lambda: False, PATIENCE_S)


def test_nobody_waits_for_room_while_the_lock_is_held(family: Family) -> None:
    bench, lock = family.bench, family.bench.dispatcher.changed
    family.fill()
    upstream = bench.send(family.group(True), args=[0])

    def settle() -> None:
        with lock:
            bench.dispatcher.settling.without_running(upstream, [0], failed(), None)

    _in_a_thread(settle).result(PATIENCE_S)
    assert upstream.is_settled(0)
    assert family.journal.buffered_events == 3, "it was taken although the journal was full"
    more = _in_a_thread(family.child.wait_for_room)
    assert not more.done()
    family.transport.gate.set()
    more.result(PATIENCE_S)


def test_whoever_waits_for_room_learns_that_its_run_is_fenced(family: Family) -> None:
    family.fill()
    waiting = _in_a_thread(family.parent.wait_for_room)
    line = LogBatch([LogLine(0.0, 20, "flow", "late")])
    appending = _in_a_thread(lambda: family.parent.append(line))
    family.transport.fenced.add(family.parent.run_id)
    family.transport.gate.set()
    for each in (waiting, appending):
        assert isinstance(each.exception(PATIENCE_S), LeaseLost | None)
    with pytest.raises(LeaseLost):
        family.parent.append(line)


def test_a_closed_journal_takes_nothing_and_keeps_nobody_waiting(family: Family) -> None:
    family.transport.gate.set()
    family.thread.run(family.journal.close(5.0))
    with pytest.raises(DatabaseUnavailable, match="closed"):
        family.parent.append(LogBatch([LogLine(0.0, 20, "flow", "late")]))
