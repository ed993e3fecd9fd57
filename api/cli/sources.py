"""The source that reading commands use: the configured server, or else this machine's database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from .records import with_database
from .remote import api_is_set, with_client
from .run_source import RunSource

T = TypeVar("T")


def with_runs(act: Callable[[RunSource], Awaitable[T]]) -> T:
    """Call `act` with the source of runs."""
    if api_is_set():
        from .server_runs import ServerRuns  # only the source that is used is imported

        return with_client(lambda client: act(ServerRuns(client)))

    from .database_runs import DatabaseRuns

    return with_database(lambda db: act(DatabaseRuns(db)))
