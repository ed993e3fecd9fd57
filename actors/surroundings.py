"""The settings that an actor's process gets from the server that made it, as environment variables."""

from __future__ import annotations

import logging
import os

from ..runtime.foundation import settings
from ..runtime.foundation.setting_table import ENV_PREFIX
from ..runtime.foundation.withheld import VARIABLES, without_secrets

_NOT_INHERITED = (*VARIABLES, "HELIOSTAT_API_URL")


def settings_here(api_url: str | None = None) -> dict[str, str]:
    """The settings of this process, for control actors: they open the database themselves.

    `api_url` is where Ray's machines reach the server; flows of the stock client need it.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)}
    given["HELIOSTAT_DATABASE_URL"] = settings.current_settings().database_url
    given["HELIOSTAT_HOME"] = str(settings.current_settings().home)
    given.pop("HELIOSTAT_API_URL", None)
    if api_url is not None:
        given["HELIOSTAT_PUBLIC_API_URL"] = api_url
    return given


def for_runs(environment: dict[str, str]) -> dict[str, str]:
    """The settings for processes that run flows: they reach the database through the journal actor only."""
    return without_secrets(environment)


def settle_in(environment: dict[str, str]) -> None:
    """Make these the settings of this process."""
    for name in _NOT_INHERITED:
        os.environ.pop(name, None)
    os.environ.update(environment)
    settings.reload_settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
