"""What the engine asks of a process's recording, wherever that keeps its records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar
from uuid import UUID

from ..records import Owner

if TYPE_CHECKING:
    from ..store.database.database import Database
    from ..store.database.rows import Adopted

P = ParamSpec("P")
T = TypeVar("T")
Verb = Callable[Concatenate["Database", P], Coroutine[Any, Any, T]]


class RunJournals(Protocol):
    """Opens journals of runs."""

    def open(
        self,
        run_id: UUID,
        epoch: int,
        owner: UUID,
        last_seq: int,
        on_fenced: Callable[[UUID], None] | None = None,
    ) -> Any:
        """A journal for a run whose lease was taken; `on_fenced` is called when the lease is lost."""
        ...


class Recording(Protocol):
    """Store verbs and journals for synchronous code, from any thread."""

    @property
    def lease_s(self) -> float: ...

    @property
    def journal(self) -> RunJournals: ...

    @property
    def is_usable(self) -> bool:
        """Whether this process may use the recording: it may not once it is closed, nor in a fork."""
        ...

    @property
    def hears_commands(self) -> bool:
        """Whether this process hears commands for its runs; for a Ray worker its driver hears them."""
        ...

    @property
    def polls_commands(self) -> bool:
        """Whether it polls for commands by `call`; otherwise a listener of the process hears them."""
        ...

    def call(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store verb and wait for its value: `recording.call(flow_runs.read, run_id)`."""
        ...

    def call_within(self, timeout_s: float, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call` with a time limit. Raises DatabaseUnavailable when there is no answer by then."""
        ...

    def adopt(self, run_id: UUID, owner: Owner, dead_epoch: int | None) -> Adopted:
        """Take the lease of a recorded run: see `flow_runs.adopt`. Raises NotFound, LeaseHeld."""
        ...

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
        """Give a lease back: see `leases.release`."""
        ...

    def close(self, timeout_s: float | None = None) -> None:
        """Make everything durable and close the way to the store."""
        ...
