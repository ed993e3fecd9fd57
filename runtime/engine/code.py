"""What a worker needs to run a task: the function and the options that matter for a call.

It is pickled once per run, and cached in every worker under the hash of its bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..authoring.retry import RetryPolicy
from ..foundation.errors import CannotPickle
from ..foundation.settings import current_settings
from ..values import by_value
from .payload import BY_VALUE_PREFIX

if TYPE_CHECKING:
    from ..authoring.definitions import TaskDefinition


@dataclass(frozen=True, slots=True)
class TaskCode:
    """The function of a task and the options of its calls, wherever they run."""

    fn: Callable[..., Any]
    name: str
    retry: RetryPolicy
    timeout_s: float | None
    log_prints: bool
    persist: bool
    storage_url: str
    serializer: str
    inline_limit_bytes: int
    crash_retries: int
    run_name: str | Callable[..., str] | None = None
    on_running: tuple[Callable[..., Any], ...] = ()
    on_completion: tuple[Callable[..., Any], ...] = ()
    on_failure: tuple[Callable[..., Any], ...] = ()
    is_async: bool = False
    stores_large: bool = False  # results above the inline limit go to storage


def code_of(task: TaskDefinition[..., Any]) -> TaskCode:
    """What a worker needs of a task; options that its author left out come from the settings."""
    settings = current_settings()
    persist, prints = task.persists_result, task.log_prints
    return TaskCode(
        task.fn,
        task.name,
        task.retry or RetryPolicy(settings.default_retries, settings.default_retry_delay_s),
        task.timeout_seconds,
        settings.log_prints if prints is None else prints,
        bool(persist),
        task.result_storage_url,
        task.result_serializer,
        settings.inline_result_limit_bytes,
        settings.crash_retries,
        task.task_run_name,
        task.hooks("on_running"),
        task.hooks("on_completion"),
        task.hooks("on_failure"),
        task.is_async,
        # Values for the cache must outlive this process.
        persist is None and (settings.persist_results or task.cache_policy is not None),
    )


@dataclass(frozen=True, slots=True)
class ShippedCode:
    """Code as bytes; `key` names it in every worker's cache."""

    key: bytes
    blob: bytes


def ship_code(code: TaskCode, carrier: object) -> ShippedCode:
    """Pickle `carrier`, which holds a task's code, for other processes.

    Raises CannotPickle with the reason when that is impossible.
    """
    module_by_value(code)
    try:
        blob = by_value.dumps(carrier)
    except Exception as error:
        raise CannotPickle(
            f"task {code.name!r} cannot be sent to another process: {error}",
            hint="Keep open files, locks and connections out of the function's globals and closure, "
            "or run the flow with task_runner='threads'.",
        ) from error
    return ShippedCode(blake2b(blob, digest_size=12).digest(), blob)


def module_by_value(code: TaskCode) -> ModuleType | None:
    """The flow file of a task, if that was loaded by its path, so that no worker can import it.

    From then on this process sends the file's classes along with values of them.
    """
    module = sys.modules.get(getattr(code.fn, "__module__", "") or "")
    if module is None or not module.__name__.startswith(BY_VALUE_PREFIX):
        return None
    by_value.register(module)
    return module
