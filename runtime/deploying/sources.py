"""Flows whose code is fetched: from a git repository, a folder at an address, or a folder on every
machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from ..authoring.definitions import FlowDefinition, FlowSource
from ..foundation.errors import BadDeployment
from ..projects.entrypoints import load_flow
from ..projects.pull_steps import clone, project_folder

_GIT = ("git@", "ssh://", "git://", "git+")


def flow_from_source(
    source: str | Path, entrypoint: str, *, branch: str | None = None, commit_sha: str | None = None
) -> FlowDefinition[..., Any]:
    """See `flow.from_source`."""
    step, folder = _fetched(source, branch, commit_sha)
    target, colon, name = entrypoint.rpartition(":")
    if not colon:
        raise BadDeployment(f"{entrypoint!r} does not name a flow.", hint="write path/in/source.py:function")
    if str(folder) not in sys.path:  # as where the flow will run, so that modules beside it are found
        sys.path.insert(0, str(folder))
    found = load_flow(f"{folder / target}:{name}" if target.endswith(".py") else entrypoint)
    return found.sourced(FlowSource(entrypoint, (step,)))


def _fetched(source: str | Path, branch: str | None, commit: str | None) -> tuple[dict[str, Any], Path]:
    """The pull step of a source, and a folder here with its files."""
    text = str(source)
    if _is_git(text):
        repository = text.removeprefix("git+")
        facts = {"repository": repository, "branch": branch, "commit_sha": commit}
        arguments = {name: value for name, value in facts.items() if value is not None}
        return (
            {"prefect.deployments.steps.git_clone": arguments},
            clone(repository, branch=branch, commit=commit),
        )
    if "://" in text:
        step = {"prefect.deployments.steps.pull_from_remote_storage": {"url": text}}
        folder = project_folder([step], None, lambda _: b"")
        return step, folder or Path(tempfile.gettempdir())
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise BadDeployment(
            f"There is no folder {folder}.", hint="give a folder, a git repository, or an fsspec address"
        )
    return {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}, folder


def _is_git(text: str) -> bool:
    return text.startswith(_GIT) or text.endswith(".git") or text.startswith("https://github.com/")
