"""What came of one call: the tuple that a worker sends back, and what the driver keeps of it.

An outcome is a plain tuple because thousands are pickled in one go:
`(status, start_s, end_s, run_count, kind, payload, input_hash, extra)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..journal.unrecorded import Left

COMPLETED, FAILED, TIMED_OUT, RETRY, CANCELLED, CRASHED, NOT_READY, CACHED = range(8)

STATE_OF = {
    COMPLETED: ("COMPLETED", "Completed"),
    CACHED: ("COMPLETED", "Cached"),
    FAILED: ("FAILED", "Failed"),
    TIMED_OUT: ("FAILED", "TimedOut"),
    RETRY: ("SCHEDULED", "AwaitingRetry"),
    CANCELLED: ("CANCELLED", "Cancelled"),
    CRASHED: ("CRASHED", "Crashed"),
    NOT_READY: ("PENDING", "NotReady"),
}

Timeline = list[tuple[str, str, float, str | None]]


class Outcome(NamedTuple):
    """One call's end (or its wish to be tried again, `RETRY`)."""

    status: int
    start_s: float | None
    end_s: float | None
    run_count: int
    kind: str | None  # "none", "inline", "stored", "memory"; None without a value
    payload: bytes | None  # the pickled value, the storage key (UTF-8), or the shipped exception
    input_hash: bytes | None = None
    extra: Extra | None = None


@dataclass(slots=True)
class Extra:
    """What few outcomes carry."""

    message: str | None = None
    error: dict[str, Any] | None = None  # tracebacks.capture
    timeline: Timeline | None = None  # states passed on the way, without the last one
    retry_delay_s: float = 0.0
    name: str | None = None  # the run's name, where the author gave a template
    state_name: str | None = None  # of a state that the author's code returned, where it has one of its own


NO_EXTRA = Extra()


def state_of(outcome: Outcome) -> tuple[str, str]:
    """Type and name of the state that a call ended in, or waits for another attempt in."""
    state_type, name = STATE_OF[outcome.status]
    extra = outcome.extra
    return state_type, name if extra is None or extra.state_name is None else extra.state_name


def outcomes_of(left: Left) -> dict[int, Outcome]:
    """The calls that an earlier execution had completed without having recorded it."""
    return {
        call_id: Outcome(
            COMPLETED, call.start_s, call.end_s, call.run_count, call.kind, call.payload, call.input_hash
        )
        for call_id, call in left.completed.items()
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that stays an object of this process."""

    value: Any


@dataclass(frozen=True, slots=True)
class InStore:
    """A value in Ray's object store: entry `position` of the dict behind `ref`."""

    ref: Any
    position: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in result storage."""

    url: str
    key: str
    serializer: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no value: the exception as bytes (tracebacks.ship)."""

    status: int
    shipped: bytes
    message: str | None = None
    cause: str | None = None  # of a crash, as TaskCrashed.cause


Held = bytes | Kept | InStore | Stored | Failure | None
"""What a settled call left: pickled value, None for the value None, a place, or a failure."""
