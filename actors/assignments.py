"""One run on its way from the pool to a supervisor, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..runtime.engine.call_kind import Resources


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Where a run's code is: a package by its revision, a folder, or installed modules when both are None."""

    revision: str | None = None
    path: str | None = None
    pull_steps: str | None = None  # JSON


ISOLATIONS = ("pooled", "shared", "fresh")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What a process must be like to execute a run; processes of one specification are alike."""

    isolation: str = "pooled"
    num_cpus: float = 0.0
    num_gpus: float = 0.0
    memory_bytes: int | None = None
    resources: str = "{}"  # JSON, so that specifications can be compared
    runtime_env: str = "{}"  # JSON

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> ProcessSpec:
        """The specification that a job configuration of a pool of type `ray` asks for.

        Raises TypeError, ValueError or AttributeError when the configuration is invalid. Specifications are
        compared and used as keys, so they hold only plain values.
        """
        isolation, memory = configuration.get("isolation") or "pooled", configuration.get("memory_bytes")
        if isolation not in ISOLATIONS:
            raise ValueError(f"isolation {isolation!r} is none of {', '.join(ISOLATIONS)}")
        runtime_env: dict[str, Any] = dict(configuration.get("runtime_env") or {})
        given: dict[str, Any] = configuration.get("env") or {}
        variables = {name: str(value) for name, value in given.items() if value is not None}
        if variables:
            runtime_env["env_vars"] = {**(runtime_env.get("env_vars") or {}), **variables}
        return cls(
            isolation,
            float(configuration.get("num_cpus") or 0.0),
            float(configuration.get("num_gpus") or 0.0),
            None if memory is None else int(memory),
            json.dumps(dict(configuration.get("resources") or {}), sort_keys=True),
            json.dumps(runtime_env, sort_keys=True),
        )

    def needs(self) -> Resources:
        """The resources in the engine's terms."""
        custom = tuple(sorted(json.loads(self.resources).items()))
        return Resources(self.num_cpus, self.num_gpus, self.memory_bytes, custom)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A claimed run that a process is to execute; `epoch` is the epoch of its lease."""

    run_id: UUID
    epoch: int
    code: CodeSource = CodeSource()
    spec: ProcessSpec = field(default_factory=ProcessSpec)
    crash_retries: int = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """A supervisor's report on a run. `error` says why it could not execute the run, or lost it."""

    state_type: str | None
    state_name: str | None
    error: str | None = None
    runs: int = 0  # how many runs this process has executed
    rss_bytes: int = 0
    is_elsewhere: bool = False  # another process holds the run
    took_s: float = 0.0  # in this process
    owner: UUID | None = None  # the owner as which this process holds leases


@dataclass(frozen=True, slots=True)
class Described:
    """A supervisor's description of its process."""

    name: str
    pid: int
    host: str
    node_id: str
    outputs: tuple[str, ...]  # files that its stdout and stderr go to
    code: CodeSource | None  # the code that it is bound to
    rss_bytes: int
    mark: str = ""  # of its code and database
    spec: ProcessSpec = field(default_factory=ProcessSpec)  # the specification that it was started with
    active: int = 0  # how many runs it executes now
