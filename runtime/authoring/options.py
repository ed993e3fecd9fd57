"""What an author may say of a flow or a task, each option once, and how it is checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from ..foundation.errors import UserError

if TYPE_CHECKING:
    from datetime import timedelta

    from ..values.caching import CachePolicy

Hook = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class TaskRunner(Protocol):
    """Where submitted tasks run: `RayTaskRunner`, `ThreadTaskRunner` or `InlineTaskRunner`."""

    def lane(self, on_news: Callable[..., None]) -> Any: ...


class FlowOptions(TypedDict, total=False):
    """Keyword arguments of `@flow` and of a flow's `with_options`. None is as good as unsaid.

    name, description: by default those of the function. version, tags: free words about the flow.
    retries, retry_delay_seconds: run the body again after a failure; tasks that completed are not.
    timeout_seconds: end the run as TimedOut when it lasts longer.
    task_runner: where `submit` and `map` run tasks: "ray", "threads", "inline" or a runner object.
    validate_parameters: check and coerce arguments by their annotations before the run starts.
    persist_result, result_storage, result_serializer: keep the result outside the database.
    log_prints: record what the flow prints (default: the setting, which is on).
    flow_run_name: a template over the parameters such as "report {day}", or a function.
    on_running, on_completion, on_failure, on_cancellation, on_crashed: called as hook(flow, run, state).
    """

    name: str | None
    description: str | None
    version: str | None
    tags: Iterable[str] | None
    retries: int | None
    retry_delay_seconds: float | list[float] | Callable[[int], float] | None
    timeout_seconds: float | None
    task_runner: TaskRunner | str | None
    validate_parameters: bool
    persist_result: bool | None
    result_storage: str | None
    result_serializer: str | None
    log_prints: bool | None
    flow_run_name: str | Callable[..., str] | None
    on_running: Iterable[Hook] | None
    on_completion: Iterable[Hook] | None
    on_failure: Iterable[Hook] | None
    on_cancellation: Iterable[Hook] | None
    on_crashed: Iterable[Hook] | None


class TaskOptions(TypedDict, total=False):
    """Keyword arguments of `@task` and of a task's `with_options`. None is as good as unsaid.

    name, description: by default those of the function. version, tags: free words about the task; tags may
        have concurrency limits.
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

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    version: str | None
    retries: int | None
    retry_delay_seconds: float | list[float] | Callable[[int], float] | None
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[BaseException], bool] | None
    timeout_seconds: float | None
    cache_policy: CachePolicy | None
    cache_key_fn: Callable[..., str | None] | None
    cache_expiration: timedelta | float | None
    refresh_cache: bool
    persist_result: bool | None
    result_storage: str | None
    result_serializer: str | None
    log_prints: bool | None
    task_run_name: str | Callable[..., str] | None
    on_running: Iterable[Hook] | None
    on_completion: Iterable[Hook] | None
    on_failure: Iterable[Hook] | None
    num_cpus: float | None
    num_gpus: float | None
    memory_bytes: int | None
    resources: Mapping[str, float] | None
    runtime_env: Mapping[str, Any] | None
    pack: bool | int


DEFAULTS: dict[str, Any] = {
    "tags": (),
    "retry_delay_seconds": 0.0,
    "validate_parameters": True,
    "result_serializer": "pickle",
    "refresh_cache": False,
    "num_cpus": 1.0,
    "num_gpus": 0.0,
    "resources": {},
    "pack": True,
}
"""What options are that nobody has said, of flows and tasks: those that are missing here are None."""


def tells(options: type) -> Callable[[F], F]:
    """Let `help` show what the options are below what the decorated function says of itself."""

    def told(fn: F) -> F:
        fn.__doc__ = f"{fn.__doc__}\n\n{options.__doc__}"
        return fn

    return told


def refuse_unknown(subject: str, options: Mapping[str, Any], known: type) -> None:
    """Raise UserError for the first option that `subject` ("a flow", "a task") does not have."""
    unknown = [name for name in options if name not in known.__annotations__]
    if unknown:
        names = ", ".join(known.__annotations__)
        raise UserError(f"{subject} has no option {unknown[0]!r}", hint=f"Options: {names}")


def refuse_reserved(subject: str, fn: Any, reserved: Sequence[str]) -> None:
    """Raise UserError when a parameter has the name of a call option, which would take its argument."""
    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a C function without a signature
        return
    for name in reserved:
        parameter = parameters.get(name)
        if parameter is not None and parameter.kind in _BY_NAME:
            named = getattr(fn, "__name__", repr(fn))
            raise UserError(
                f"{subject} {named!r} cannot have a parameter named {name!r}: it is"
                " an option of the call, which would never reach the function.",
                hint="Give the parameter another name.",
            )


def checked_timeout(timeout: Any, name: str) -> float | None:
    """Seconds above 0, or None for no limit. Raises UserError, which names the flow or task."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or timeout <= 0:
        raise UserError(f"timeout_seconds of {name!r} must be a number above 0, not {timeout!r}")
    return float(timeout)


def checked_pack(pack: Any, name: str) -> bool | int:
    """True, False or a number of calls; raises UserError that names whose pack it is."""
    if isinstance(pack, bool) or (isinstance(pack, int) and pack >= 1):
        return pack
    raise UserError(f"pack of {name!r} must be True, False or a number of calls, not {pack!r}")
