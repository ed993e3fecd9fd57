"""The token by which this process speaks to Ray: that of its home folder, or a joined cluster's own.

Ray reads the token where it needs one: as RAY_AUTH_TOKEN, in the file RAY_AUTH_TOKEN_PATH, or in the file
.ray/auth_token of the user's home folder; and it asks for one where RAY_AUTH_MODE says so. What Ray's workers
inherit is the same, so all processes of a cluster agree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray._raylet

from ..foundation import own_rays
from ..foundation.errors import RayUnavailable

_MODE, _TOKEN, _FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_raylet: Any = ray._raylet
_given: dict[str, str | None] | None = None  # what was set before the home folder's token was


def use_own_token() -> None:
    """Use the home folder's token from now on, which the Rays that this process starts demand."""
    global _given
    before = {name: os.environ.get(name) for name in (_MODE, _TOKEN, _FILE)}
    own = {_MODE: "token", _TOKEN: None, _FILE: str(own_rays.token_file())}
    if before != own:
        _given = before
        _set(own)


def use_cluster_token() -> None:
    """Use the token of the joined cluster from now on, if one is set.

    Raises RayUnavailable when its file cannot be read: Ray would end the process.
    """
    global _given
    if _given is not None:
        _set(_given)
        _given = None
    file = os.environ.get(_FILE)
    if file and not os.environ.get(_TOKEN) and not os.access(file, os.R_OK):
        raise RayUnavailable(
            f"the token of the Ray cluster cannot be read: {_FILE} names {file}",
            hint=f"put the cluster's token there, or unset {_FILE}",
        )
    has_one = os.environ.get(_TOKEN) or file or (Path.home() / ".ray" / "auth_token").is_file()
    if has_one and _MODE not in os.environ:  # by default Ray sends no token to a given address
        _set({_MODE: "token"})


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    reread()


def reread() -> None:
    """Have Ray, which read its variables when it was imported, read them again."""
    _raylet.Config.initialize("")
    _raylet.AuthenticationTokenLoader.instance().reset_cache()
