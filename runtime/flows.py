"""`@flow`: a function whose call is a run: recorded, retried, able to go on after its process died."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from .authoring.options import Hook, as_hooks, checked_timeout, refuse_reserved, refuse_unknown
from .authoring.retry import RetryPolicy
from .foundation.errors import UserError
from .values.docstrings import own_docstring
from .values.tracebacks import drop_our_frames, show_errors_our_way

if TYPE_CHECKING:
    from uuid import UUID

    from .deploying.options import DeploymentOptions
    from .deploying.sources import FlowSource
    from .deploying.spec import DeploymentSpec
    from .engine.flow.flow_run import Resumption
    from .engine.task_runners import TaskRunner
    from .states import State

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_OPTIONS = (
    "name",
    "description",
    "version",
    "tags",
    "retries",
    "retry_delay_seconds",
    "timeout_seconds",
    "task_runner",
    "validate_parameters",
    "persist_result",
    "result_storage",
    "result_serializer",
    "log_prints",
    "flow_run_name",
    "on_running",
    "on_completion",
    "on_failure",
    "on_cancellation",
    "on_crashed",
)
_FORBIDDEN_IN_NAMES = "/%&><"  # as the standard has it


class Flow(Generic[P, R_co]):
    """A function with options. Make one with `@flow`; calling it makes a flow run. `fn` is the plain
    function.
    """

    def __init__(self, fn: Callable[P, R_co], **options: Any) -> None:
        self._given = fn  # with the staticmethod or classmethod around it
        wrapped: Any = fn
        self.fn: Callable[P, R_co] = (
            wrapped.__func__ if type(wrapped) in (staticmethod, classmethod) else wrapped
        )
        functools.update_wrapper(cast("Any", self), self.fn)
        self._options = options
        given = options.get
        self.name: str = _checked_name(
            given("name") or getattr(self.fn, "__name__", "flow").replace("_", "-").strip("<>")
        )
        self.description: str | None = given("description") or own_docstring(self.fn)
        self.version: str | None = given("version")
        self.tags: tuple[str, ...] = tuple(sorted(set(given("tags") or ())))
        self.timeout_seconds: float | None = checked_timeout(given("timeout_seconds"), self.name)
        self.task_runner: TaskRunner | str | None = given("task_runner")
        self.validate_parameters: bool = given("validate_parameters") is not False
        self.log_prints: bool | None = given("log_prints")
        self.flow_run_name: str | Callable[..., str] | None = given("flow_run_name")
        self.next_run_name: str | None = given("_run_name")
        self.source: FlowSource | None = given("_source")  # where its code is fetched from, if not from here
        self.retry = RetryPolicy(given("retries") or 0, given("retry_delay_seconds") or 0.0)
        self.on_running: tuple[Hook, ...] = as_hooks(given("on_running"))
        self.is_generator: bool = inspect.isgeneratorfunction(self.fn) or inspect.isasyncgenfunction(self.fn)
        self.is_async: bool = inspect.iscoroutinefunction(self.fn) or inspect.isasyncgenfunction(self.fn)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self: Flow[P, Coroutine[Any, Any, T]], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> Coroutine[Any, Any, State]: ...
    @overload
    def __call__(
        self: Flow[P, AsyncGenerator[Any, Any]], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> Coroutine[Any, Any, State]: ...
    @overload
    def __call__(self, *args: Any, return_state: Literal[True], **kwargs: Any) -> State: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow here and return its value; raises ParameterMismatch before anything starts.

        A flow that is a generator hands its values out while its run lasts, which begins when the first is
        asked for. Closed early it has completed. It is tried again only before its first value.
        `return_state=True` gives the final State instead of value or exception.
        """
        from .values.parameters import bind

        show_errors_our_way()
        return_state = bool(kwargs.pop("return_state", False))
        return self.run(bind(self.fn, args, kwargs), return_state)

    def run(
        self, parameters: dict[str, Any], return_state: bool = False, resumption: Resumption | None = None
    ) -> Any:
        """Run with parameters by name; of an asynchronous flow, the coroutine that does.

        Of a generator the values, one by one; with `return_state` or as the run of a deployment their list.
        """
        if self.is_generator and not return_state:
            from .engine.flow.flow_stream import stream_of

            return stream_of(cast("Any", self), parameters)
        from .engine.flow.flow_run import run_flow, run_flow_async

        start = run_flow_async if self.is_async else run_flow
        try:
            return start(cast("Any", self), parameters, return_state, resumption)
        except BaseException as error:
            raise drop_our_frames(error)  # noqa: B904  (it is the same exception)

    def with_options(self, **options: Any) -> Flow[P, R_co]:
        """The same flow with some options replaced."""
        refuse_unknown("a flow", options, _OPTIONS)
        return type(self)(self._given, **{**self._options, **options})

    def named(self, run_name: str) -> Flow[P, R_co]:
        """The same flow whose next run bears that name."""
        return type(self)(self._given, **{**self._options, "_run_name": run_name})

    def sourced(self, source: FlowSource) -> Flow[P, R_co]:
        """The same flow whose deployments fetch its code from there."""
        return type(self)(self._given, **{**self._options, "_source": source})

    def to_deployment(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> DeploymentSpec:
        """The deployment of this flow under `name`, for `heliostat.deploy` or `heliostat.serve`.

        Raises BadDeployment, BadSchedule, ParameterMismatch.
        """
        from .deploying.spec import spec_of

        return spec_of(cast("Any", self), name, work_pool_name, **options)

    def deploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> UUID:
        """Let the server know the flow under "flow/name" and run it in a work pool; gives the id.

        The project's folder is packed and goes along, unless the server has it. Doing it again brings the
        deployment up to date. Without a pool it is the default one, which runs on Ray.
        """
        from .deploying.doing import deploy

        return deploy(self.to_deployment(name, work_pool_name, **options))[0]

    async def adeploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> UUID:
        """`deploy` for asynchronous code."""
        from .deploying.doing import adeploy

        return (await adeploy(self.to_deployment(name, work_pool_name, **options)))[0]

    def serve(
        self,
        name: str | None = None,
        *,
        pause_on_shutdown: bool = True,
        limit: int | None = None,
        **options: Unpack[DeploymentOptions],
    ) -> None:
        """Deploy the flow and run its scheduled and asked-for runs from this process, until Ctrl-C.

        Each run is a process of its own on this machine. At the end the schedules are paused, unless
        `pause_on_shutdown` is False. `limit`: at most so many runs at once.
        """
        from .deploying.serving import serve

        spec = self.to_deployment(name or self.name, **options)
        serve(spec, pause_on_shutdown=pause_on_shutdown, limit=limit)

    def parameter_schema(self) -> Mapping[str, Any]:
        """JSON schema of the parameters."""
        from .values.parameters import json_schema

        return cast("Mapping[str, Any]", json_schema(self.fn))

    def hooks_for(self, final: State) -> tuple[Hook, ...]:
        """The author's hooks for the way in which a run ended."""
        names = {
            "COMPLETED": "on_completion",
            "FAILED": "on_failure",
            "CANCELLED": "on_cancellation",
            "CRASHED": "on_crashed",
        }
        return as_hooks(self._options.get(names.get(final.type.value, "")))

    def policy_fields(self) -> dict[str, Any]:
        """The standard's FlowRunPolicy of this flow."""
        if not self.retry.retries:
            return {}
        delay = self.retry.delay
        return {
            "retries": self.retry.retries,
            "retry_delay": delay if isinstance(delay, (int, float)) else None,
        }

    @property
    def persists_result(self) -> bool | None:
        """Whether results go to storage; None (unsaid): the larger ones, if the settings say so."""
        return self._options.get("persist_result")

    @property
    def result_storage_url(self) -> str:
        from .foundation.settings import current_settings

        return str(self._options.get("result_storage") or current_settings().result_storage_url)

    @property
    def result_serializer(self) -> str:
        return self._options.get("result_serializer") or "pickle"

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R_co]: ...
    @overload
    def __get__(
        self: Flow[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> Flow[Q, R_co]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Flow[..., R_co]:
        """As a method: a flow whose first argument is the instance, or the class of a classmethod."""
        kind = type(self._given)
        subject = (owner or type(instance)) if kind is classmethod else instance
        if subject is None or kind is staticmethod or isinstance(self.fn, MethodType):
            return self
        return Flow(MethodType(cast("Any", self.fn), subject), **{**self._options, "name": self.name})

    def __repr__(self) -> str:
        return f"Flow({self.name!r})"


class FlowDecorator:
    """`@flow`; see its call."""

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] | None = None,
        retries: int | None = None,
        retry_delay_seconds: float | list[float] | Callable[[int], float] | None = None,
        timeout_seconds: float | None = None,
        task_runner: TaskRunner | str | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: str | None = None,
        result_serializer: str | None = None,
        log_prints: bool | None = None,
        flow_run_name: str | Callable[..., str] | None = None,
        on_running: Iterable[Hook] | None = None,
        on_completion: Iterable[Hook] | None = None,
        on_failure: Iterable[Hook] | None = None,
        on_cancellation: Iterable[Hook] | None = None,
        on_crashed: Iterable[Hook] | None = None,
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
    def __call__(self, *given: Any, **options: Any) -> Any:
        """Make a flow of a function or coroutine function.

        retries, retry_delay_seconds: run the body again after a failure; tasks that completed are not.
        timeout_seconds: end the run as TimedOut when it lasts longer.
        task_runner: where `submit` and `map` run tasks: "ray", "threads", "inline" or a runner object.
        validate_parameters: check and coerce arguments by their annotations before the run starts.
        persist_result, result_storage, result_serializer: keep the result outside the database.
        flow_run_name: a template over the parameters such as "report {day}", or a function.
        on_running, on_completion, on_failure, on_cancellation, on_crashed: called as hook(flow, run, state).
        """
        refuse_unknown("a flow", options, _OPTIONS)
        if len(given) > 1:
            raise UserError("@flow takes one function", hint="Options are given by name: @flow(name='x').")
        return _make(options, given[0]) if given else functools.partial(_make, options)

    @staticmethod
    def from_source(
        source: str | Path, entrypoint: str, *, branch: str | None = None, commit_sha: str | None = None
    ) -> Flow[..., Any]:
        """A flow whose code is elsewhere; its deployments fetch the code from there for each run.

        source: a git repository, a folder at an fsspec address such as s3://bucket/project, or a folder that
        all machines have. entrypoint: "path/in/source.py:function". Raises BadDeployment, MissingFlow,
        StorageUnavailable.
        """
        from .deploying.sources import flow_from_source

        return flow_from_source(source, entrypoint, branch=branch, commit_sha=commit_sha)


flow = FlowDecorator()


def _make(options: dict[str, Any], fn: Any) -> Flow[..., Any]:
    if not callable(fn) and not isinstance(fn, (staticmethod, classmethod)):
        raise UserError(
            f"@flow needs a function, not {fn!r}", hint="Options are given by name: @flow(name='x')."
        )
    given: Any = cast("Any", fn)
    _refuse_what_runs_by_itself(given.__func__ if type(given) in (staticmethod, classmethod) else given)
    refuse_reserved("the flow", fn, ("return_state",))
    return Flow(cast("Any", fn), **options)


def _refuse_what_runs_by_itself(fn: Any) -> None:
    from .tasks import Task

    if isinstance(fn, Flow):
        made = cast("Flow[..., Any]", fn)
        raise UserError(
            f"{made.name!r} is a flow already.", hint="Change its options with .with_options(...)."
        )
    if isinstance(fn, Task):
        task = cast("Task[..., Any]", fn)
        raise UserError(
            f"{task.name!r} is a task, which a flow would run without its retries, time limit and record.",
            hint="Write a flow whose body calls the task.",
        )


def _checked_name(name: str) -> str:
    if any(character in _FORBIDDEN_IN_NAMES for character in name):
        raise UserError(f"flow name {name!r} holds one of {_FORBIDDEN_IN_NAMES}", hint="Choose another name.")
    return name
