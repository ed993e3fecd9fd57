"""`@task`: a function whose calls are recorded, retried, cached and, with `submit` and `map`, spread over a
cluster.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from .authoring.definitions import TaskDefinition, defined
from .authoring.futures import TaskFuture, TaskFutureList
from .authoring.options import TaskOptions, refuse_unknown, tells
from .foundation.errors import NotInAFlow
from .values.tracebacks import drop_our_frames, show_errors_our_way

if TYPE_CHECKING:
    from .engine.session import FlowSession
    from .states import State

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Task(TaskDefinition[P, R_co]):
    """A function with options. Make one with `@task`; its call runs it here, `submit` and `map` run it
    elsewhere.

    The options are those of `TaskOptions`. `fn` is the plain function, untouched.
    """

    @overload
    def __call__(self: Task[P, Generator[T, Any, Any]], *args: P.args, **kwargs: P.kwargs) -> list[T]: ...
    @overload
    def __call__(
        self: Task[P, AsyncGenerator[T, Any]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self: Task[P, Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] | None = ...,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State]: ...
    @overload
    def __call__(
        self, *args: Any, return_state: Literal[True], wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> State: ...
    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R_co: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and return its value, with everything recorded.

        Outside of a flow it runs with its retries and timeout, unrecorded. `return_state=True` gives the
        State instead of value or exception.
        """
        from .engine.task_call import call_task, call_task_async

        return_state = bool(kwargs.pop("return_state", False))
        wait_for = _waits(kwargs.pop("wait_for", None))
        call = call_task_async if self.is_async else call_task
        try:
            return call(self, args, kwargs, wait_for, return_state)
        except BaseException as error:
            raise drop_our_frames(error)  # noqa: B904  (it is the same exception)

    @overload
    def submit(  # pyright: ignore[reportOverlappingOverload]  (the last one's kwargs take anything)
        self, *args: Any, return_state: Literal[True], wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> State: ...
    @overload
    def submit(
        self: Task[P, Coroutine[Any, Any, T]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFuture[T]: ...
    @overload
    def submit(
        self: Task[P, Generator[T, Any, Any]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFuture[list[T]]: ...
    @overload
    def submit(
        self: Task[P, AsyncGenerator[T, Any]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFuture[list[T]]: ...
    @overload
    def submit(self, *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any) -> TaskFuture[R_co]: ...
    def submit(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> Any:
        """Run the task on the flow's runner and return a future at once.

        Arguments may be futures (or hold some): the call starts when they have ended, and does not when one
        failed. `wait_for` names further calls that must complete first. `return_state=True` waits and gives
        the State.
        """
        return_state = kwargs.pop("return_state", False)
        session = self._session("submit")
        self._check_arguments(args, kwargs)
        future = session.submit(self, args, kwargs, _waits(wait_for))
        return future.wait() if return_state else future

    @overload
    def map(  # pyright: ignore[reportOverlappingOverload]  (the last one's kwargs take anything)
        self, *args: Any, return_state: Literal[True], wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> list[State]: ...
    @overload
    def map(
        self: Task[P, Coroutine[Any, Any, T]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFutureList[T]: ...
    @overload
    def map(
        self: Task[P, Generator[T, Any, Any]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFutureList[list[T]]: ...
    @overload
    def map(
        self: Task[P, AsyncGenerator[T, Any]], *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFutureList[list[T]]: ...
    @overload
    def map(
        self, *args: Any, wait_for: Iterable[Any] | None = ..., **kwargs: Any
    ) -> TaskFutureList[R_co]: ...
    def map(self, *args: Any, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> Any:
        """Submit one call for each entry of the given lists, iterators or future lists.

        Text, dicts, plain values and `unmapped(...)` go to every call whole. Short calls ride together in one
        remote call. Iterators are read as calls are sent, so a million entries need no million places.
        """
        return_state = kwargs.pop("return_state", False)
        session = self._session("map")
        self._check_arguments(args, kwargs)
        futures = session.map(self, args, kwargs, _waits(wait_for))
        return list(futures.wait()) if return_state else futures

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R_co]: ...
    @overload
    def __get__(
        self: Task[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> Task[Q, R_co]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Task[..., R_co]:
        """As a method: a task whose first argument is the instance, or the class of a classmethod."""
        return self._bound(instance, owner)

    def _session(self, verb: str) -> FlowSession:
        from .engine.session import flow_session

        session = flow_session.get()
        if session is None:
            show_errors_our_way()
            raise NotInAFlow(
                f"{self.name}.{verb}() was called where no flow is running",
                hint=f"Call it inside a function decorated with @flow, or call {self.name}(...) directly.",
            )
        return session

    def _check_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from .values.parameters import bind

        bind(self.fn, args, kwargs)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
@tells(TaskOptions)
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function, a coroutine function or a method."""
    refuse_unknown("a task", options, TaskOptions)
    make: Any = functools.partial(defined, Task, options)
    return make if fn is None else make(fn)


def _waits(wait_for: Any) -> tuple[Any, ...]:
    if wait_for is None:
        return ()
    from .engine.nested_futures import checked_waits

    return checked_waits(wait_for)
