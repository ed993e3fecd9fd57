"""Settles answers and losses: calls end, are tried again, or are queued once more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..foundation import clock
from ..foundation.errors import RunFailure, TaskCrashed, TaskTimedOut
from ..journal.journal import WithoutWaiting
from ..values import tracebacks
from . import call_records, outcomes, records_lookup
from .call_records import is_plain
from .fanout import WAITING, Fanout, holding
from .lane import Answer, Lane, Loss
from .outcomes import (
    CANCELLED,
    COMPLETED,
    CRASHED,
    NOT_READY,
    RETRY,
    TIMED_OUT,
    Extra,
    Failure,
    Held,
    Outcome,
)
from .pack_group import Pack, ReadySpan

_FAILURES_SHOWN = 10  # of one run's task failures as log lines; the record has them all
Member = tuple[Fanout, int]


@dataclass(slots=True)
class _Batch:
    positions: list[int] = field(default_factory=list[int])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    held: list[Held] = field(default_factory=list["Held"])


class PlainCompletions:
    """Calls that completed at their first attempt, by fan-out and worker, so that many take one step
    together.
    """

    def __init__(self) -> None:
        self.batches: dict[tuple[Fanout, str, int], _Batch] = {}

    def take(self, span: ReadySpan, ended: Sequence[Outcome | None], answer: Answer, at: int) -> None:
        """Add the calls of one span; `at` is where they begin in the answer."""
        batch = self._batch_of(span.fanout, answer)
        url, serializer = _storage_of(span.fanout)
        batch.positions.extend(range(span.start, span.stop))
        batch.outcomes.extend(outcome for outcome in ended if outcome is not None)
        batch.held.extend(
            outcome.payload
            if outcome.kind == "inline"
            else holding(outcome.kind, outcome.payload, url, serializer, answer.large.get(at + i))
            for i, outcome in enumerate(ended)
            if outcome is not None
        )

    def take_one(self, span: ReadySpan, outcome: Outcome, answer: Answer) -> None:
        """Add a call that came alone."""
        batch = self._batch_of(span.fanout, answer)
        batch.positions.append(span.start)
        batch.outcomes.append(outcome)
        if outcome.kind == "inline":
            batch.held.append(outcome.payload)
        else:
            large = answer.large.get(0)
            batch.held.append(holding(outcome.kind, outcome.payload, *_storage_of(span.fanout), large))

    def _batch_of(self, fanout: Fanout, answer: Answer) -> _Batch:
        key = (fanout, answer.node, answer.pid)
        batch = self.batches.get(key)
        if batch is None:
            batch = self.batches[key] = _Batch()
        return batch


class SendsAgain(Protocol):
    """What settling asks of the dispatcher. Calls are sent again under the lock of `changed`."""

    changed: threading.Condition
    lane: Lane

    def queue_again(self, fanout: Fanout, position: int, *, alone: bool = False) -> None: ...
    def retry_later(self, fanout: Fanout, position: int, delay_s: float) -> None: ...


class Settling:
    """Settles calls on behalf of a dispatcher; the record is written before anything hears of it."""

    def __init__(self, dispatcher: SendsAgain, let_go: Callable[[Fanout, Iterable[int]], None]) -> None:
        self._dispatcher = dispatcher
        self._let_go = let_go  # called with calls that have ended, to release those that waited for them

    def take(self, arrivals: Sequence[Answer | Loss]) -> None:
        """Settle answers and losses that came from the lane, plain completions together."""
        plain = PlainCompletions()
        for arrival in arrivals:
            if isinstance(arrival, Answer):
                self._answered(arrival, plain)
            else:
                self._lost(arrival)
        self._completed(plain)

    def without_running(self, fanout: Fanout, positions: list[int], outcome: Outcome, held: Held) -> None:
        """End calls that never started. Under the lock: `wait_for_room` follows outside of it."""
        still_open = [position for position in positions if not fanout.is_settled(position)]
        if not still_open:
            return
        if isinstance(held, Failure):
            outcome = outcome._replace(extra=Extra(held.message))
        placed = still_open
        if fanout.matching is not None and outcome.status == CANCELLED:
            # A call that was not looked up yet may have the index of another call's record.
            placed = [position for position in still_open if fanout.standing[position] != WAITING]
        if placed:
            with WithoutWaiting():
                call_records.ended(fanout, [(position, outcome) for position in placed])
        self._settle(fanout, [(position, outcome.status, held) for position in still_open])

    def not_ready(self, fanout: Fanout, start: int, stop: int, message: str) -> None:
        """End calls whose upstream failed."""
        outcome = Outcome(NOT_READY, None, None, 0, None, None)
        self.without_running(fanout, list(range(start, stop)), outcome, Failure(NOT_READY, b"", message))

    def from_records(self, fanout: Fanout, found: records_lookup.Found) -> None:
        """Settle what the journal of an earlier execution, or the cache, answers. Under the lock, too."""
        broken = [(position, records_lookup.outcome_of_broken(error)) for position, error in found.broken]
        # A call may have been cancelled while it was looked up: its first end stays.
        told = [entry for entry in (*found.cached, *broken) if not fanout.is_settled(entry[0])]
        if told:
            with WithoutWaiting():
                self._show_failures(fanout, [entry for entry in told if entry[1].status != outcomes.CACHED])
                call_records.ended(fanout, told)
        settled: list[tuple[int, int, Held]] = list(found.replayed)
        url, serializer = _storage_of(fanout)
        for position, outcome in told:
            settled.append((position, outcome.status, self._held(outcome, url, serializer, None)))
        self._settle(fanout, settled)

    # An answer.

    def _answered(self, answer: Answer, plain: PlainCompletions) -> None:
        pack = answer.pack
        started = len(answer.outcomes) - answer.outcomes.count(None)
        if answer.elapsed_s:  # else nothing was executed
            pack.group.estimate.observe(started, answer.elapsed_s)
        if answer.large:
            pack.group.estimate.large_value_seen = True
        if len(answer.outcomes) == 1:
            span, outcome = pack.spans[0], answer.outcomes[0]
            if (
                outcome is not None
                and is_plain(span.fanout, outcome)
                and not span.fanout.is_settled(span.start)
            ):
                plain.take_one(span, outcome, answer)
                return
        at = 0
        for span in pack.spans:
            ended = answer.outcomes[at : at + len(span)]
            if _all_plain(span.fanout, span, ended):
                plain.take(span, ended, answer, at)
            else:
                self._take_each(pack, answer, range(at, at + len(span)))
            at += len(span)

    def _completed(self, plain: PlainCompletions) -> None:
        """The usual case, in columns: first attempts that completed."""
        for (fanout, node, pid), batch in plain.batches.items():
            call_records.completed(fanout, batch.positions, batch.outcomes, node, pid)
        with self._dispatcher.changed:
            for (fanout, _, _), batch in plain.batches.items():
                fanout.settle_completed(batch.positions, batch.held)
                fanout.kind.desk.open_calls -= len(batch.positions)
                self._let_go(fanout, batch.positions)

    def _take_each(self, pack: Pack, answer: Answer, positions: range) -> None:
        ended: dict[Fanout, list[tuple[int, Outcome]]] = {}
        settled: dict[Fanout, list[tuple[int, int, Held]]] = {}
        retried: list[tuple[Fanout, int, Outcome]] = []
        not_started: list[Member] = []
        url, serializer = _storage_of(pack.spans[0].fanout)
        for at in positions:
            outcome = answer.outcomes[at]
            fanout, position = pack.member(at)
            if fanout.is_settled(position):
                continue
            if outcome is None:
                if at not in pack.news.given_back:
                    not_started.append((fanout, position))
                continue
            if outcome.status == CANCELLED and pack.news.timed_out and pack.cancel_asked_s is None:
                # The pack was stopped because of calls past their timeout; the others go again.
                if at in pack.news.timed_out:
                    self._timed_out(fanout, position, outcome.start_s)
                else:
                    not_started.append((fanout, position))
                continue
            if outcome.status == RETRY and pack.cancel_asked_s is not None:
                outcome = _not_again(outcome)
            ended.setdefault(fanout, []).append((position, outcome))
            if outcome.status == RETRY:
                retried.append((fanout, position, outcome))
                continue
            held = self._held(outcome, url, serializer, answer.large.get(at))
            fanout.note_end(position, outcome)
            settled.setdefault(fanout, []).append((position, outcome.status, held))
        for fanout, entries in ended.items():
            self._show_failures(fanout, entries)
            call_records.ended(fanout, entries, answer.node or None, answer.pid or None)
        for fanout, entries in settled.items():
            self._settle(fanout, entries)
        self._retry(retried)
        self._not_started(pack, not_started)

    def _held(self, outcome: Outcome, url: str, serializer: str, large: Any) -> Held:
        if outcome.status in (COMPLETED, outcomes.CACHED):
            return holding(outcome.kind, outcome.payload, url, serializer, large)
        message = outcome.extra.message if outcome.extra else None
        return Failure(outcome.status, outcome.payload or b"", message)

    def _retry(self, retried: Sequence[tuple[Fanout, int, Outcome]]) -> None:
        with self._dispatcher.changed:
            for fanout, position, outcome in retried:
                fanout.await_retry(position, outcome)
                self._dispatcher.retry_later(
                    fanout, position, (outcome.extra or outcomes.NO_EXTRA).retry_delay_s
                )

    def _not_started(self, pack: Pack, members: Sequence[Member]) -> None:
        if not members:
            return
        if pack.cancel_asked_s is not None:
            self._cancelled(members)
            return
        with self._dispatcher.changed:
            for fanout, position in reversed(members):
                self._dispatcher.queue_again(fanout, position, alone=pack.one_by_one)

    # A loss.

    def _lost(self, loss: Loss) -> None:
        pack = loss.pack
        members = list(pack.members())
        salvaged = self._dispatcher.lane.salvage(pack)
        kept: set[int] = set()
        if salvaged is not None and salvaged.outcomes:
            listed = [salvaged.outcomes.get(at) for at in range(len(members))]
            answer = Answer(pack, [_durable(each) for each in listed], 0.0, "", 0, {})
            kept = {at for at, each in enumerate(answer.outcomes) if each is not None}
            for at in sorted(kept):
                self._take_each(pack, answer, range(at, at + 1))
        left = [
            (at, member)
            for at, member in enumerate(members)
            if at not in kept and at not in pack.news.given_back and not member[0].is_settled(member[1])
        ]
        # A worker may have been ended for a call past its timeout: then only that call is to blame.
        if pack.cancel_asked_s is not None or (loss.cause == "cancelled" and not pack.news.timed_out):
            self._cancelled([member for _, member in left])
            return
        suspects = {at for at, _ in left} if not pack.news.timed_out else set[int]()
        if salvaged is not None and (salvaged.running is not None or salvaged.outcomes):
            suspects &= {salvaged.running} if salvaged.running is not None else set()
        self._tell_loss(loss, len(members) - len(left), len(left))
        for at, (fanout, position) in reversed(left):
            if at in pack.news.timed_out:
                self._timed_out(fanout, position, pack.news.running.get(at))
            elif at in suspects:
                self._crashed(fanout, position, loss)
            else:
                with self._dispatcher.changed:
                    self._dispatcher.queue_again(fanout, position)

    def _timed_out(self, fanout: Fanout, position: int, began_s: float | None) -> None:
        """Retry or end a call that was stopped, or whose worker was killed, because it did not end after its
        timeout.
        """
        how = "did not end after its timeout and was stopped by force"
        error = TaskTimedOut(how)
        retry, tries, attempt = (
            fanout.kind.code.retry,
            fanout.tries_of(position),
            fanout.attempt_of(position),
        )
        if not retry.should_retry(tries, error):
            self._end(fanout, position, TIMED_OUT, how, error)
            return
        now = clock.epoch_s()
        began: outcomes.Timeline = [
            ("RUNNING", "Running" if attempt == 1 else "Retrying", began_s or now, None)
        ]
        extra = Extra(how, timeline=began, retry_delay_s=retry.delay_s(tries))
        outcome = Outcome(RETRY, began_s, now, attempt, None, None, None, extra)
        call_records.ended(fanout, [(position, outcome)])
        self._retry([(fanout, position, outcome)])

    def _crashed(self, fanout: Fanout, position: int, loss: Loss) -> None:
        """Send a call whose process died once more and alone, or end it."""
        crashes = fanout.crashes.get(position, 0) + 1
        allowed = fanout.kind.code.crash_retries
        attempt = fanout.attempt_of(position)
        if not loss.again or crashes > allowed:
            self._end(fanout, position, CRASHED, loss.message, TaskCrashed(loss.message, loss.cause))
            return
        now = clock.epoch_s()
        extra = Extra(
            f"{loss.message}; run again ({crashes} of {allowed} crash retries)",
            timeline=[("RUNNING", "Running" if attempt == 1 else "Retrying", loss.pack.launched_at_s, None)],
        )
        outcome = Outcome(RETRY, loss.pack.launched_at_s, now, attempt, None, None, None, extra)
        call_records.ended(fanout, [(position, outcome)])
        with self._dispatcher.changed:
            fanout.crashes[position] = crashes
            fanout.await_retry(position, outcome)
            self._dispatcher.queue_again(fanout, position, alone=True)

    def _end(
        self, fanout: Fanout, position: int, status: int, message: str, error: RunFailure | None = None
    ) -> None:
        attempt = fanout.attempt_of(position)
        captured = tracebacks.capture(error) if error is not None else None
        outcome = Outcome(status, None, clock.epoch_s(), attempt, None, None, None, Extra(message, captured))
        self._show_failures(fanout, [(position, outcome)])
        call_records.ended(fanout, [(position, outcome)])
        cause = error.cause if isinstance(error, TaskCrashed) else None
        self._settle(fanout, [(position, status, Failure(status, b"", message, cause))])

    def _cancelled(self, members: Sequence[Member]) -> None:
        for fanout, position in members:
            if not fanout.is_settled(position):
                self._end(fanout, position, CANCELLED, "cancelled")

    def _tell_loss(self, loss: Loss, kept: int, again: int) -> None:
        desk = loss.pack.group.desk
        desk.say(
            logging.WARNING,
            f"{loss.message} under {loss.pack.group.code.name!r}: "
            f"{kept} finished calls of that pack are kept, {again} are looked at again",
        )

    # Both.

    def _settle(self, fanout: Fanout, entries: Sequence[tuple[int, int, Held]]) -> None:
        with self._dispatcher.changed:
            for position, status, held in entries:
                if not fanout.is_settled(position):
                    fanout.settle(position, status, held)
                    fanout.kind.desk.open_calls -= 1
            self._let_go(fanout, [position for position, _, _ in entries])
            self._dispatcher.changed.notify_all()

    def _show_failures(self, fanout: Fanout, entries: Sequence[tuple[int, Outcome]]) -> None:
        desk = fanout.kind.desk
        for position, outcome in entries:
            if outcome.status in (COMPLETED, CANCELLED):
                continue
            if desk.failures_shown == _FAILURES_SHOWN:
                desk.say(
                    logging.WARNING, "more task runs fail; `heliostat task-run ls --state FAILED` lists them"
                )
            desk.failures_shown += 1
            if desk.failures_shown > _FAILURES_SHOWN:
                return
            _, name = outcomes.state_of(outcome)
            message = outcome.extra.message if outcome.extra else ""
            level = logging.WARNING if outcome.status == RETRY else logging.ERROR
            desk.say(level, f"{name}: {message}", fanout.task_run_id(position))


def _all_plain(fanout: Fanout, span: ReadySpan, ended: Sequence[Outcome | None]) -> bool:
    if not all(outcome is not None and is_plain(fanout, outcome) for outcome in ended):
        return False
    return not any(map(fanout.is_settled, range(span.start, span.stop)))


def _storage_of(fanout: Fanout) -> tuple[str, str]:
    code = fanout.kind.code
    return code.storage_url, code.serializer


def _not_again(outcome: Outcome) -> Outcome:
    """A wish for another attempt that came after the call was cancelled."""
    timeline = outcome.extra.timeline if outcome.extra is not None else None
    extra = Extra("cancelled before it was tried again", timeline=timeline)
    return outcome._replace(status=CANCELLED, payload=None, extra=extra)


def _durable(outcome: Outcome | None) -> Outcome | None:
    """A salvaged outcome, unless its value died with the worker."""
    return None if outcome is None or outcome.kind == "memory" else outcome
