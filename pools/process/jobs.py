"""How to start the process of a run, from its pool's template, its deployment and its own variables."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from ...runtime.foundation.errors import BadJobVariables
from ...runtime.foundation.withheld import without_secrets
from ...runtime.running.child import Job
from ...runtime.running.runner import python_command
from ..placeholders import UNRESOLVED, UNSET, Reference
from ..templates import job_configuration, read_job_template


def process_job(
    base_job_template: Mapping[str, Any],
    deployment_variables: Mapping[str, Any] | None,
    run_variables: Mapping[str, Any] | None,
    *,
    run_id: UUID,
    api_url: str,
    access: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """How to start the process of a run. `{{ $NAME }}` is looked up in `environment` (default: this
    process's, without the secrets of a server). `access` has environment variables with the run's access to
    the API.

    Raises BadJobVariables, BadJobTemplate.
    """
    known = without_secrets(os.environ) if environment is None else environment

    def resolve(reference: Reference) -> Any:
        if reference.kind == "env":
            return known.get(reference.name, UNSET)
        return UNRESOLVED

    found = job_configuration(
        read_job_template(base_job_template), deployment_variables, run_variables, resolve=resolve
    )
    folder = found.get("working_dir")
    if folder is not None and not Path(str(folder)).expanduser().is_dir():
        raise BadJobVariables(
            f"working_dir {str(folder)!r} is not a folder on this machine.",
            hint="make it, or leave working_dir out to give the run a new folder",
        )
    return Job(
        command_of(found.get("command"), run_id),
        {
            **(access or {}),
            **_texts(cast("Mapping[str, Any]", found.get("env") or {})),
            "HELIOSTAT_API_URL": api_url,
            "HELIOSTAT_FLOW_RUN_ID": str(run_id),
            "PREFECT__FLOW_RUN_ID": str(run_id),
            "PYTHONUNBUFFERED": "1",
        },
        None if folder is None else Path(str(folder)).expanduser(),
        bool(found.get("stream_output", True)),
    )


def command_of(command: Any, run_id: UUID) -> list[str]:
    """The words of a job's command. No command, and "python", "heliostat" or "prefect", mean this Python."""
    if not command:
        return python_command(run_id)
    words = shlex.split(str(command))
    if words[:3] == ["heliostat", "flow-run", "execute"] or words[:3] == ["prefect", "flow-run", "execute"]:
        return [*python_command(run_id)[:-1], *(words[3:] or [str(run_id)])]
    if words[0] == "python":
        words[0] = sys.executable
    return words


def _texts(env: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in env.items()}
