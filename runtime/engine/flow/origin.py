"""Where a flow comes from: an entrypoint by which it can be loaded again, and a hash of its source."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition


def entrypoint_of(flow: FlowDefinition[Any, Any]) -> str | None:
    """ "module:flow" for a flow in an installed package, "/path/file.py:flow" for any other; None in a
    console.
    """
    function = inspect.unwrap(flow.fn)
    path = _source_file(function)
    if path is None:
        return None
    module = sys.modules.get(function.__module__)
    in_package = bool(getattr(module, "__package__", None)) and function.__module__ != "__main__"
    return f"{function.__module__ if in_package else path}:{function.__qualname__}"


def code_revision(function: Callable[..., Any]) -> str | None:
    """A hash of the file that the function is defined in; None without a file."""
    path = _source_file(inspect.unwrap(function))
    return None if path is None else _hash_of(path, path.stat().st_mtime_ns)


def _source_file(function: Callable[..., Any]) -> Path | None:
    try:
        path = Path(inspect.getfile(function)).absolute()
    except (TypeError, OSError):
        return None
    return path if path.is_file() else None


@lru_cache(maxsize=256)
def _hash_of(path: Path, _modified_ns: int) -> str:
    return blake2b(path.read_bytes(), digest_size=12).hexdigest()
