"""Supervisors as Ray actors: how one is made, called, watched and killed."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError

from ..runtime.engine import ray_cluster
from . import names
from .assignments import Assignment, Described, Ended, ProcessSpec
from .hosts import HostLost
from .supervisor import SupervisorActor

_ray: Any = ray
# Ray counts a node as idle, and may remove it, while its actors hold no resource. So each actor holds a
# little memory; a part of a CPU would cost the tasks on a small node a whole one.
_TOKEN_BYTES = 1 << 20
_LAST_LINES, _LAST_BYTES = 20, 8192


class RayProcess:
    """One supervisor actor."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self._handle = handle
        self._outputs: tuple[str, ...] = ()

    async def describe(self) -> Described:
        """The process as it describes itself, once it has started. Raises what kept it from starting."""
        described: Described = await self._handle.describe.remote()
        self._outputs = described.outputs
        return described

    async def execute(self, assignment: Assignment) -> Ended:
        """Have a run executed; the pending call also tells when the process dies. Raises HostLost."""
        try:
            return await self._handle.execute.remote(assignment)
        except (RayError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not _is_rays(error):
                raise
            lost = HostLost(_cause(error))
            lost.last_lines = await asyncio.to_thread(last_lines, self._outputs)
            raise lost from error

    def kill(self) -> None:
        names.end(self._handle)


class RayLauncher:
    """Starts supervisors of one pool; `mark` is that of their code, `environment` holds their settings."""

    def __init__(self, pool_name: str, mark: str, environment: dict[str, str]) -> None:
        self.mark = mark
        self.prefix = f"{names.SUPERVISOR}{pool_name}:"
        self._environment = environment
        self._numbers = count(1)
        self._actor: Any = _ray.remote(SupervisorActor)

    def launch(self, spec: ProcessSpec) -> RayProcess:
        """See Launcher."""
        name = f"{self.prefix}{spec.isolation}:{next(self._numbers)}-{uuid4().hex[:6]}"
        options: dict[str, Any] = {
            "name": name,
            "namespace": names.namespace(),
            "lifetime": "detached",
            "max_restarts": 0,
            "num_cpus": spec.num_cpus,
            "memory": spec.memory_bytes or _TOKEN_BYTES,
            "scheduling_strategy": "SPREAD",
        }
        if spec.num_gpus:
            options["num_gpus"] = spec.num_gpus
        if spec.isolation == "shared":
            options["max_concurrency"] = 40
        if custom := json.loads(spec.resources):
            options["resources"] = custom
        if runtime_env := json.loads(spec.runtime_env):
            options["runtime_env"] = runtime_env
        return RayProcess(
            name, self._actor.options(**options).remote(name, self.mark, self._environment, spec)
        )

    def unmet(self, spec: ProcessSpec) -> str | None:
        """See Launcher."""
        needs = spec.needs()
        return ray_cluster.unmet(needs) if needs.are_limited else None

    def left_over(self) -> list[RayProcess]:
        """Supervisors of this pool that an earlier actor of the pool has started."""
        found = [(name, names.find(name)) for name in names.living(self.prefix)]
        return [RayProcess(name, handle) for name, handle in found if handle is not None]


def last_lines(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The last lines of a process's output files, if they are on this machine."""
    lines: list[str] = []
    for output in dict.fromkeys(outputs):
        try:
            with Path(output).open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - _LAST_BYTES))
                text = file.read().decode(errors="replace")  # only shown to people
        except OSError:
            continue
        lines += [line for line in text.splitlines() if line.strip() and not line.startswith(":")]
    return tuple(lines[-_LAST_LINES:])


def _is_rays(error: BaseException) -> bool:
    return isinstance(error, RayError)


def _cause(error: BaseException) -> str:
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"its process died ({type(error).__name__}: {first[:300]})"
