"""`@task`: a function whose calls are recorded, retried, cached and, with `submit` and `map`, spread over a
cluster.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from datetime import timedelta
from hashlib import blake2b
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

from .authoring.futures import TaskFuture, TaskFutureList
from .authoring.options import Hook, as_hooks, checked_timeout, refuse_reserved, refuse_unknown
from .authoring.retry import RetryPolicy
from .foundation.errors import NotInAFlow, UserError
from .values.docstrings import own_docstring
from .values.tracebacks import drop_our_frames, show_errors_our_way

if TYPE_CHECKING:
    from .engine.code import TaskCode
    from .engine.session import FlowSession
    from .states import State
    from .values.caching import CachePolicy

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_OPTIONS = (
    "name",
    "description",
    "tags",
    "version",
    "retries",
    "retry_delay_seconds",
    "retry_jitter_factor",
    "retry_condition_fn",
    "timeout_seconds",
    "cache_policy",
    "cache_key_fn",
    "cache_expiration",
    "refresh_cache",
    "persist_result",
    "result_storage",
    "result_serializer",
    "log_prints",
    "task_run_name",
    "on_running",
    "on_completion",
    "on_failure",
    "num_cpus",
    "num_gpus",
    "memory_bytes",
    "resources",
    "runtime_env",
    "pack",
)


class Task(Generic[P, R_co]):
    """A function with options. Make one with `@task`; its call runs it here, `submit` and `map` run it
    elsewhere.

    The options are those of `task`. `fn` is the plain function, untouched.
    """

    def __init__(self, fn: Callable[P, R_co], **options: Any) -> None:
        self._given = fn  # with the staticmethod or classmethod around it
        self.fn: Callable[P, R_co] = _unwrapped(fn)
        functools.update_wrapper(cast("Any", self), self.fn)
        self._options = options
        given = options.get
        name = given("name") or getattr(self.fn, "__name__", type(self.fn).__name__)
        self.name: str = _checked_name(name)
        self.description: str | None = given("description") or own_docstring(self.fn)
        self.tags: tuple[str, ...] = tuple(sorted(set(given("tags") or ())))
        self.version: str | None = given("version")
        self.timeout_seconds: float | None = checked_timeout(given("timeout_seconds"), self.name)
        self.task_run_name: str | Callable[..., str] | None = given("task_run_name")
        self.cache_policy: CachePolicy | None = _cache_policy(given("cache_policy"), given("cache_key_fn"))
        self.cache_expiration_s: float | None = _seconds(given("cache_expiration"))
        self.refresh_cache: bool = bool(given("refresh_cache"))
        self.num_cpus: float = 1.0 if given("num_cpus") is None else float(options["num_cpus"])
        self.num_gpus: float = float(given("num_gpus") or 0.0)
        self.memory_bytes: int | None = given("memory_bytes")
        self.resources: dict[str, float] = dict(given("resources") or {})
        self.runtime_env: Mapping[str, Any] | None = given("runtime_env")
        self.pack: bool | int = _checked_pack(given("pack"), self.name)
        self.retry: RetryPolicy | None = self._given_retry()
        self.is_async: bool = inspect.iscoroutinefunction(self.fn) or inspect.isasyncgenfunction(self.fn)

    @property
    def task_key(self) -> str:
        """What identifies the task within a run: its name and where its function is defined."""
        origin = f"{getattr(self.fn, '__qualname__', '')}\0{self.name}"
        return f"{self.name}-{blake2b(origin.encode(), digest_size=4).hexdigest()}"

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
            return call(cast("Any", self), args, kwargs, wait_for, return_state)
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
        future = session.submit(cast("Any", self), args, kwargs, _waits(wait_for))
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
        futures = session.map(cast("Any", self), args, kwargs, _waits(wait_for))
        return list(futures.wait()) if return_state else futures

    def with_options(self, **options: Any) -> Task[P, R_co]:
        """The same task with some options replaced."""
        refuse_unknown("a task", options, _OPTIONS)
        return type(self)(self._given, **{**self._options, **options})

    def code(self) -> TaskCode:
        """What a worker needs of this task; what was not said comes from the settings."""
        from .engine.code import TaskCode
        from .foundation.settings import current_settings

        settings = current_settings()
        given = self._options.get
        persist, prints = given("persist_result"), given("log_prints")
        retry = self.retry or RetryPolicy(settings.default_retries, settings.default_retry_delay_s)
        return TaskCode(
            self.fn,
            self.name,
            retry,
            self.timeout_seconds,
            settings.log_prints if prints is None else prints,
            bool(persist),
            str(given("result_storage") or settings.result_storage_url),
            given("result_serializer") or "pickle",
            settings.inline_result_limit_bytes,
            settings.crash_retries,
            self.task_run_name,
            as_hooks(given("on_running")),
            as_hooks(given("on_completion")),
            as_hooks(given("on_failure")),
            self.is_async,
            # What shall answer from the cache must outlive this process.
            persist is None and (settings.persist_results or self.cache_policy is not None),
        )

    def policy_fields(self) -> dict[str, Any]:
        """The standard's TaskRunPolicy of this task."""
        if self.retry is None:
            return {}
        delay = None if callable(self.retry.delay) else self.retry.delay
        listed = delay if delay is None or isinstance(delay, (int, float)) else list(delay)
        return {
            "retries": self.retry.retries,
            "retry_delay": listed,
            "retry_jitter_factor": self.retry.jitter_factor,
        }

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R_co]: ...
    @overload
    def __get__(
        self: Task[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> Task[Q, R_co]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Task[..., R_co]:
        """As a method: a task whose first argument is the instance, or the class of a classmethod."""
        kind = type(self._given)
        subject = (owner or type(instance)) if kind is classmethod else instance
        if subject is None or kind is staticmethod or isinstance(self.fn, MethodType):
            return self
        return Task(MethodType(cast("Any", self.fn), subject), **{**self._options, "name": self.name})

    @property
    def identity(self) -> tuple[Any, ...]:
        """The same for tasks made of the same function (and instance) and the very same options."""
        fn = cast("Any", self.fn)
        function = (id(fn.__func__), id(fn.__self__)) if isinstance(fn, MethodType) else (id(fn), 0)
        return (*function, *((name, id(value)) for name, value in sorted(self._options.items())))

    def __repr__(self) -> str:
        return f"Task({self.name!r})"

    def _given_retry(self) -> RetryPolicy | None:
        given = self._options.get
        if given("retries") is None:
            return None
        return RetryPolicy(
            given("retries") or 0,
            given("retry_delay_seconds") or 0.0,
            given("retry_jitter_factor"),
            given("retry_condition_fn"),
        )

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
def task(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    retries: int | None = None,
    retry_delay_seconds: float | list[float] | Callable[[int], float] | None = None,
    retry_jitter_factor: float | None = None,
    retry_condition_fn: Callable[[BaseException], bool] | None = None,
    timeout_seconds: float | None = None,
    cache_policy: CachePolicy | None = None,
    cache_key_fn: Callable[..., str | None] | None = None,
    cache_expiration: timedelta | float | None = None,
    refresh_cache: bool = False,
    persist_result: bool | None = None,
    result_storage: str | None = None,
    result_serializer: str | None = None,
    log_prints: bool | None = None,
    task_run_name: str | Callable[..., str] | None = None,
    on_running: Iterable[Hook] | None = None,
    on_completion: Iterable[Hook] | None = None,
    on_failure: Iterable[Hook] | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    memory_bytes: int | None = None,
    resources: Mapping[str, float] | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    pack: bool | int = True,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function, a coroutine function or a method.

    retries, retry_delay_seconds: more attempts after a failure, and the pause before each: seconds, a list
        (the last repeats) or a function of the attempt; retry_jitter_factor spreads it,
        retry_condition_fn(error) may refuse.
    timeout_seconds: an attempt that lasts longer is interrupted and fails as TimedOut.
    cache_policy (or cache_key_fn(context, inputs)), cache_expiration, refresh_cache: answer from an earlier
        result.
    persist_result, result_storage, result_serializer: keep every result (False: none) outside the database:
        a folder or fsspec URL. Unsaid, small ones stay in it, larger ones are stored if a cache needs them.
    log_prints: record what the task prints (default: the setting, which is on).
    task_run_name: a template over the parameters such as "clean {path}", or a function.
    on_running, on_completion, on_failure: functions called as hook(fn, task_run, state) where the task runs.
    num_cpus (default 1), num_gpus, memory_bytes, resources, runtime_env: what each call asks of Ray.
    pack: let short calls ride together (True), never (False), or always that many. Calls that wait for each
        other are safe: what stands behind a call that takes long is given back and sent elsewhere.
    """
    refuse_unknown("a task", options, _OPTIONS)
    return functools.partial(_make, options) if fn is None else _make(options, fn)


def _make(options: dict[str, Any], fn: Any) -> Task[..., Any]:
    if not callable(fn) and not isinstance(fn, (staticmethod, classmethod)):
        raise UserError(
            f"@task needs a function, not {fn!r}", hint="Options are given by name: @task(name='x')."
        )
    _refuse_what_runs_by_itself(_unwrapped(fn))
    refuse_reserved("the task", fn, ("wait_for", "return_state"))
    return Task(cast("Any", fn), **options)


def _refuse_what_runs_by_itself(fn: Any) -> None:
    from .flows import Flow

    if isinstance(fn, Task):
        made = cast("Task[..., Any]", fn)
        raise UserError(
            f"{made.name!r} is a task already.", hint="Change its options with .with_options(...)."
        )
    if isinstance(fn, Flow):
        flow = cast("Flow[..., Any]", fn)
        raise UserError(
            f"{flow.name!r} is a flow, which a task would run without its retries, time limit and run.",
            hint="Call the flow as it is, as a sub-flow, or write a task whose body calls it.",
        )


def _unwrapped(fn: Any) -> Any:
    return fn.__func__ if type(fn) in (staticmethod, classmethod) else fn


def _checked_name(name: str) -> str:
    return "lambda" if name == "<lambda>" else name


def _checked_pack(pack: Any, name: str) -> bool | int:
    if pack is None:
        return True
    if isinstance(pack, bool) or (isinstance(pack, int) and pack >= 1):
        return pack
    raise UserError(f"pack of {name!r} must be True, False or a number of calls, not {pack!r}")


def _cache_policy(policy: CachePolicy | None, key_fn: Callable[..., str | None] | None) -> CachePolicy | None:
    if policy is None and key_fn is None:
        return None
    from .values.caching import NO_CACHE, CacheKeyFn

    if key_fn is not None:
        return CacheKeyFn(key_fn)
    return None if policy is NO_CACHE else policy


def _seconds(span: timedelta | float | None) -> float | None:
    return span.total_seconds() if isinstance(span, timedelta) else span


def _waits(wait_for: Any) -> tuple[Any, ...]:
    if wait_for is None:
        return ()
    from .engine.nested_futures import checked_waits

    return checked_waits(wait_for)
