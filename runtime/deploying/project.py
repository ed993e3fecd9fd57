"""Where a flow's code is: the folder that is sent to the cluster, and the flow's place in it."""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..foundation.errors import BadDeployment

if TYPE_CHECKING:
    from ..authoring.definitions import FlowDefinition

MARKERS = ("heliostat.yaml", "prefect.yaml", "pyproject.toml", ".git")
"""A folder that has one of these is the root of a project."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flow is found. Without a project its module must be installed where it runs."""

    entrypoint: str  # "path/in/project.py:function" or "module:function"
    project: Path | None


def place_of(flow: FlowDefinition[..., Any], project: str | Path | None = None) -> Place:
    """The place of a flow's function. Raises BadDeployment when no other process could find it."""
    function = inspect.unwrap(flow.fn)
    name = getattr(function, "__qualname__", "")
    path = _source_file(function)
    if path is None:
        raise BadDeployment(
            f"Flow {flow.name!r} is not in a file, so no other process can load it.",
            hint="write it into a Python file",
        )
    if "." in name:  # inside a class or another function
        raise BadDeployment(
            f"Flow {flow.name!r} is not at the top of its file but in {name.rpartition('.')[0]!r}.",
            hint="a deployment can only find functions at the top of a file",
        )
    if project is None and _is_installed(path):
        return Place(f"{function.__module__}:{name}", None)
    root = project_of(path) if project is None else Path(project).expanduser().absolute()
    if not path.is_relative_to(root):
        raise BadDeployment(
            f"{path} is not in the project {root}.", hint="name a folder around it with project="
        )
    return Place(f"{path.relative_to(root).as_posix()}:{name}", root)


def project_of(file: Path) -> Path:
    """The nearest folder around `file` that looks like a project's root, else its own folder.

    Raises BadDeployment when that is a home, root or temporary folder, which should not be sent as a whole.
    """
    for folder in file.parents:
        if any((folder / marker).exists() for marker in MARKERS):
            return folder
    own = file.parent
    if own in (Path.home(), Path(own.anchor), Path(tempfile.gettempdir()).resolve()):
        raise BadDeployment(
            f"{file.name} is directly in {own}, which should not be sent to a cluster as a project.",
            hint="put it into a folder of its own, or name its folder with project=",
        )
    return own


def _source_file(function: Any) -> Path | None:
    try:
        path = Path(inspect.getfile(function)).absolute()
    except (TypeError, OSError):
        return None
    return path if path.is_file() else None


def _is_installed(path: Path) -> bool:
    """Whether the file belongs to an installed package, which the cluster has or must install, too."""
    folders = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(path.is_relative_to(os.path.realpath(folder)) for folder in folders if folder) or any(
        path.is_relative_to(folder) for folder in sys.path if folder.endswith("site-packages")
    )
