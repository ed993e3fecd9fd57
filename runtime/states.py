"""The state of a run, and the one table of how states follow each other.

The engine and the API propose states, `rules/deciding.py` accepts or refuses them, and the store writes the
accepted ones. Types and names are those of the standard API (reference: StateType, state names with meaning).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, Final, cast
from uuid import UUID

from .foundation import clock
from .foundation.errors import ResultLost, RunCancelled, RunFailure, TaskTimedOut, UnfinishedRun
from .foundation.ids import uuid7


class StateType(StrEnum):
    """The nine kinds of state; a name (`Late`, `Retrying`) says more, but rules look at the type."""

    SCHEDULED = "SCHEDULED"  # will begin at a time
    PENDING = "PENDING"  # claimed, not begun
    RUNNING = "RUNNING"  # user code runs
    COMPLETED = "COMPLETED"  # final: ended well
    FAILED = "FAILED"  # final: user code raised, or a rule says that it failed
    CANCELLED = "CANCELLED"  # final: someone stopped it
    CRASHED = "CRASHED"  # final: the process or machine under it went away
    PAUSED = "PAUSED"  # waits for a person, or a task run for its flow
    CANCELLING = "CANCELLING"  # asked to stop, still being torn down


_T = StateType

FINAL_STATES: Final = frozenset({_T.COMPLETED, _T.FAILED, _T.CANCELLED, _T.CRASHED})

# Every name that means something to the standard API, its UI or its clients, and the type that it belongs to.
STATE_NAMES: Final[Mapping[str, StateType]] = {
    "Scheduled": _T.SCHEDULED,
    "Late": _T.SCHEDULED,
    "AwaitingRetry": _T.SCHEDULED,
    "AwaitingConcurrencySlot": _T.SCHEDULED,
    "Resuming": _T.SCHEDULED,
    "Pending": _T.PENDING,
    "Submitting": _T.PENDING,
    "InfrastructurePending": _T.PENDING,
    "Running": _T.RUNNING,
    "Retrying": _T.RUNNING,
    "Rerunning": _T.RUNNING,
    "Completed": _T.COMPLETED,
    "Cached": _T.COMPLETED,
    "RolledBack": _T.COMPLETED,
    "Failed": _T.FAILED,
    "TimedOut": _T.FAILED,
    "Paused": _T.PAUSED,
    "Suspended": _T.PAUSED,
    "NotReady": _T.PAUSED,
    "Cancelled": _T.CANCELLED,
    "Cancelling": _T.CANCELLING,
    "Crashed": _T.CRASHED,
}

# Every transition and the event that causes it; None is "before the first state". As in the standard, force #
# may move a run from any state to any other ("overrule"); flow_run_rules.py and task_run_rules.py restrict #
# the other transitions.
TRANSITIONS: Final[Mapping[tuple[StateType | None, StateType], str]] = {
    (None, _T.SCHEDULED): "schedule",
    (None, _T.PENDING): "submit",
    (None, _T.RUNNING): "start",
    (None, _T.COMPLETED): "answer from the cache or a journal",
    (None, _T.FAILED): "refuse before the start",
    (None, _T.CANCELLED): "cancel before the start",
    (None, _T.CRASHED): "crash before the start",
    (None, _T.PAUSED): "hold back",
    (None, _T.CANCELLING): "import",
    (_T.SCHEDULED, _T.SCHEDULED): "reschedule or mark late",
    (_T.SCHEDULED, _T.PENDING): "claim",
    (_T.SCHEDULED, _T.RUNNING): "start",
    (_T.SCHEDULED, _T.COMPLETED): "complete without running",
    (_T.SCHEDULED, _T.FAILED): "fail without running",
    (_T.SCHEDULED, _T.CANCELLED): "cancel",
    (_T.SCHEDULED, _T.CRASHED): "crash",
    (_T.SCHEDULED, _T.PAUSED): "hold back while the flow is paused",
    (_T.SCHEDULED, _T.CANCELLING): "ask to cancel",
    (_T.PENDING, _T.SCHEDULED): "put back: no slot, or a retry",
    (_T.PENDING, _T.PENDING): "report progress of the submission",
    (_T.PENDING, _T.RUNNING): "start",
    (_T.PENDING, _T.COMPLETED): "complete without running",
    (_T.PENDING, _T.FAILED): "fail without running",
    (_T.PENDING, _T.CANCELLED): "cancel",
    (_T.PENDING, _T.CRASHED): "crash",
    (_T.PENDING, _T.PAUSED): "hold back while the flow is paused",
    (_T.PENDING, _T.CANCELLING): "ask to cancel",
    (_T.RUNNING, _T.SCHEDULED): "await a retry, or reschedule",
    (_T.RUNNING, _T.PENDING): "submit again: its worker died",
    (_T.RUNNING, _T.RUNNING): "retry at once, or rescue",
    (_T.RUNNING, _T.COMPLETED): "complete",
    (_T.RUNNING, _T.FAILED): "fail",
    (_T.RUNNING, _T.CANCELLED): "cancel",
    (_T.RUNNING, _T.CRASHED): "crash",
    (_T.RUNNING, _T.PAUSED): "pause or suspend",
    (_T.RUNNING, _T.CANCELLING): "ask to cancel",
    (_T.PAUSED, _T.SCHEDULED): "resume in a new process",
    (_T.PAUSED, _T.RUNNING): "resume",
    (_T.PAUSED, _T.PENDING): "overrule",
    (_T.PAUSED, _T.PAUSED): "hold back again",
    (_T.PAUSED, _T.COMPLETED): "complete",
    (_T.PAUSED, _T.FAILED): "fail, or the pause timed out",
    (_T.PAUSED, _T.CANCELLED): "cancel",
    (_T.PAUSED, _T.CRASHED): "crash",
    (_T.PAUSED, _T.CANCELLING): "ask to cancel",
    (_T.CANCELLING, _T.CANCELLED): "cancel",
    (_T.CANCELLING, _T.COMPLETED): "complete before the cancel arrived",
    (_T.CANCELLING, _T.FAILED): "fail before the cancel arrived",
    (_T.CANCELLING, _T.CRASHED): "crash before the cancel arrived",
    (_T.CANCELLING, _T.SCHEDULED): "overrule",
    (_T.CANCELLING, _T.PENDING): "overrule",
    (_T.CANCELLING, _T.RUNNING): "overrule",
    (_T.CANCELLING, _T.PAUSED): "overrule",
    (_T.CANCELLING, _T.CANCELLING): "overrule",
    (_T.COMPLETED, _T.SCHEDULED): "run again",
    (_T.COMPLETED, _T.PENDING): "run again",
    (_T.COMPLETED, _T.RUNNING): "run again: its result is lost",
    (_T.COMPLETED, _T.COMPLETED): "give a result, or roll back",
    (_T.COMPLETED, _T.FAILED): "overrule",
    (_T.COMPLETED, _T.CANCELLED): "overrule",
    (_T.COMPLETED, _T.CRASHED): "overrule",
    (_T.COMPLETED, _T.PAUSED): "hold back while the flow is paused, or overrule",
    (_T.COMPLETED, _T.CANCELLING): "overrule",
    (_T.FAILED, _T.SCHEDULED): "run again",
    (_T.FAILED, _T.PENDING): "run again",
    (_T.FAILED, _T.RUNNING): "run again",
    (_T.FAILED, _T.COMPLETED): "overrule",
    (_T.FAILED, _T.FAILED): "overrule",
    (_T.FAILED, _T.CANCELLED): "overrule",
    (_T.FAILED, _T.CRASHED): "overrule",
    (_T.FAILED, _T.PAUSED): "hold back while the flow is paused, or overrule",
    (_T.FAILED, _T.CANCELLING): "overrule",
    (_T.CANCELLED, _T.SCHEDULED): "run again",
    (_T.CANCELLED, _T.PENDING): "run again",
    (_T.CANCELLED, _T.RUNNING): "run again",
    (_T.CANCELLED, _T.COMPLETED): "overrule",
    (_T.CANCELLED, _T.FAILED): "overrule",
    (_T.CANCELLED, _T.CANCELLED): "overrule",
    (_T.CANCELLED, _T.CRASHED): "overrule",
    (_T.CANCELLED, _T.PAUSED): "hold back while the flow is paused, or overrule",
    (_T.CANCELLED, _T.CANCELLING): "overrule",
    (_T.CRASHED, _T.SCHEDULED): "run again",
    (_T.CRASHED, _T.PENDING): "run again",
    (_T.CRASHED, _T.RUNNING): "resume from the journal",
    (_T.CRASHED, _T.COMPLETED): "overrule",
    (_T.CRASHED, _T.FAILED): "overrule",
    (_T.CRASHED, _T.CANCELLED): "overrule",
    (_T.CRASHED, _T.CRASHED): "overrule",
    (_T.CRASHED, _T.PAUSED): "hold back while the flow is paused, or overrule",
    (_T.CRASHED, _T.CANCELLING): "overrule",
}


class _NoValue(Enum):
    """An enum of one member, so that pickling keeps its identity."""

    NO_VALUE = "NO_VALUE"

    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE: Final = _NoValue.NO_VALUE
"""The `data` of a state whose value is not known here; None is an ordinary value."""


class ValueElsewhere(ABC):
    """The `data` of a state whose value is loaded when it is needed."""

    __slots__ = ()

    @abstractmethod
    def load(self) -> Any:
        """The value. Raises ResultLost."""


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """One state of one run. Immutable; equal when everything but `data` is.

    `details` holds the standard's StateDetails fields that are set; times in it are aware datetimes or text.
    `data` is the value of a completed run, the exception of a failed one, or NO_VALUE.
    """

    type: StateType
    name: str = ""  # "" becomes the type's own name, e.g. "Running"
    message: str | None = None
    data: Any = field(default=NO_VALUE, compare=False)
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    timestamp: datetime = field(default_factory=clock.now)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.type.value.capitalize())

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"{self.name}({'' if self.message is None else repr(self.message)})"

    def is_completed(self) -> bool:
        return self.type is _T.COMPLETED

    def is_failed(self) -> bool:
        return self.type is _T.FAILED

    def is_crashed(self) -> bool:
        return self.type is _T.CRASHED

    def is_cancelled(self) -> bool:
        return self.type is _T.CANCELLED

    def is_cancelling(self) -> bool:
        return self.type is _T.CANCELLING

    def is_running(self) -> bool:
        return self.type is _T.RUNNING

    def is_pending(self) -> bool:
        return self.type is _T.PENDING

    def is_scheduled(self) -> bool:
        return self.type is _T.SCHEDULED

    def is_paused(self) -> bool:
        return self.type is _T.PAUSED

    def is_final(self) -> bool:
        return self.type in FINAL_STATES

    def moment(self, key: str) -> datetime | None:
        """A time among the details (`scheduled_time`, `pause_timeout`, ...) as aware UTC."""
        value = self.details.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if not isinstance(value, datetime):
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    def result(self, raise_on_failure: bool = True) -> Any:
        """The value of the run, or its exception raised (returned with `raise_on_failure=False`).

        Raises UnfinishedRun while the run has not ended, and ResultLost when it completed but its value is
        gone.
        """
        if not self.is_final():
            raise UnfinishedRun(
                f"This run is {self.name}, so it has no result yet.", hint="Wait for it, then ask again."
            )
        if self.is_completed():
            return self._value()
        error = self._error()
        if raise_on_failure:
            raise error
        return error

    def _value(self) -> Any:
        if self.data is NO_VALUE:
            raise ResultLost(
                "This run completed, but its value was kept only in memory and is gone.",
                hint="Persist results (persist_result=True) to read them later, or run it again.",
            )
        return self.data.load() if isinstance(self.data, ValueElsewhere) else self.data

    def _error(self) -> BaseException:
        data = self.data
        if isinstance(data, BaseException):
            return data
        for state in _states_in(data) or ():
            if not state.is_completed():
                return state._error()
        text = data if isinstance(data, str) else self.message or f"The run ended as {self.name}."
        if self.is_cancelled():
            return RunCancelled(text)
        return TaskTimedOut(text) if self.name == "TimedOut" else RunFailure(text)


def final_state_of(value: Any) -> State:
    """The state that a flow or task ends in when its function returns `value`.

    A returned state is used as it is. A list, tuple, set or dict of states gives Completed when all are; else
    Cancelled when one is, else Failed. Every other value completes the run and is its result. (The standard's
    rule for return values; exceptions are handled where they are caught.)
    """
    if isinstance(value, State):
        return value
    states = _states_in(value)
    if not states:
        return Completed(data=value)
    total = len(states)
    cancelled = sum(state.is_cancelled() for state in states)
    failed = sum(state.is_failed() or state.is_crashed() for state in states)
    unfinished = sum(not state.is_final() for state in states)
    if cancelled:
        return Cancelled(f"{cancelled}/{total} states cancelled.", data=value)
    if failed:
        return Failed(f"{failed}/{total} states failed.", data=value)
    if unfinished:
        return Failed(f"{unfinished}/{total} states are not final.", data=value)
    return Completed("All states completed.", data=value)


def is_collection_of_states(value: Any) -> bool:
    """Whether `value` is a list, tuple, set or dict that holds states and nothing else."""
    return not isinstance(value, State) and bool(_states_in(value))


def _states_in(value: Any) -> Sequence[State] | None:
    """The states of a collection that holds nothing else; None for every other value."""
    if isinstance(value, State):
        return [value]
    if isinstance(value, dict):
        members: Iterable[Any] = cast("dict[Any, Any]", value).values()
    elif isinstance(value, list | tuple | set | frozenset):
        members = cast("Iterable[Any]", value)
    else:
        return None
    found: list[State] = []
    for member in members:
        if not isinstance(member, State):
            return None
        found.append(member)
    return found


# Constructors of states, for authors and the engine.


def Scheduled(
    scheduled_time: datetime | None = None,
    message: str | None = None,
    *,
    name: str = "Scheduled",
    details: Mapping[str, Any] | None = None,
) -> State:
    """A run that will begin at `scheduled_time` (default: now)."""
    when = {"scheduled_time": scheduled_time or clock.now()}
    return State(_T.SCHEDULED, name, message, details={**(details or {}), **when})


def Late(scheduled_time: datetime | None = None, message: str | None = None) -> State:
    """A scheduled run whose time has passed before a worker claimed it."""
    return Scheduled(scheduled_time, message, name="Late")


def AwaitingRetry(
    scheduled_time: datetime | None = None,
    message: str | None = None,
    *,
    details: Mapping[str, Any] | None = None,
) -> State:
    """A failed run that will be tried again at `scheduled_time`."""
    return Scheduled(scheduled_time, message, name="AwaitingRetry", details=details)


def Resuming(scheduled_time: datetime | None = None, message: str | None = None) -> State:
    """A suspended run that waits for a new process."""
    return Scheduled(scheduled_time, message, name="Resuming")


def Pending(
    message: str | None = None, *, name: str = "Pending", details: Mapping[str, Any] | None = None
) -> State:
    """A run that was claimed and has not begun."""
    return State(_T.PENDING, name, message, details=dict(details or {}))


def Running(
    message: str | None = None, *, name: str = "Running", details: Mapping[str, Any] | None = None
) -> State:
    """A run whose code is running."""
    return State(_T.RUNNING, name, message, details=dict(details or {}))


def Retrying(message: str | None = None) -> State:
    """A run whose code runs again after a failure."""
    return Running(message, name="Retrying")


def Completed(
    message: str | None = None,
    *,
    data: Any = None,
    name: str = "Completed",
    details: Mapping[str, Any] | None = None,
) -> State:
    """A run that ended well with the value `data`; pass NO_VALUE when the value is not known here."""
    return State(_T.COMPLETED, name, message, data, dict(details or {}))


def Cached(message: str | None = None, *, data: Any = None) -> State:
    """A run that was completed by the result of an earlier run with its cache key."""
    return Completed(message, data=data, name="Cached")


def Failed(
    message: str | None = None,
    *,
    data: Any = NO_VALUE,
    name: str = "Failed",
    details: Mapping[str, Any] | None = None,
) -> State:
    """A run that ended with an exception (`data`), or was declared failed by its author."""
    return State(_T.FAILED, name, message, data, dict(details or {}))


def TimedOut(message: str | None = None, *, data: Any = NO_VALUE) -> State:
    """A run that failed because it ran longer than its timeout."""
    return Failed(message, data=data, name="TimedOut")


def Crashed(
    message: str | None = None, *, data: Any = NO_VALUE, details: Mapping[str, Any] | None = None
) -> State:
    """A run that ended because its process or machine went away."""
    return State(_T.CRASHED, "Crashed", message, data, dict(details or {}))


def Cancelled(
    message: str | None = None, *, data: Any = NO_VALUE, details: Mapping[str, Any] | None = None
) -> State:
    """A run that was cancelled."""
    return State(_T.CANCELLED, "Cancelled", message, data, dict(details or {}))


def Cancelling(message: str | None = None) -> State:
    """A run that was asked to stop and has not ended yet."""
    return State(_T.CANCELLING, "Cancelling", message)


def Paused(
    message: str | None = None,
    *,
    timeout_s: float | None = None,
    reschedule: bool = False,
    pause_key: str | None = None,
    name: str = "Paused",
) -> State:
    """A run that waits to be resumed, for at most `timeout_s`; with `reschedule` its process ends
    meanwhile.
    """
    details: dict[str, Any] = {}
    if timeout_s is not None:
        details["pause_timeout"] = clock.now() + timedelta(seconds=timeout_s)
    if reschedule:
        details["pause_reschedule"] = True
    if pause_key is not None:
        details["pause_key"] = pause_key
    return State(_T.PAUSED, name, message, details=details)


def Suspended(
    message: str | None = None, *, timeout_s: float | None = None, pause_key: str | None = None
) -> State:
    """A paused run whose process has ended; resuming starts a new process."""
    return Paused(message, timeout_s=timeout_s, reschedule=True, pause_key=pause_key, name="Suspended")


def NotReady(message: str | None = None) -> State:
    """A task run that waits because its flow is paused or a call before it did not complete."""
    return State(_T.PAUSED, "NotReady", message)
