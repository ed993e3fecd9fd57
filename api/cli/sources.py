"""Which place the reading commands ask: the server that is set, else this machine's database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from .records import with_database
from .remote import api_is_set, with_client
from .run_source import RunSource

T = TypeVar("T")


def with_runs(act: Callable[[RunSource], Awaitable[T]]) -> T:
    """Do `act` with the place that keeps the runs."""
    if api_is_set():
        from .server_runs import ServerRuns  # here, as below: only what is asked of is imported

        return with_client(lambda client: act(ServerRuns(client)))

    from .database_runs import DatabaseRuns

    return with_database(lambda db: act(DatabaseRuns(db)))
