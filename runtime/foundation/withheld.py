"""Secrets of a server, which are taken out of the environment of processes that run authors' code.

This is no security wall: flows and tasks run as the server's user and can read that user's files and
processes. It keeps passwords out of what programs print, record and pass on.
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
        # The standard's names of these settings.
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        "PREFECT_API_DATABASE_PASSWORD",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_DATABASE_PASSWORD",
        # Ray gets the path of the token's file instead.
        "RAY_AUTH_TOKEN",
    }
)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a process that runs authors' code."""
    return {name: value for name, value in environment.items() if name not in VARIABLES}


@contextmanager
def withheld() -> Generator[None]:
    """Processes that the block starts inherit an environment without secrets."""
    with settings_lock():  # no other thread reads the settings without them meanwhile
        kept = {name: value for name, value in os.environ.items() if name in VARIABLES}
        for name in kept:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(kept)
