"""The names under which Heliostat's functions and classes count in digests: those that existing keys hold.

Cache keys outlive a release. Installed code counts by its module and name, so moving a module of Heliostat
would change the key of each task whose code uses it, and every cached result would be lost.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PACKAGE = __name__.partition(".")[0]
_ROOMS = re.compile(
    rf"(?<=^{_PACKAGE}\.runtime\.)"
    r"(?:(?:authoring|foundation|projects|scheduling|values)\.|engine\.(?=task_runners$))"
)

_FIRST = {
    f"{_PACKAGE}.runtime.authoring.definitions": f"{_PACKAGE}.runtime.deploying.sources",  # FlowSource
    f"{_PACKAGE}.runtime.engine.local_lanes": f"{_PACKAGE}.runtime.task_runners",  # ThreadTaskRunner
}


@lru_cache(maxsize=4096)
def place_in_keys(module_name: str) -> str:
    """The name by which a module counts: the one it had before `runtime` was divided into packages."""
    return _FIRST.get(module_name) or _ROOMS.sub("", module_name)


def name_in_keys(kind: type) -> bytes:
    """A class by its module and name, as they count in digests."""
    return f"{place_in_keys(kind.__module__)}.{kind.__qualname__}".encode()
