"""Registers a deployment on a server: first its code, then itself. Repeating it without changes changes
nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..foundation.errors import HeliostatError, NotFound
from ..projects.code_packages import CodePackage, pack
from .difference import Change, changes, forgotten_schedules, kept_parameters
from .mistakes import Mistakes
from .spec import CODE_STEP, DEFAULT_WORK_POOL, DeploymentSpec
from .timetable import with_known_anchors

if TYPE_CHECKING:
    from ..client.client import HeliostatClient
    from ..client.records import Deployment

_log = logging.getLogger("heliostat.deploying")


@dataclass(frozen=True, slots=True)
class Plan:
    """What registering would do; `changes` is None when the deployment is new."""

    spec: DeploymentSpec
    package: CodePackage | None
    known: Deployment | None
    body: dict[str, Any]
    changes: Sequence[Change] | None

    @property
    def notes(self) -> list[str]:
        """Effects that the author may not expect."""
        forgotten = () if self.known is None else forgotten_schedules(self.body, self.known)
        return [
            f"{self.spec.full_name} still runs by a schedule of an earlier deploy, {_rule(each.schedule)}: "
            "schedules=[] removes it"
            for each in forgotten
            if each.active
        ]


@dataclass(frozen=True, slots=True)
class Registered:
    """The result of registering a deployment."""

    id: UUID
    full_name: str
    changes: Sequence[Change] | None  # None: the deployment is new
    code_revision: str | None
    uploaded_bytes: int  # 0: the server had the code already, or none is sent
    notes: Sequence[str] = ()


async def plan(client: HeliostatClient, spec: DeploymentSpec) -> Plan:
    """What registering would do, without doing it. Raises PackageTooLarge, BadPackage, NotFound for an
    unknown pool.
    """
    known = await _known(client, spec.full_name)
    if "work_pool_name" not in spec.fields and (known is None or known.work_pool_name is None):
        spec = spec.in_pool(DEFAULT_WORK_POOL)
    if spec.work_pool_name is not None:
        await client.read_work_pool(spec.work_pool_name)
    package = None if spec.project is None else await asyncio.to_thread(pack, spec.project)
    body = _body(spec, package, known)
    return Plan(spec, package, known, body, None if known is None else changes(body, known))


async def plan_all(
    client: HeliostatClient, specs: Sequence[DeploymentSpec], mistakes: Mistakes | None = None
) -> list[Plan]:
    """What registering all would do, without doing it, when none has a mistake.

    `mistakes` holds those found before. Raises the error of `plan` for one deployment with one mistake, else
    BadDeployments, which lists all mistakes.
    """
    mistakes, plans = Mistakes() if mistakes is None else mistakes, list[Plan]()
    total = max(len(specs), 2 if mistakes and specs else 1)
    mistakes.note_doubles(spec.full_name for spec in specs)
    for spec in specs:
        with mistakes.of(spec.full_name):
            plans.append(await plan(client, spec))
    told = await client.check_deployments([_in_full(each) for each in plans])
    for each, problems in zip(plans, told, strict=True):
        mistakes.note(each.spec.full_name, problems)
    mistakes.tell(total)
    return plans


async def register_all(client: HeliostatClient, specs: Sequence[DeploymentSpec]) -> AsyncIterator[Registered]:
    """Create or update deployments on the client's server, in order, after all were checked.

    If the server still refuses one, those before it are made, and a warning names those that are not.
    """
    todo = await plan_all(client, specs)
    for place, each in enumerate(todo):
        try:
            yield await carry_out(client, each)
        except HeliostatError:
            if len(todo) > 1:
                _log.warning("%s", left_undone(todo, place))
            raise


def left_undone(todo: Sequence[Plan], place: int) -> str:
    """What was deployed and what was not when the plan at index `place` failed."""
    done, left = ([each.spec.full_name for each in some] for some in (todo[:place], todo[place:]))
    return f"Deployed: {', '.join(done) or 'none'}. Not deployed: {', '.join(left)}."


async def carry_out(client: HeliostatClient, todo: Plan) -> Registered:
    """Register the planned deployment."""
    spec, package = todo.spec, todo.package
    uploaded = 0 if package is None else await _upload(client, package)
    if todo.known is not None and not todo.changes:
        deployment_id = todo.known.id
    else:
        deployment_id = await _sent(client, todo)
    revision = None if package is None else package.revision
    return Registered(deployment_id, spec.full_name, todo.changes, revision, uploaded, todo.notes)


def _in_full(todo: Plan) -> dict[str, Any]:
    """The deployment as it will be, so that its unchanged fields are checked together with new ones."""
    stays: dict[str, Any] = {}
    if todo.known is not None:
        names = ("job_variables", "work_pool_name", "enforce_parameter_schema")
        stays = {name: getattr(todo.known, name) for name in names}
        stays["parameters"] = kept_parameters(todo.body, todo.known)
    return {"name": todo.spec.name, **stays, **todo.body}


async def _sent(client: HeliostatClient, todo: Plan) -> UUID:
    """Update the deployment, or create it when it is new or was deleted meanwhile."""
    if todo.known is not None:
        try:
            await client.bring_deployment_up_to_date(todo.known.id, **todo.body)
            return todo.known.id
        except NotFound:
            if await _known(client, todo.spec.full_name) is not None:
                raise
    flow_id = await client.create_flow_from_name(todo.spec.flow_name)
    return await client.create_deployment(flow_id, todo.spec.name, **todo.body)


def _body(spec: DeploymentSpec, package: CodePackage | None, known: Deployment | None) -> dict[str, Any]:
    """The fields to send: those that the code gives, and where the code is."""
    body: dict[str, Any] = {"path": None, **spec.fields}
    steps = [dict(step) for step in spec.pull_steps or ()]
    if package is not None:
        steps = [{CODE_STEP: {"revision": package.revision}}]
        body["version"] = body.get("version") or package.revision[:12]
    body["pull_steps"] = steps or None
    body["entrypoint"] = spec.entrypoint
    if spec.schedules is not None:
        body["schedules"] = with_known_anchors(spec.schedules, known.schedules if known else [])
    return body


def _rule(definition: Mapping[str, Any]) -> str:
    return next(f"{kind} {definition[kind]}" for kind in ("cron", "interval", "rrule") if kind in definition)


async def _upload(client: HeliostatClient, package: CodePackage) -> int:
    """Send the package unless the server has it; returns the number of bytes sent."""
    if await client.has_code_package(package.revision):
        return 0
    await client.put_code_package(package.revision, package.content)
    return len(package.content)


async def _known(client: HeliostatClient, full_name: str) -> Deployment | None:
    try:
        return await client.read_deployment_by_name(full_name)
    except NotFound:
        return None
