"""Secrets of a server, which no process that runs authors' code finds in its environment.

Flows and tasks run as the server's user, so this is no wall: whoever may run code may look around in that
user's files and processes. It keeps a password out of what programs print, record and hand on.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from .setting_table import ENV_PREFIX, MASKS
from .settings import settings_lock

VARIABLES = frozenset(
    {
        *(
            f"{ENV_PREFIX}{name.upper()}"
            for name in MASKS
            if name != "result_storage_url"  # runs store their results there
        ),
        # The standard's names of them.
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        "PREFECT_API_DATABASE_PASSWORD",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_DATABASE_PASSWORD",
        # Ray is told in which file its token lies.
        "RAY_AUTH_TOKEN",
    }
)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a process that runs authors' code."""
    return {name: value for name, value in environment.items() if name not in VARIABLES}


@contextmanager
def withheld() -> Generator[None]:
    """What processes the block starts find no secrets in the environment that they inherit."""
    with settings_lock():  # nobody reads the settings anew meanwhile
        kept = {name: value for name, value in os.environ.items() if name in VARIABLES}
        for name in kept:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(kept)
