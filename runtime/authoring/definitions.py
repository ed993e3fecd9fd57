"""The definitions that `@flow` and `@task` make of functions. `Flow` and `Task` add calling and deploying.

Code that runs, deploys or finds flows and tasks only knows their definitions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, Unpack, cast

from ..foundation.errors import UserError
from ..values.docstrings import own_docstring
from .options import (
    DEFAULTS,
    FlowOptions,
    Hook,
    TaskOptions,
    TaskRunner,
    checked_pack,
    checked_timeout,
    refuse_reserved,
    refuse_unknown,
)
from .retry import RetryPolicy

if TYPE_CHECKING:
    from ..states import State
    from ..values.caching import CachePolicy

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D", bound="Definition[..., Any]")

_FORBIDDEN_IN_NAMES = "/%&><"  # as in the standard


@dataclass(frozen=True, slots=True)
class FlowSource:
    """How a flow's code is fetched where it runs, and where the flow is in it."""

    entrypoint: str
    pull_steps: Sequence[Mapping[str, Any]]


class Definition(Generic[P, R_co]):
    """A function with options. `fn` is the plain function, untouched.

    The attributes and their order count in the cache keys of tasks that use flows and tasks: both stay.
    """

    noun: ClassVar[str]
    options_type: ClassVar[type]
    options_of_calls: ClassVar[tuple[str, ...]]

    version: str | None
    tags: tuple[str, ...]
    timeout_seconds: float | None
    is_async: bool

    def __init__(self, fn: Callable[P, R_co], **options: Any) -> None:
        self._given = fn  # with the staticmethod or classmethod around it
        self.fn: Callable[P, R_co] = _unwrapped(fn)
        functools.update_wrapper(cast("Any", self), self.fn)
        self._options = options
        self.name: str = self._named(options.get("name"))
        self.description: str | None = options.get("description") or own_docstring(self.fn)

    def _named(self, given: str | None) -> str:
        raise NotImplementedError

    def _option(self, name: str) -> Any:
        value = self._options.get(name)
        return DEFAULTS.get(name) if value is None else value

    def _tags(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._option("tags"))))

    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.fn) or inspect.isasyncgenfunction(self.fn)

    def _again(self, **options: Any) -> Self:
        return type(self)(self._given, **{**self._options, **options})

    def _replaced(self, options: Mapping[str, Any]) -> Self:
        refuse_unknown(f"a {self.noun}", options, self.options_type)
        return self._again(**options)

    def _bound(self, instance: object | None, owner: type | None) -> Any:
        """The definition of a method, bound to the instance, or to the class of a classmethod."""
        kind = type(self._given)
        subject = (owner or type(instance)) if kind is classmethod else instance
        if subject is None or kind is staticmethod or isinstance(self.fn, MethodType):
            return self
        return type(self)(MethodType(cast("Any", self.fn), subject), **{**self._options, "name": self.name})

    def hooks(self, option: str) -> tuple[Hook, ...]:
        """The author's hooks under `option`, such as "on_failure"."""
        return tuple(self._options.get(option) or ())

    @property
    def persists_result(self) -> bool | None:
        """Whether results go to storage; None (not given): larger results do, if the settings say so."""
        return self._options.get("persist_result")

    @property
    def result_storage_url(self) -> str:
        from ..foundation.settings import current_settings

        return str(self._options.get("result_storage") or current_settings().result_storage_url)

    @property
    def result_serializer(self) -> str:
        return self._option("result_serializer")

    def __repr__(self) -> str:
        return f"{self.noun.title()}({self.name!r})"


class FlowDefinition(Definition[P, R_co]):
    """The definition that `@flow` makes; the options are those of `FlowOptions`."""

    noun = "flow"
    options_type = FlowOptions
    options_of_calls = ("return_state",)

    def __init__(self, fn: Callable[P, R_co], **options: Any) -> None:
        super().__init__(fn, **options)
        self.version = options.get("version")
        self.tags = self._tags()
        self.timeout_seconds = checked_timeout(options.get("timeout_seconds"), self.name)
        self.task_runner: TaskRunner | str | None = options.get("task_runner")
        self.validate_parameters: bool = self._option("validate_parameters") is not False
        self.log_prints: bool | None = options.get("log_prints")
        self.flow_run_name: str | Callable[..., str] | None = options.get("flow_run_name")
        self.next_run_name: str | None = options.get("_run_name")
        self.source: FlowSource | None = options.get("_source")  # where its code is, if not here
        self.retry = RetryPolicy(options.get("retries") or 0, self._option("retry_delay_seconds"))
        self.on_running: tuple[Hook, ...] = self.hooks("on_running")
        self.is_generator: bool = inspect.isgeneratorfunction(self.fn) or inspect.isasyncgenfunction(self.fn)
        self.is_async = self._is_async()

    def _named(self, given: str | None) -> str:
        name = given or getattr(self.fn, "__name__", "flow").replace("_", "-").strip("<>")
        if any(character in _FORBIDDEN_IN_NAMES for character in name):
            raise UserError(
                f"flow name {name!r} holds one of {_FORBIDDEN_IN_NAMES}", hint="Choose another name."
            )
        return name

    def with_options(self, **options: Unpack[FlowOptions]) -> Self:
        """A copy of the flow with some options replaced."""
        return self._replaced(options)

    def named(self, run_name: str) -> Self:
        """A copy of the flow whose next run has that name."""
        return self._again(_run_name=run_name)

    def sourced(self, source: FlowSource) -> Self:
        """A copy of the flow whose deployments fetch its code from `source`."""
        return self._again(_source=source)

    def parameter_schema(self) -> Mapping[str, Any]:
        """JSON schema of the parameters."""
        from ..values.parameters import json_schema

        return cast("Mapping[str, Any]", json_schema(self.fn))

    def hooks_for(self, final: State) -> tuple[Hook, ...]:
        """The author's hooks for a run that ended in the state `final`."""
        names = {
            "COMPLETED": "on_completion",
            "FAILED": "on_failure",
            "CANCELLED": "on_cancellation",
            "CRASHED": "on_crashed",
        }
        option = names.get(final.type.value)
        return self.hooks(option) if option else ()

    def policy_fields(self) -> dict[str, Any]:
        """The standard's FlowRunPolicy of this flow."""
        if not self.retry.retries:
            return {}
        delay = self.retry.delay
        return {
            "retries": self.retry.retries,
            "retry_delay": delay if isinstance(delay, (int, float)) else None,
        }


