"""The author's project on the way of a run to Ray workers: where a flow comes from a code package or a
folder, its tasks must be able to import the modules beside it.

Tasks of a project run in worker processes of that project alone (Ray keeps processes apart by their
environment variables), so modules of the same name in two projects, or two revisions of one, never meet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT, REVISION, FOLDERS = (f"_HELIOSTAT_{name}" for name in ("PROJECT", "REVISION", "PROJECT_FOLDERS"))


@dataclass(frozen=True, slots=True)
class Project:
    """The folder of a project on this machine; `revision` names the package that it was unpacked from."""

    folder: str
    revision: str | None = None


_project: Project | None = None
_entered = False


def use_project(project: Project | None) -> None:
    """From now on tasks that this process sends to Ray belong to that project."""
    global _project
    _project = project


def with_project(runtime_env: dict[str, Any] | None) -> dict[str, Any] | None:
    """A task's runtime environment, with the project of this process in it."""
    if _project is None:
        return runtime_env
    asked: dict[str, Any] = dict(runtime_env or {})
    root = Path(_project.folder)
    inside = sorted({str(Path(each).relative_to(root)) for each in sys.path if _is_below(root, each)})
    variables = {PROJECT: _project.folder, FOLDERS: os.pathsep.join(inside)}
    if _project.revision is not None:
        variables[REVISION] = _project.revision
    asked["env_vars"] = {**(asked.get("env_vars") or {}), **variables}
    return asked


def enter_project(fetch: Callable[[str], bytes]) -> None:
    """In a worker: make the project's modules importable. `fetch` gives the package of a revision that this
    node lacks.
    """
    global _entered
    if _entered:
        return
    folder = os.environ.get(PROJECT)
    if folder is not None:
        revision = os.environ.get(REVISION)
        if revision is not None and not Path(folder).is_dir():
            from ..projects.code_packages import unpack_once

            folder = str(unpack_once(revision, fetch))
        for inside in os.environ.get(FOLDERS, ".").split(os.pathsep):
            path = str(Path(folder, inside))
            if path not in sys.path:
                sys.path.insert(0, path)
    _entered = True


def _is_below(root: Path, folder: str) -> bool:
    return bool(folder) and Path(folder).is_relative_to(root)
