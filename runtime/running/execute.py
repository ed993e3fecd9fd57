"""What a run's process does: it fetches the deployment's code, then executes the run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..engine.flow.claimed import adopt, end_before_flow, execute_claimed
from ..engine.relay import recording_here
from ..foundation.errors import HeliostatError
from ..foundation.settings import current_settings
from ..states import Crashed, State
from ..store import code_packages, deployments, flow_runs
from .known_values import known_here

if TYPE_CHECKING:
    from ..store.database.rows import FlowRunRow
    from ..store.deployment_rows import DeploymentRow

_PACKAGE_STEPS = ("heliostat.code_package", "code_package")


def execute_run(run_id: UUID) -> State:
    """Execute a claimed run in this process, and return its last state. A run whose code cannot be fetched
    becomes Crashed with the reason. Raises NotFound, LeaseHeld, LeaseLost, DatabaseUnavailable.
    """
    from ..projects.pull_steps import are_stock

    run = recording_here().call(flow_runs.read, run_id)
    try:
        deployment = deployment_of(run)
        if are_stock(steps_of(run, deployment)):
            return execute_claimed(run_id, None, is_stock=True)
        project = project_of(run, deployment)
    except HeliostatError as error:
        adopted = adopt(run_id, None)
        why = Crashed(f"the code of the flow cannot be fetched: {error}", data=error)
        return end_before_flow(adopted.run, adopted.lease, why)
    return execute_claimed(run_id, None, project)


def project_of(run: FlowRunRow, deployment: DeploymentRow | None) -> Path | None:
    """Execute the run's pull steps; returns the folder with its code on this machine, or None if none is
    named.
    """
    from ..projects.pull_steps import project_folder

    steps = steps_of(run, deployment)
    path = None if deployment is None or run.code_revision is not None else deployment.path
    project = project_folder(steps, path, fetch_package, known_here(recording_here()))
    if project is not None and not any(_is_package(step) for step in steps):
        os.chdir(
            project
        )  # as in the standard; but not into a package's folder, which runs share and must not change
    return project


def deployment_of(run: FlowRunRow) -> DeploymentRow | None:
    """The deployment of a run, or None."""
    return None if run.deployment_id is None else recording_here().call(deployments.read, run.deployment_id)


def steps_of(run: FlowRunRow, deployment: DeploymentRow | None) -> list[Mapping[str, Any]]:
    """The deployment's pull steps, with the code package that the run was created with."""
    steps: list[Mapping[str, Any]] = list((deployment.pull_steps if deployment else None) or ())
    if run.code_revision is None:
        return steps
    own: Mapping[str, Any] = {"heliostat.code_package": {"revision": run.code_revision}}
    if not any(_is_package(step) for step in steps):
        return [own, *steps]
    return [own if _is_package(step) else step for step in steps]


def fetch_package(revision: str) -> bytes:
    """The bytes of a code package, from the server or database that this process records to. Raises
    NotFound.
    """
    if current_settings().api_url is None:
        return recording_here().call(code_packages.get, revision)
    from ..client.client import get_client

    with get_client(sync_client=True) as client:
        return client.get_code_package(revision)


def _is_package(step: Mapping[str, Any]) -> bool:
    return any(name in _PACKAGE_STEPS for name in step)
