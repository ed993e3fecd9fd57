"""The work pool types that come with Heliostat: `ray` and `process`."""

from __future__ import annotations

from typing import Any

from .types import PACKAGE, STANDARD_PACKAGE, pool_type

_ENV: dict[str, Any] = {
    "title": "Environment",
    "description": "Environment variables of the run's process. Those of a run override those of its"
    " deployment; null removes one.",
    "type": "object",
    "additionalProperties": {"type": ["string", "null"]},
}
_LABELS: dict[str, Any] = {
    "title": "Labels",
    "description": "Labels of the run's process, by which it can be found.",
    "type": "object",
    "additionalProperties": {"type": "string"},
}
_NAME: dict[str, Any] = {
    "title": "Name",
    "description": "Name of the run's process. By default the name of the run.",
    "type": "string",
}


def _template(properties: dict[str, Any]) -> dict[str, Any]:
    """A template that puts each variable into the configuration key of its name and refuses other names."""
    return {
        "job_configuration": {name: f"{{{{ {name} }}}}" for name in properties},
        "variables": {"type": "object", "properties": properties, "additionalProperties": False},
    }


@pool_type(
    "ray",
    display_name="Ray",
    description="Runs flows on a Ray cluster. Each run has a supervisor, and continues elsewhere when its"
    " process or node is lost. Heliostat starts the runs itself: no worker is needed.",
    package=PACKAGE,
    polled_by_workers=False,
)
def ray() -> dict[str, Any]:
    """The variables of ray pools. Resources are for the process that runs the flow; tasks request their
    own.
    """
    return _template(
        {
            "name": _NAME,
            "num_cpus": {
                "title": "CPUs",
                "description": "CPUs that the flow's process holds while it runs. 0 leaves all to the tasks.",
                "type": "number",
                "minimum": 0,
                "default": 0,
            },
            "num_gpus": {
                "title": "GPUs",
                "description": "GPUs that the flow's process holds while it runs.",
                "type": "number",
                "minimum": 0,
                "default": 0,
            },
            "memory_bytes": {
                "title": "Memory (bytes)",
                "description": "Memory that Ray sets aside for the flow's process.",
                "type": "integer",
                "minimum": 1,
            },
            "resources": {
                "title": "Custom resources",
                "description": 'Custom Ray resources that the process holds, such as {"fast_disk": 1}.',
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 0},
            },
            "runtime_env": {
                "title": "Runtime environment",
                "description": "Ray runtime environment of the flow and its tasks: pip, uv, conda, env_vars"
                " and so on. Each different environment has its own processes, made at first use.",
                "type": "object",
            },
            "isolation": {
                "title": "Isolation",
                "description": "fresh: a new process for the run alone. pooled: a warm process for the run"
                " alone, used again afterwards. shared: a warm process that runs several flows at a time.",
                "type": "string",
                "enum": ["fresh", "pooled", "shared"],
                "default": "pooled",
            },
            "env": _ENV,
            "labels": _LABELS,
            "crash_retries": {
                "title": "Retries after a crash",
                "description": "How often a run whose process or node was lost continues elsewhere, from its"
                " journal, before it is Crashed. Retries of the flow are counted separately.",
                "type": "integer",
                "minimum": 0,
                "default": 3,
            },
        }
    )


@pool_type(
    "process",
    display_name="Process",
    description="Runs each flow in a separate process, on the machines where a worker of the pool runs.",
    package=STANDARD_PACKAGE,
    install_command="pip install prefect",
)
def process() -> dict[str, Any]:
    """The variables of the standard's process pool, which the standard's workers can serve, too."""
    return _template(
        {
            "name": _NAME,
            "env": _ENV,
            "labels": _LABELS,
            "command": {
                "title": "Command",
                "description": "Command that executes the flow run. By default the worker's own Python does.",
                "type": "string",
            },
            "stream_output": {
                "title": "Stream output",
                "description": "Whether the worker shows what the process prints.",
                "type": "boolean",
                "default": True,
            },
            "working_dir": {
                "title": "Working folder",
                "description": "Folder in which the process starts. By default a new one for the run.",
                "type": "string",
            },
        }
    )


BUILTIN_TYPES = (ray, process)
