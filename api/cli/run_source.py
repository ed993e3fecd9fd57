"""What reading commands ask of the source of runs: this machine's database, or a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .output import Row


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which log lines to read, and from which end."""

    flow_run_id: UUID
    """Lines of this flow run and of its task runs."""
    task_run_id: UUID | None = None
    """Only lines of this task run."""
    level_min: int = 0
    newest_first: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunChoice:
    """Which runs to list: every part that is given must fit."""

    state_types: Sequence[str] = ()
    state_names: Sequence[str] = ()
    """Names of states, such as Late. A run fits that has one of these types or names."""
    flow_names: Sequence[str] = ()
    name: str | None = None
    """Text that the run's name contains."""


class RunSource(Protocol):
    """A source of runs. Objects are the standard's; ids are text or UUID, times are datetimes.

    Lists hold one object more than `limit` if there is one. A REFERENCE to a run is what people type: an id,
    a part of an id, a name or @last. Methods that take a reference raise NotFound.
    """

    async def flows(self, limit: int, offset: int) -> list[Row]:
        """Flows by name."""
        ...

    async def flow_runs(self, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        """Flow runs with the names of their flows and their executors, newest first."""
        ...

    async def flow_run(self, reference: str) -> Row:
        """A flow run with its states, the decisions of rules, its executor, and its task runs by state."""
        ...

    async def explanation(self, reference: str) -> Row:
        """Why a flow run waits: `summary` in words, `reasons` one by one."""
        ...

    async def delete_flow_run(self, run_id: UUID) -> int:
        """Delete a flow run with everything recorded of it and of its sub-flow runs. Raises NotFound.

        Returns the number of deleted runs; a server does not count sub-flow runs.
        """
        ...

    async def task_runs(self, flow_run: str, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        """Task runs of a flow run in the order of their calls."""
        ...

    async def task_run(self, reference: str, flow_run: str | None) -> Row:
        """A task run with its states, where it ran and its error; looked for in `flow_run`, if given."""
        ...

    async def task_run_names(self, flow_run_id: UUID, ids: set[UUID]) -> Mapping[UUID, str]:
        """Names of a flow run's task runs by id, at least of those in `ids` that exist."""
        ...

    def log_pages(self, choice: LogChoice) -> AsyncIterator[list[Row]]:
        """Log lines, a page at a time."""
        ...
