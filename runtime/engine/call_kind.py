"""A kind of call: what the calls of one task with one set of options in one run have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..authoring.context import FlowRunInfo
from .code import TaskCode

if TYPE_CHECKING:
    from .cache_lookup import CacheLookup
    from .run_desk import RunDesk


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources that one call needs on the cluster."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory_bytes: int | None = None
    custom: tuple[tuple[str, float], ...] = ()
    runtime_env: Any = None  # as Ray takes it; compared by identity of the task

    @property
    def are_limited(self) -> bool:
        """Whether these resources limit how many calls the cluster can run at a time."""
        return bool(self.num_cpus or self.num_gpus or self.memory_bytes or self.custom)


@dataclass(slots=True, eq=False)
class CallKind:
    """The code of these calls, their options, and the run to which they belong."""

    code: TaskCode
    task_key: str
    flow_run: FlowRunInfo
    desk: RunDesk  # where their states are recorded
    resources: Resources
    tags: tuple[str, ...]
    pack: bool | int
    cache: CacheLookup | None = None  # look the calls up in the cache before sending
