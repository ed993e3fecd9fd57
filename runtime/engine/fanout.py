"""The calls of one `submit` or `map`: the standing of each and its value or failure.

A fan-out is columnar: a byte per call for its standing and one slot for its value. Only its dispatcher
changes it, under the dispatcher's lock; any thread may read it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID

from ..foundation import clock, ids
from ..foundation.errors import RunCancelled, RunFailure, TaskCrashed, TaskTimedOut, UpstreamFailed
from ..records import CallSite
from ..states import NO_VALUE, State, StateType
from ..values import tracebacks
from ..values.result_places import place_of
from . import outcomes, payload
from .calls import Columns, Rows
from .outcomes import Failure, Held, InStore, Kept, Stored
from .progress import Tally

if TYPE_CHECKING:
    from ..authoring.futures import SubmittedCalls, TaskFuture
    from .call_kind import CallKind
    from .matching import Matching

WAITING, QUEUED, IN_FLIGHT, RETRYING = range(4)  # not settled
_SETTLED = 16  # standing of a settled call: _SETTLED + outcome status
_FAILED = (outcomes.FAILED, outcomes.TIMED_OUT, outcomes.CRASHED)
_NOT_RUN = (outcomes.CANCELLED, outcomes.NOT_READY)

_STANDING_NAMES = {
    WAITING: ("PENDING", "Pending"),
    QUEUED: ("PENDING", "Pending"),
    IN_FLIGHT: ("RUNNING", "Running"),
    RETRYING: ("SCHEDULED", "AwaitingRetry"),
}


class Sender(Protocol):
    """What a fan-out asks of the sender of its calls."""

    def wait_until(self, done: Callable[[], bool], timeout_s: float | None) -> bool: ...
    def wake(self) -> None: ...
    def cancel_call(self, fanout: Fanout, position: int) -> bool: ...
    def fetch(self, place: InStore) -> Any: ...


class Fanout:
    """Some calls of one task with the same options."""

    __slots__ = (
        "__weakref__",
        "_dispatcher",
        "attempts",
        "cache_keys",
        "calls",
        "closed",
        "crashes",
        "ended_at",
        "first_index",
        "kind",
        "has_futures",
        "held",
        "matching",
        "moved",
        "open_count",
        "own_ends",
        "pending_on",
        "site",
        "standing",
        "submitted_at",
        "timelines",
        "wait_for",
        "watched",
    )

    def __init__(
        self,
        dispatcher: Sender | None,
        kind: CallKind,
        site: CallSite,
        first_index: int,
        calls: Rows | Columns,
        wait_for: tuple[Any, ...] = (),
        *,
        closed: bool = True,
        matching: Matching | None = None,
    ) -> None:
        size = len(calls)
        self._dispatcher = dispatcher  # None: a direct call, which ends before anything can ask
        self.kind = kind
        self.site = site
        self.first_index = first_index
        self.matching = matching  # in a replay: which recorded call each call is
        self.moved: dict[int, int] = {}  # indexes by position, where they do not follow from the first one
        self.calls = calls
        self.wait_for = wait_for
        self.closed = closed  # no more calls will be added
        self.submitted_at = clock.epoch_s()
        self.standing = bytearray(size)
        self.held: list[Held] = [None] * size
        self.ended_at = array("d", bytes(8 * size))  # when each call was settled here
        self.open_count = size  # calls that are not settled
        self.attempts: dict[int, int] = {}  # attempts begun, where it is more than the first
        self.crashes: dict[int, int] = {}
        self.timelines: dict[int, outcomes.Timeline] = {}
        self.own_ends: dict[int, tuple[str | None, str]] = {}  # message and name of returned states
        self.pending_on: dict[int, int] = {}  # unsettled upstream calls, by position
        self.watched = False  # other calls wait for single calls of this fan-out
        self.has_futures: bool | None = None  # whether its arguments hold futures; None: not known yet
        self.cache_keys: dict[int, tuple[str, float | None]] = {}  # key and expiry, where a policy gave one

    @property
    def dispatcher(self) -> Sender:
        assert self._dispatcher is not None, "a direct call has no dispatcher"
        return self._dispatcher

    # What a future shows.

    @property
    def size(self) -> int:
        return len(self.standing)

    @property
    def task_name(self) -> str:
        return self.site.task_name

    def name_of(self, position: int) -> str:
        return f"{self.site.task_name}-{self.index_of(position)}"

    def index_of(self, position: int) -> int:
        """The number by which a call is known at its site, once it is known which call it is."""
        if self.moved:
            return self.moved.get(position, self.first_index + position)
        return self.first_index + position

    def indexes_of(self, positions: Sequence[int]) -> list[int]:
        """The numbers of many calls."""
        if self.moved:
            return [self.index_of(position) for position in positions]
        first = self.first_index
        return [first + position for position in positions]

    def move(self, position: int, index: int) -> None:
        """Give a call another number than its place says."""
        if index == self.first_index + position:
            self.moved.pop(position, None)
        else:
            self.moved[position] = index

    def task_run_id(self, position: int) -> UUID:
        return ids.task_run_id(self.site.base, self.index_of(position))

    def is_settled(self, position: int) -> bool:
        return self.standing[position] >= _SETTLED

    def status_of(self, position: int) -> int:
        """The outcome status of a settled call."""
        return self.standing[position] - _SETTLED

    def counts(self) -> dict[str, int]:
        """Calls by state name."""
        counted: Counter[str] = Counter()
        for standing, count in Counter(self.standing).items():
            counted[_state_of(standing)[1]] += count
        return dict(counted)

    def tally(self) -> Tally:
        """Calls by how they ended: a few scans for single bytes, no lock, right to within moments."""
        is_over = self.closed and not self.open_count
        standing = self.standing
        size, done = len(standing), len(standing) - self.open_count
        failed = sum(standing.count(_SETTLED + status) for status in _FAILED)
        not_run = sum(standing.count(_SETTLED + status) for status in _NOT_RUN)
        in_flight = 0 if is_over else standing.count(IN_FLIGHT)
        return Tally(size, done, failed, not_run, in_flight, is_over)

    def state_name_of(self, position: int) -> str:
        own = self.own_ends.get(position)
        return own[1] if own is not None else _state_of(self.standing[position])[1]

    def told_downstream(self, position: int) -> str:
        """The message for calls that are not started because this call did not complete."""
        return f"upstream task run {self.name_of(position)} ended {self.state_name_of(position)}"

    def state_of(self, position: int) -> State:
        standing = self.standing[position]
        state_type, name = _state_of(standing)
        held = self.held[position]
        message = held.message if isinstance(held, Failure) else None
        if position in self.own_ends:
            message, name = self.own_ends[position]
        data: Any = NO_VALUE
        if standing >= _SETTLED:
            data = self.value_of(position, False)
        at = clock.from_epoch(self.submitted_at if standing < _SETTLED else self.ended_at[position])
        return State(StateType(state_type), name=name, message=message, timestamp=at, data=data)

    def wait(self, position: int, timeout_s: float | None = None) -> bool:
        """Block until the call is settled; False after `timeout_s`."""
        return self.dispatcher.wait_until(lambda: self.is_settled(position), timeout_s)

    def wait_all(self, timeout_s: float | None = None) -> bool:
        return self.dispatcher.wait_until(lambda: self.closed and not self.open_count, timeout_s)

    def wait_for_any(
        self, calls: Iterable[tuple[SubmittedCalls, int]], timeout_s: float | None = None
    ) -> bool:
        watched = list(calls)
        return self.dispatcher.wait_until(
            lambda: any(fanout.is_settled(position) for fanout, position in watched), timeout_s
        )

    def cancel(self, position: int) -> bool:
        return self.dispatcher.cancel_call(self, position)

    def value_of(self, position: int, raise_on_failure: bool = True) -> Any:
        """The value of a settled call; its failure is raised, or returned as an exception."""
        held = self.held[position]
        if isinstance(held, Failure):
            error = self._error(position, held)
            if raise_on_failure:
                raise error
            return error
        if held is None:
            return None
        if isinstance(held, bytes):
            return payload.load(held)
        if isinstance(held, Kept):
            return held.value
        if isinstance(held, Stored):
            return load_stored(held)
        return self.dispatcher.fetch(held)

    def _error(self, position: int, failure: Failure) -> BaseException:
        name, message = self.name_of(position), failure.message or ""
        if failure.status == outcomes.CANCELLED:
            return RunCancelled(f"task run {name} was cancelled: {message}")
        if failure.status == outcomes.NOT_READY:
            return UpstreamFailed(f"task run {name} was not started: {message}")
        if failure.status == outcomes.CRASHED and not failure.shipped:
            return TaskCrashed(f"task run {name} crashed: {message}", failure.cause or "lost")
        if failure.status == outcomes.TIMED_OUT and not failure.shipped:
            return TaskTimedOut(f"task run {name} {message}")
        if not failure.shipped:
            return RunFailure(message)
        return tracebacks.unship(failure.shipped)

    # For the dispatcher alone.

    def grow(self, count: int) -> tuple[int, int]:
        """Make room for `count` more calls; returns their positions as (start, stop)."""
        start = self.size
        self.standing.extend(bytes(count))
        self.held.extend([None] * count)
        self.ended_at.frombytes(bytes(8 * count))
        self.open_count += count
        return start, start + count

    def note_end(self, position: int, outcome: outcomes.Outcome) -> None:
        """Keep message and name of a state that the author's code returned, before the call is settled."""
        extra = outcome.extra
        if extra is not None and (extra.state_name or (extra.message and outcome.kind is not None)):
            self.own_ends[position] = (extra.message, outcomes.state_of(outcome)[1])

    def settle(self, position: int, status: int, held: Held) -> None:
        """Note a call's end. Idempotent: the first end stays."""
        if self.standing[position] >= _SETTLED:
            return
        # The standing is set last, so that a reader of a settled call finds its value.
        self.held[position] = held
        self.ended_at[position] = clock.epoch_s()
        self.standing[position] = _SETTLED + status
        self.open_count -= 1
        self.calls.release(position, position + 1)
        self._let_go()

    def settle_completed(self, positions: list[int], held: list[Held]) -> None:
        """Note that calls, all different, in any order and none of them settled before, completed."""
        start, stop, now = positions[0], positions[0] + len(positions), clock.epoch_s()
        if positions == list(range(start, stop)):
            self.held[start:stop] = held
            self.ended_at[start:stop] = array("d", [now]) * (stop - start)
            self.standing[start:stop] = bytes([_SETTLED + outcomes.COMPLETED]) * (stop - start)
            self.calls.release(start, stop)
        else:
            for position, value in zip(positions, held, strict=True):
                self.held[position] = value
                self.ended_at[position] = now
                self.standing[position] = _SETTLED + outcomes.COMPLETED
                self.calls.release(position, position + 1)
        self.open_count -= len(positions)
        self._let_go()

    def _let_go(self) -> None:
        if not self.open_count and self.closed:
            self.calls.let_go()

    def attempt_of(self, position: int) -> int:
        """Which attempt the next (or present) execution of a call is, from 1."""
        return self.attempts.get(position, 1)

    def await_retry(self, position: int, outcome: outcomes.Outcome) -> None:
        """Note that an attempt ended and another one follows it."""
        extra = outcome.extra or outcomes.NO_EXTRA
        timeline = self.timelines.setdefault(position, [])
        timeline.extend(extra.timeline or ())
        timeline.append(("SCHEDULED", "AwaitingRetry", outcome.end_s or clock.epoch_s(), extra.message))
        self.attempts[position] = outcome.run_count + 1

    def tries_of(self, position: int) -> int:
        """Which attempt it is by the author's retries, which do not count attempts that ended in a crash."""
        return self.attempts.get(position, 1) - self.crashes.get(position, 0)


def fanout_of(future: TaskFuture[Any]) -> Fanout:
    """The calls that a future is one of."""
    return cast("Fanout", future.fanout)


def holding(
    kind: str | None, data: bytes | None, url: str, serializer: str, large: Any = None
) -> bytes | Kept | InStore | Stored | None:
    """What to keep of a completed call: `kind` and `data` are its outcome's, `large` where a big value is."""
    if kind == "inline":
        return data
    if kind == "stored":
        assert data is not None
        place = place_of(data, url, serializer)
        return Stored(place.url, place.key, place.serializer)
    if kind == "memory":
        return large
    return None


def load_stored(stored: Stored) -> Any:
    """Read a value back from result storage."""
    from ..values import serializers
    from ..values.storage import storage_for

    return serializers.loads(storage_for(stored.url).read(stored.key), stored.serializer)


def _state_of(standing: int) -> tuple[str, str]:
    if standing >= _SETTLED:
        return outcomes.STATE_OF[standing - _SETTLED]
    return _STANDING_NAMES[standing]
