"""A deployment as its author declares it, before it is sent to a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from ..foundation.errors import BadDeployment, ParameterMismatch
from ..values.parameters import to_send
from ..values.sayable import where_unsayable
from .options import DeploymentOptions, concurrency_fields
from .project import place_of
from .timetable import timetable

if TYPE_CHECKING:
    from ..authoring.definitions import FlowDefinition

CODE_STEP = "heliostat.code_package"
DEFAULT_WORK_POOL = "default"  # a server creates it at its start
_FORBIDDEN_IN_NAMES = "/%&><"


@dataclass(frozen=True)
class DeploymentSpec:
    """What `flow.to_deployment(...)` returns, to be passed to `deploy` or `serve`.

    `fields` are those of the standard's DeploymentCreate, except flow, name, code and schedules. The server
    keeps fields that are left out.
    """

    flow_name: str
    name: str
    entrypoint: str
    project: Path | None = None  # the folder that is packed and sent along
    pull_steps: Sequence[Mapping[str, Any]] | None = None  # how the code is fetched otherwise
    schedules: Sequence[dict[str, Any]] | None = None  # None: the code does not mention schedules
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def full_name(self) -> str:
        """The name "flow/deployment"."""
        return f"{self.flow_name}/{self.name}"

    @property
    def work_pool_name(self) -> str | None:
        return self.fields.get("work_pool_name")

    def in_pool(self, work_pool_name: str | None) -> DeploymentSpec:
        """This deployment in that work pool."""
        return replace(self, fields={**self.fields, "work_pool_name": work_pool_name})


def spec_of(
    flow: FlowDefinition[..., Any],
    name: str,
    work_pool_name: str | None = None,
    **options: Unpack[DeploymentOptions],
) -> DeploymentSpec:
    """The deployment of `flow` under `name`.

    Raises BadDeployment, BadSchedule, and ParameterMismatch when a parameter does not fit the flow.
    """
    given = cast("dict[str, Any]", options)
    unknown = set(given) - set(DeploymentOptions.__annotations__)
    if unknown:
        raise BadDeployment(
            f"a deployment has no option {sorted(unknown)[0]!r}",
            hint=f"there are {', '.join(DeploymentOptions.__annotations__)}",
        )
    parameters = _said(options.get("parameters"), lambda given: _parameters(flow, given))
    source = flow.source
    if source is not None:
        entrypoint, project, pull_steps = source.entrypoint, None, source.pull_steps
    elif options.get("entrypoint"):
        entrypoint, project, pull_steps = str(options.get("entrypoint")), None, None
        if options.get("project"):
            project = Path(str(options.get("project"))).expanduser().absolute()
    else:
        place = place_of(flow, options.get("project"))
        entrypoint, project, pull_steps = place.entrypoint, place.project, None
    fields: dict[str, Any] = {
        "version": options.get("version") or flow.version,
        "description": options.get("description") or flow.description,
        "tags": _said(options.get("tags"), lambda tags: sorted(set(tags))),
        "parameters": parameters,
        "parameter_openapi_schema": flow.parameter_schema(),
        "enforce_parameter_schema": options.get("enforce_parameter_schema"),
        "job_variables": _said(options.get("job_variables"), _job_variables),
        "work_pool_name": work_pool_name,
        "work_queue_name": options.get("work_queue_name"),
        "paused": options.get("paused"),
        **concurrency_fields(options.get("concurrency_limit")),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    rules = {
        name: given.get(name)
        for name in ("cron", "interval", "anchor_date", "rrule", "timezone", "schedules")
    }
    schedules = None
    if any(rules[name] is not None for name in ("cron", "interval", "rrule", "schedules")):
        schedules = [
            _with_parameters(flow, each, f"schedules[{index}].parameters")
            for index, each in enumerate(timetable(**rules))
        ]
    return DeploymentSpec(flow.name, checked_name(name), entrypoint, project, pull_steps, schedules, fields)


def checked_name(name: str) -> str:
    """The name of a deployment, without ".py". Raises BadDeployment."""
    name = name.removesuffix(".py") if name.endswith(".py") else name
    if not name or any(character in _FORBIDDEN_IN_NAMES for character in name):
        raise BadDeployment(
            f"{name!r} cannot be the name of a deployment.",
            hint=f"it must not have any of {_FORBIDDEN_IN_NAMES}",
        )
    return name


def _said(value: Any, as_sent: Callable[[Any], Any]) -> Any:
    return None if value is None else as_sent(value)


def _job_variables(given: Mapping[str, Any]) -> dict[str, Any]:
    """Job variables to send. Raises BadDeployment for a value that would not arrive unchanged."""
    found = where_unsayable(dict(given))
    if found is not None:
        raise BadDeployment(
            f"job_variables: {found[0]}: {found[1]}.", hint="Give texts, numbers, lists and dicts of these."
        )
    return dict(given)


def _parameters(flow: FlowDefinition[..., Any], given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Parameters to send, which must arrive unchanged. Runs may give missing ones."""
    try:
        return to_send(flow.fn, given, checked=flow.validate_parameters)
    except ParameterMismatch as error:
        if not where:
            raise
        mismatch = ParameterMismatch(f"{where}: {error}", hint=error.hint)
        mismatch.parameters = error.parameters
        raise mismatch from error


def _with_parameters(flow: FlowDefinition[..., Any], schedule: dict[str, Any], where: str) -> dict[str, Any]:
    """A schedule with its parameters in the form to send."""
    own: Any = schedule.get("parameters")
    if not own:
        return schedule
    return {**schedule, "parameters": _parameters(flow, cast("Mapping[str, Any]", own), where)}
