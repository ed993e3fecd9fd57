"""The default server: the one that is set, else the one that runs on this machine."""

from __future__ import annotations

from ..foundation.errors import ServerUnavailable
from ..foundation.local_servers import servers
from ..foundation.settings import current_settings


def api_url() -> str:
    """The address of the API (".../api"): `HELIOSTAT_API_URL`, else that of the server of this home folder.

    Raises ServerUnavailable when there is neither, or several servers run here.
    """
    configured = current_settings().api_url
    if configured:
        return configured
    running = list(servers())
    if len(running) == 1:
        return running[0].url
    if running:
        raise ServerUnavailable(
            f"{len(running)} servers run here and HELIOSTAT_API_URL does not choose one.",
            hint="set it to one of " + ", ".join(each.url for each in running),
        )
    raise ServerUnavailable(
        "HELIOSTAT_API_URL is not set and no server runs on this machine.",
        hint="start one with: heliostat server start",
    )
