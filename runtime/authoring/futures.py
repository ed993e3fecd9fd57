"""What submitting a task returns: futures, lists of them, and ways to wait.

A future is a light view on its fan-out. A list makes its futures only when they are read, so a million calls
cost little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar, cast, overload
from uuid import UUID

from ..foundation import clock
from ..foundation.errors import HiddenFuture

if TYPE_CHECKING:
    from ..states import State

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
Wrapped = TypeVar("Wrapped")


class Waiting(Protocol):
    """Lets a thread wait until calls have got somewhere."""

    def wait_until(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Block until `done()`; False when the time was over first."""
        ...

    def wake(self) -> None:
        """Let those who wait look again."""
        ...


class SubmittedCalls(Protocol):
    """What futures ask of the calls that they stand for: those of one `submit` or `map`, by position."""

    @property
    def size(self) -> int: ...
    @property
    def task_name(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def open_count(self) -> int: ...
    @property
    def dispatcher(self) -> Waiting: ...
    def task_run_id(self, position: int) -> UUID: ...
    def name_of(self, position: int) -> str: ...
    def state_of(self, position: int) -> State: ...
    def state_name_of(self, position: int) -> str: ...
    def status_of(self, position: int) -> int: ...
    def told_downstream(self, position: int) -> str: ...
    def is_settled(self, position: int) -> bool: ...
    def value_of(self, position: int, raise_on_failure: bool = True) -> Any: ...
    def counts(self) -> dict[str, int]: ...
    def wait(self, position: int, timeout_s: float | None = None) -> bool: ...
    def wait_all(self, timeout_s: float | None = None) -> bool: ...
    def wait_for_any(
        self, calls: Iterable[tuple[SubmittedCalls, int]], timeout_s: float | None = None
    ) -> bool: ...
    def cancel(self, position: int) -> bool: ...


class TaskFuture(Generic[R_co]):
    """The pending or settled call of a task. Await it in async code, or call `result()`."""

    __slots__ = ("_position", "fanout")

    def __init__(self, fanout: SubmittedCalls, position: int) -> None:
        self.fanout = fanout
        self._position = position

    @property
    def position(self) -> int:
        """The place of the call in its fan-out."""
        return self._position

    @property
    def task_run_id(self) -> UUID:
        return self.fanout.task_run_id(self._position)

    @property
    def state(self) -> State:
        """The call's state as this process knows it now."""
        return self.fanout.state_of(self._position)

    def done(self) -> bool:
        """Whether the call has ended, one way or another."""
        return self.fanout.is_settled(self._position)

    def wait(self, timeout_s: float | None = None) -> State:
        """Block until the call has ended or the time is over; returns its state at that time."""
        self.fanout.wait(self._position, timeout_s)
        return self.state

    @overload
    def result(self, raise_on_failure: Literal[True] = ..., timeout_s: float | None = ...) -> R_co: ...
    @overload
    def result(self, raise_on_failure: bool, timeout_s: float | None = ...) -> R_co | BaseException: ...
    def result(self, raise_on_failure: bool = True, timeout_s: float | None = None) -> R_co | BaseException:
        """Wait for the call and return its value.

        Raises the task's own exception (or TaskCrashed, TaskTimedOut, UpstreamFailed, RunCancelled) when the
        call did not complete; with `raise_on_failure=False` returns that exception. Raises TimeoutError when
        `timeout_s` passes first.
        """
        if not self.fanout.wait(self._position, timeout_s):
            raise TimeoutError(f"{self!r} did not end within {timeout_s:g} s")
        return self.fanout.value_of(self._position, raise_on_failure)

    def cancel(self) -> bool:
        """Ask that the call is not started, or is stopped if it runs; False when it has ended already."""
        return self.fanout.cancel(self._position)

    def __await__(self) -> Generator[Any, Any, R_co]:
        if not self.done():
            yield from _ended(self.fanout, self.done).__await__()
        return self.result()

    def __repr__(self) -> str:
        fanout, position = self.fanout, self._position
        return f"TaskFuture({fanout.name_of(position)!r}, {fanout.state_name_of(position)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskFuture):
            return NotImplemented
        same = cast("TaskFuture[Any]", other)
        return same.fanout is self.fanout and same.position == self._position

    def __hash__(self) -> int:
        return hash((id(self.fanout), self._position))

    def __copy__(self) -> TaskFuture[R_co]:
        return self

    def __deepcopy__(self, _memo: Any) -> TaskFuture[R_co]:
        return self

    def __reduce__(self) -> Any:
        raise _hidden(self)


class TaskFutureList(Sequence[TaskFuture[R_co]]):
    """The calls of one `map`, in order. Iterating makes the futures one by one."""

    __slots__ = ("fanout",)

    def __init__(self, fanout: SubmittedCalls) -> None:
        self.fanout = fanout

    def __len__(self) -> int:
        return self.fanout.size

    @overload
    def __getitem__(self, index: int) -> TaskFuture[R_co]: ...
    @overload
    def __getitem__(self, index: slice) -> list[TaskFuture[R_co]]: ...
    def __getitem__(self, index: int | slice) -> TaskFuture[R_co] | list[TaskFuture[R_co]]:
        if isinstance(index, slice):
            return [TaskFuture(self.fanout, i) for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"no call {index} among {len(self)}")
        return TaskFuture(self.fanout, index)

    def __iter__(self) -> Iterator[TaskFuture[R_co]]:
        for position in range(self.fanout.size):
            yield TaskFuture(self.fanout, position)

    def wait(self, timeout_s: float | None = None) -> Sequence[State]:
        """Block until all calls have ended or the time is over; returns their states, made when they are
        read.
        """
        self.fanout.wait_all(timeout_s)
        return _StatesOfCalls(self.fanout)

    @overload
    def result(self, raise_on_failure: Literal[True] = ..., timeout_s: float | None = ...) -> list[R_co]: ...
    @overload
    def result(self, raise_on_failure: bool, timeout_s: float | None = ...) -> list[R_co | BaseException]: ...
    def result(
        self, raise_on_failure: bool = True, timeout_s: float | None = None
    ) -> list[R_co] | list[R_co | BaseException]:
        """All values in order; the first failure in order is raised unless `raise_on_failure` is False."""
        if not self.fanout.wait_all(timeout_s):
            raise TimeoutError(f"{self!r} did not end within {timeout_s:g} s")
        value_of = self.fanout.value_of
        return [value_of(position, raise_on_failure) for position in range(self.fanout.size)]

    def counts(self) -> dict[str, int]:
        """How many calls are in which state, by state name."""
        return self.fanout.counts()

    def __await__(self) -> Generator[Any, Any, list[R_co]]:
        fanout = self.fanout
        yield from _ended(fanout, lambda: fanout.closed and not fanout.open_count).__await__()
        return self.result()

    def __aiter__(self) -> AsyncGenerator[R_co]:
        return self._values()

    async def _values(self) -> AsyncGenerator[R_co]:
        for future in self:
            yield await future

    def __copy__(self) -> TaskFutureList[R_co]:
        return self

    def __deepcopy__(self, _memo: Any) -> TaskFutureList[R_co]:
        return self

    def __reduce__(self) -> Any:
        raise _hidden(self)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"TaskFutureList({self.fanout.task_name!r}, {len(self)} calls: {counts or 'none'})"


def _hidden(future: TaskFuture[Any] | TaskFutureList[Any]) -> HiddenFuture:
    return HiddenFuture(
        f"{future!r} is inside an object that is not searched for futures",
        hint="Pass the future itself, or in a list, tuple, set, dict, dataclass or model; or take its value "
        "with .result() first.",
    )


class _StatesOfCalls(Sequence["State"]):
    """The states of a fan-out's calls, made when they are read: a list of a million would take more memory
    than the calls.
    """

    def __init__(self, fanout: SubmittedCalls) -> None:
        self._fanout = fanout

    def __len__(self) -> int:
        return self._fanout.size

    @overload
    def __getitem__(self, index: int) -> State: ...
    @overload
    def __getitem__(self, index: slice) -> list[State]: ...
    def __getitem__(self, index: int | slice) -> State | list[State]:
        positions = range(len(self))[index]
        if isinstance(positions, int):
            return self._fanout.state_of(positions)
        return [self._fanout.state_of(position) for position in positions]

    def __repr__(self) -> str:
        return repr(list(self))


async def _ended(fanout: SubmittedCalls, done: Callable[[], bool]) -> None:
    """Wait on a thread, which also stops waiting when the awaiting task is cancelled."""
    given_up = False
    try:
        await asyncio.to_thread(fanout.dispatcher.wait_until, lambda: given_up or done(), None)
    except asyncio.CancelledError:
        given_up = True
        fanout.dispatcher.wake()
        raise


class Unmapped(NamedTuple):
    """An argument that every call of a `map` gets as a whole. Made by `unmapped`."""

    value: Any


class AllowFailure(NamedTuple):
    """An upstream call whose failure does not stop this one. Made by `allow_failure`."""

    value: Any


def unmapped(value: Wrapped) -> Wrapped:
    """Pass `value` to every call of a `map` as a whole, instead of one item to each."""
    return cast("Wrapped", Unmapped(value))


def allow_failure(value: Wrapped) -> Wrapped:
    """Let a call run even if this upstream call fails; it then gets the exception instead of a value."""
    return cast("Wrapped", AllowFailure(value))


class DoneAndNotDone(NamedTuple, Generic[R]):
    """What `wait` returns."""

    done: set[TaskFuture[R]]
    not_done: set[TaskFuture[R]]


def wait(futures: Iterable[TaskFuture[R]], timeout_s: float | None = None) -> DoneAndNotDone[R]:
    """Block until all the calls have ended or the time is over."""
    waited = list(futures)
    until = None if timeout_s is None else clock.monotonic_s() + timeout_s
    for future in waited:
        future.fanout.wait(future.position, None if until is None else max(0.0, until - clock.monotonic_s()))
    done = {future for future in waited if future.done()}
    return DoneAndNotDone(done, set(waited) - done)


def as_completed(
    futures: Iterable[TaskFuture[R]], timeout_s: float | None = None
) -> Generator[TaskFuture[R]]:
    """Yield the calls in the order in which they end. Raises TimeoutError when the time is over before all
    have ended.
    """
    pending = list(futures)
    until = None if timeout_s is None else clock.monotonic_s() + timeout_s
    while pending:
        done = [future for future in pending if future.done()]
        if done:
            ended = set(done)
            pending = [future for future in pending if future not in ended]
            yield from done
            continue
        left = None if until is None else until - clock.monotonic_s()
        if left is not None and left <= 0:
            raise TimeoutError(f"{len(pending)} of the calls did not end within {timeout_s:g} s")
        pending[0].fanout.wait_for_any([(future.fanout, future.position) for future in pending], left)
