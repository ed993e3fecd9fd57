"""Heliostat: durable, observable workflows in plain Python, native to Ray.

    from heliostat import flow, task

    @task
    def square(x: int) -> int:
        return x * x

    @flow
    def squares(n: int = 10_000) -> int:
        return sum(square.map(range(n)).result())

Names are loaded when they are first used: importing heliostat imports neither Ray nor a database driver.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .runtime.foundation.standard_streams import occupy_missing as _occupy_missing

if TYPE_CHECKING:
    from heliostat.runtime.authoring.context import current_flow_run, current_task_run
    from heliostat.runtime.authoring.futures import (
        TaskFuture,
        TaskFutureList,
        allow_failure,
        as_completed,
        unmapped,
        wait,
    )
    from heliostat.runtime.authoring.logging import get_run_logger
    from heliostat.runtime.authoring.retry import exponential_backoff
    from heliostat.runtime.authoring.tags import tags
    from heliostat.runtime.client.client import HeliostatClient, SyncHeliostatClient, get_client
    from heliostat.runtime.deploying.doing import adeploy, deploy
    from heliostat.runtime.deploying.options import ConcurrencyLimit
    from heliostat.runtime.deploying.running import arun_deployment, run_deployment
    from heliostat.runtime.deploying.serving import serve
    from heliostat.runtime.deploying.spec import DeploymentSpec
    from heliostat.runtime.engine.local_lanes import InlineTaskRunner, ThreadTaskRunner
    from heliostat.runtime.engine.task_runners import RayTaskRunner
    from heliostat.runtime.flows import Flow, flow
    from heliostat.runtime.pausing import pause_flow_run, resume_flow_run, suspend_flow_run
    from heliostat.runtime.scheduling.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
    from heliostat.runtime.states import State, StateType
    from heliostat.runtime.tasks import Task, task
    from heliostat.runtime.values.caching import (
        DEFAULT,
        FLOW_PARAMETERS,
        INPUTS,
        NO_CACHE,
        RUN_ID,
        TASK_SOURCE,
        CacheKeyFn,
        CachePolicy,
    )

__version__ = "0.1.0"

_HOMES = {
    "values.caching": (
        "DEFAULT",
        "FLOW_PARAMETERS",
        "INPUTS",
        "NO_CACHE",
        "RUN_ID",
        "TASK_SOURCE",
        "CacheKeyFn",
        "CachePolicy",
    ),
    "client.client": ("HeliostatClient", "SyncHeliostatClient", "get_client"),
    "authoring.context": ("current_flow_run", "current_task_run"),
    "deploying.doing": ("adeploy", "deploy"),
    "deploying.options": ("ConcurrencyLimit",),
    "deploying.running": ("arun_deployment", "run_deployment"),
    "deploying.serving": ("serve",),
    "deploying.spec": ("DeploymentSpec",),
    "flows": ("Flow", "flow"),
    "authoring.futures": (
        "TaskFuture",
        "TaskFutureList",
        "allow_failure",
        "as_completed",
        "unmapped",
        "wait",
    ),
    "authoring.logging": ("get_run_logger",),
    "pausing": ("pause_flow_run", "resume_flow_run", "suspend_flow_run"),
    "authoring.retry": ("exponential_backoff",),
    "scheduling.schedules": ("CronSchedule", "IntervalSchedule", "RRuleSchedule"),
    "states": ("State", "StateType"),
    "authoring.tags": ("tags",),
    "engine.local_lanes": ("InlineTaskRunner", "ThreadTaskRunner"),
    "engine.task_runners": ("RayTaskRunner",),
    "tasks": ("Task", "task"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CacheKeyFn",
    "CachePolicy",
    "ConcurrencyLimit",
    "CronSchedule",
    "DeploymentSpec",
    "Flow",
    "HeliostatClient",
    "InlineTaskRunner",
    "IntervalSchedule",
    "RRuleSchedule",
    "RayTaskRunner",
    "State",
    "StateType",
    "SyncHeliostatClient",
    "Task",
    "TaskFuture",
    "TaskFutureList",
    "ThreadTaskRunner",
    "adeploy",
    "allow_failure",
    "arun_deployment",
    "as_completed",
    "current_flow_run",
    "current_task_run",
    "deploy",
    "exponential_backoff",
    "flow",
    "get_client",
    "get_run_logger",
    "pause_flow_run",
    "resume_flow_run",
    "run_deployment",
    "serve",
    "suspend_flow_run",
    "tags",
    "task",
    "unmapped",
    "wait",
]

_occupy_missing()  # before anything of ours, or of the script, is opened


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'heliostat' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"heliostat.runtime.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
