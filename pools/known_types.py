"""All work pool types: built-in ones, those registered in this process, and those of packages."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from ..runtime.foundation.errors import NotFound
from ..runtime.foundation.near_names import nearest
from .builtin_types import BUILTIN_TYPES
from .types import PoolType, register, registered

ENTRY_POINT_GROUP = "heliostat.pool_types"

_logger = logging.getLogger("heliostat.pools")


def pool_types() -> dict[str, PoolType]:
    """Every type by name: built-in ones, those registered in this process, and those of installed
    packages.
    """
    for kind in BUILTIN_TYPES:
        register(kind)
    _load_installed()
    return registered()


def find_pool_type(name: str) -> PoolType:
    """The type of that name. Raises NotFound, which lists the known names."""
    known = pool_types()
    if name in known:
        return known[name]
    close = nearest(name, known)
    raise NotFound(
        f"There is no kind of work pool called {name!r}.",
        hint=f"Did you mean {close}?" if close else f"There are: {', '.join(sorted(known))}.",
    )


def worker_metadata() -> dict[str, dict[str, Any]]:
    """All types as the standard's `aggregate-worker-metadata` view: by package, then by type."""
    view: dict[str, dict[str, Any]] = {}
    for kind in pool_types().values():
        view.setdefault(kind.package, {})[kind.type] = kind.to_json()
    return view


@lru_cache(maxsize=1)
def _load_installed() -> None:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
            if not isinstance(loaded, PoolType):
                raise TypeError(f"it is {type(loaded).__name__}, not a PoolType")
            register(loaded)
        except Exception as error:  # a faulty package must not stop the server
            _logger.warning("The work pool type %s (%s) is left out: %s", point.name, point.value, error)