class TaskDefinition(Definition[P, R_co]):
    """The definition that `@task` makes; the options are those of `TaskOptions`."""

    noun = "task"
    options_type = TaskOptions
    options_of_calls = ("wait_for", "return_state")

    def __init__(self, fn: Callable[P, R_co], **options: Any) -> None:
        super().__init__(fn, **options)
        self.tags = self._tags()
        self.version = options.get("version")
        self.timeout_seconds = checked_timeout(options.get("timeout_seconds"), self.name)
        self.task_run_name: str | Callable[..., str] | None = options.get("task_run_name")
        self.cache_policy: CachePolicy | None = self._cache_policy()
        self.cache_expiration_s: float | None = _seconds(options.get("cache_expiration"))
        self.refresh_cache: bool = bool(self._option("refresh_cache"))
        self.num_cpus: float = float(self._option("num_cpus"))
        self.num_gpus: float = float(self._option("num_gpus"))
        self.memory_bytes: int | None = options.get("memory_bytes")
        self.resources: dict[str, float] = dict(self._option("resources"))
        self.runtime_env: Mapping[str, Any] | None = options.get("runtime_env")
        self.pack: bool | int = checked_pack(self._option("pack"), self.name)
        self.retry: RetryPolicy | None = self._given_retry()
        self.is_async = self._is_async()

    def _named(self, given: str | None) -> str:
        name = given or getattr(self.fn, "__name__", type(self.fn).__name__)
        return "lambda" if name == "<lambda>" else name

    def with_options(self, **options: Unpack[TaskOptions]) -> Self:
        """A copy of the task with some options replaced."""
        return self._replaced(options)

    @property
    def log_prints(self) -> bool | None:
        """Whether prints are recorded; None (not given): the settings decide."""
        return self._options.get("log_prints")

    @property
    def task_key(self) -> str:
        """What identifies the task within a run: its name and where its function is defined."""
        origin = f"{getattr(self.fn, '__qualname__', '')}\0{self.name}"
        return f"{self.name}-{blake2b(origin.encode(), digest_size=4).hexdigest()}"

    @property
    def identity(self) -> tuple[Any, ...]:
        """A value that is equal for tasks of one function (and instance) with identical options."""
        fn = cast("Any", self.fn)
        function = (id(fn.__func__), id(fn.__self__)) if isinstance(fn, MethodType) else (id(fn), 0)
        return (*function, *((name, id(value)) for name, value in sorted(self._options.items())))

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

    def _given_retry(self) -> RetryPolicy | None:
        given = self._options.get
        if given("retries") is None:
            return None
        return RetryPolicy(
            given("retries") or 0,
            self._option("retry_delay_seconds"),
            given("retry_jitter_factor"),
            given("retry_condition_fn"),
        )

    def _cache_policy(self) -> CachePolicy | None:
        policy, key_fn = self._options.get("cache_policy"), self._options.get("cache_key_fn")
        if policy is None and key_fn is None:
            return None
        from ..values.caching import NO_CACHE, CacheKeyFn

        if key_fn is not None:
            return CacheKeyFn(key_fn)
        return None if policy is NO_CACHE else policy


def defined(kind: type[D], options: dict[str, Any], fn: Any) -> D:
    """The Flow or Task for `fn`. Raises UserError when it is not a plain function."""
    noun = kind.noun
    if not callable(fn) and not isinstance(fn, (staticmethod, classmethod)):
        raise UserError(
            f"@{noun} needs a function, not {fn!r}", hint=f"Options are given by name: @{noun}(name='x')."
        )
    inner = _unwrapped(fn)
    if isinstance(inner, Definition):
        raise _runs_by_itself(kind, cast("Definition[..., Any]", inner))
    refuse_reserved(f"the {noun}", inner, kind.options_of_calls)
    return kind(cast("Any", fn), **options)


def _runs_by_itself(kind: type[Definition[..., Any]], found: Definition[..., Any]) -> UserError:
    if found.noun == kind.noun:
        return UserError(
            f"{found.name!r} is a {found.noun} already.", hint="Change its options with .with_options(...)."
        )
    if isinstance(found, TaskDefinition):
        return UserError(
            f"{found.name!r} is a task, which a flow would run without its retries, time limit and record.",
            hint="Write a flow whose body calls the task.",
        )
    return UserError(
        f"{found.name!r} is a flow, which a task would run without its retries, time limit and run.",
        hint="Call the flow as it is, as a sub-flow, or write a task whose body calls it.",
    )


def _unwrapped(fn: Any) -> Any:
    return fn.__func__ if type(fn) in (staticmethod, classmethod) else fn


def _seconds(span: timedelta | float | None) -> float | None:
    return span.total_seconds() if isinstance(span, timedelta) else span
