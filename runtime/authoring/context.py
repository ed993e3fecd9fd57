"""The current flow run and task run, as context variables.

Authors read them by `current_flow_run()` and `current_task_run()`, which work in any process that runs their
code.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..foundation import ids
from ..foundation.errors import HeliostatError


@dataclass(frozen=True, slots=True)
class FlowRunInfo:
    """What the author's code can know about its flow run."""

    id: UUID
    name: str
    flow_name: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: tuple[str, ...] = ()
    run_count: int = 1
    inside: tuple[UUID, ...] = field(default=(), repr=False)
    """The task runs of other flow runs that called this flow run, the outermost first."""


@dataclass(slots=True)
class Numbering:
    """Counts the calls at one place, by scope and task key, and keeps how the engine matches them with
    recorded calls, by the base of their call site.
    """

    counts: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    matchings: dict[int, Any] = field(default_factory=dict[int, Any])


@dataclass(slots=True)
class TaskRunInfo:
    """What the author's code can know about its task run. In a pack of plain calls one object serves all
    calls, with `index` changed.
    """

    flow_run: FlowRunInfo
    task_name: str
    task_key: str
    scope: str
    base: int
    index: int = 0
    attempt: int = 1
    tags: tuple[str, ...] = ()
    custom_name: str | None = None
    numbering: Numbering | None = None  # of calls made inside this call

    @property
    def id(self) -> UUID:
        return ids.task_run_id(self.base, self.index)

    @property
    def name(self) -> str:
        return self.custom_name or f"{self.task_name}-{self.index}"

    @property
    def idempotency_key(self) -> str:
        """A key that is equal for all attempts of this call: pass it to outside systems that can drop
        duplicates.
        """
        return str(self.id)


flow_run_info: ContextVar[FlowRunInfo | None] = ContextVar("heliostat_flow_run", default=None)
task_run_info: ContextVar[TaskRunInfo | None] = ContextVar("heliostat_task_run", default=None)
current_tags: ContextVar[tuple[str, ...]] = ContextVar("heliostat_tags", default=())


def current_scope() -> str:
    """The path of the enclosing calls: "" in a flow's body, "clean-1a2b[3]/" inside a call of a task."""
    info = task_run_info.get()
    return "" if info is None else f"{info.scope}{info.task_key}[{info.index}]/"


def current_flow_run() -> FlowRunInfo:
    """The flow run that the calling code belongs to. Raises HeliostatError outside a flow run."""
    info = flow_run_info.get()
    if info is None:
        raise HeliostatError("no flow is running here", hint="Call this from a flow or its tasks.")
    return info


def current_task_run() -> TaskRunInfo:
    """The task run that the calling code belongs to. Raises HeliostatError outside a task run."""
    info = task_run_info.get()
    if info is None:
        raise HeliostatError("no task is running here", hint="Call this from inside a task.")
    return info
