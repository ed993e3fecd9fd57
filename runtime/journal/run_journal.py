"""The part of the journal of one run, to which the engine appends from any thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol
from uuid import UUID

from ..foundation.errors import LeaseLost
from ..records import FlowRunTransition, HeldLease, LogBatch, Record, RunAppend, TaskRunBatch

_EVENT_BYTES = 300  # memory of an event without its result and text


class Buffer(Protocol):
    """The buffer that journals of runs share: it takes their records and makes them durable."""

    def accept(self, run: RunJournal, record: Record, events: int, weight: int) -> None: ...
    def wait_for_room(self, run: RunJournal) -> None: ...
    def barrier(self, run: RunJournal) -> Future[None]: ...
    def retire(self, run: RunJournal) -> Future[None]: ...


class RunJournal:
    """Numbers a run's events and keeps them until they are durable. Made by `Journal.open`."""

    def __init__(
        self,
        buffer: Buffer,
        run_id: UUID,
        epoch: int,
        owner: UUID,
        last_seq: int,
        on_fenced: Callable[[UUID], None] | None,
    ) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.owner = owner
        self._buffer = buffer
        self._on_fenced = on_fenced
        # Everything below is guarded by the journal's lock.
        self._waiting: deque[tuple[Record, int]] = deque()  # records with their weights in bytes
        self._sent_seq = last_seq  # last number given to the transport, answered or not
        self._seq = last_seq  # last number appended
        self._durable_seq = last_seq
        self._barriers: deque[tuple[int, Future[None]]] = deque()
        self._failure: BaseException | None = None
        self._released = False
        self._closed = False

    def append(self, record: Record) -> None:
        """Take a record into the run's journal; it becomes durable soon, in order. Callable from any thread.

        Blocks while the journal's buffer is full, except on the journal's own thread and in `WithoutWaiting`.
        Raises LeaseLost once another owner holds the run, DatabaseUnavailable when the journal has given up
        on the database.
        """
        events = len(record)
        if events:
            self._buffer.accept(self, record, events, weight_bytes(record, events))

    def wait_for_room(self) -> None:
        """Wait until the journal's buffer is not full. Raises LeaseLost, DatabaseUnavailable."""
        self._buffer.wait_for_room(self)

    def barrier(self) -> Future[None]:
        """A future that is done when everything appended before is durable, or fails with the reason."""
        return self._buffer.barrier(self)

    def close(self) -> Future[None]:
        """End the run's journal, so that its lease is no longer renewed. Returns the last barrier."""
        return self._buffer.retire(self)

    @property
    def held(self) -> HeldLease:
        """The lease under which this journal writes."""
        return (self.run_id, self.epoch, self.owner)

    @property
    def durable_seq(self) -> int:
        """The number up to which events are in the database."""
        return self._durable_seq

    @property
    def failure(self) -> BaseException | None:
        """The error that ended this journal early: LeaseLost, DatabaseUnavailable, or None."""
        return self._failure

    # Only the journal calls the methods below, under its lock.

    def refuse_if_over(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._released or self._closed:
            raise LeaseLost(
                f"the journal of run {self.run_id} is closed",
                hint="append everything before the state that gives the lease back",
            )

    def take_in(self, record: Record, events: int, weight: int) -> None:
        self._waiting.append((record, weight))
        self._seq += events
        if isinstance(record, FlowRunTransition) and record.release:
            self._released = True

    def take_out(self, max_events: int, max_bytes: int) -> tuple[RunAppend, int, int] | None:
        """The next append with its numbers of events and bytes; it holds at least one record if any waits."""
        records: list[Record] = []
        events = weight = 0
        while self._waiting and (not records or (events < max_events and weight < max_bytes)):
            record, record_weight = self._waiting.popleft()
            records.append(record)
            events += len(record)
            weight += record_weight
        if not records:
            return None
        append = RunAppend(self.run_id, self.epoch, self.owner, self._sent_seq + 1, records)
        self._sent_seq += events
        return append, events, weight

    def unsent(self) -> list[Record]:
        """The records that wait to be sent."""
        return [record for record, _ in self._waiting]

    def add_barrier(self) -> Future[None]:
        done: Future[None] = Future()
        if self._failure is not None:
            done.set_exception(self._failure)
        elif self._durable_seq >= self._seq:
            done.set_result(None)
        else:
            self._barriers.append((self._seq, done))
        return done

    def durable_up_to(self, seq: int) -> list[Future[None]]:
        """Note that events up to `seq` are durable; returns the barriers that this reaches."""
        self._durable_seq = max(self._durable_seq, seq)
        reached: list[Future[None]] = []
        while self._barriers and self._barriers[0][0] <= self._durable_seq:
            reached.append(self._barriers.popleft()[1])
        return reached

    def fail(self, failure: BaseException) -> tuple[list[Future[None]], int, int]:
        """End the journal; returns the barriers to fail, and how many events and bytes are dropped."""
        self._failure = failure
        events = sum(len(record) for record, _ in self._waiting)
        weight = sum(record_weight for _, record_weight in self._waiting)
        self._waiting.clear()
        barriers = [done for _, done in self._barriers]
        self._barriers.clear()
        return barriers, events, weight

    def tell_fenced(self) -> None:
        if self._on_fenced is not None:
            self._on_fenced(self.run_id)

    @property
    def is_drained(self) -> bool:
        return self._durable_seq >= self._seq or self._failure is not None

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def holds_lease(self) -> bool:
        """Whether the lease is to be kept alive."""
        return not (self._released or self._closed or self._failure is not None)

    def mark_closed(self) -> None:
        self._closed = True


def weight_bytes(record: Record, events: int) -> int:
    """About how much memory a record takes."""
    weight = events * _EVENT_BYTES
    if isinstance(record, TaskRunBatch):
        for column in (record.results, record.errors, record.task_inputs, record.timelines):
            if column is not None:
                weight += sum(map(len, filter(None, column)))
    elif isinstance(record, LogBatch):
        weight += sum(len(line.message) + _EVENT_BYTES for line in record.lines)
    elif isinstance(record, FlowRunTransition) and record.result is not None:
        weight += len(record.result)
    return weight
