"""A deployment onto a server: its code, then itself. Doing it again with nothing changed changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..code_packages import CodePackage, pack
from ..errors import NotFound
from .difference import Change, changes
from .spec import CODE_STEP, DeploymentSpec
from .timetable import with_known_anchors

if TYPE_CHECKING:
    from ..client.client import HeliostatClient
    from ..client.records import Deployment


@dataclass(frozen=True, slots=True)
class Plan:
    """What registering would do; `changes` is None where the deployment is new."""

    spec: DeploymentSpec
    package: CodePackage | None
    known: Deployment | None
    body: dict[str, Any]
    changes: Sequence[Change] | None


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of it."""

    id: UUID
    full_name: str
    changes: Sequence[Change] | None  # None: it is new
    code_revision: str | None
    uploaded_bytes: int  # 0: the server had the code already, or none is sent


async def plan(client: HeliostatClient, spec: DeploymentSpec) -> Plan:
    """What would be done; nothing is. Raises PackageTooLarge, BadPackage, NotFound for an unknown pool."""
    if spec.work_pool_name is not None:
        await client.read_work_pool(spec.work_pool_name)
    package = None if spec.project is None else await asyncio.to_thread(pack, spec.project)
    known = await _known(client, spec.full_name)
    body = _body(spec, package, known)
    return Plan(spec, package, known, body, None if known is None else changes(body, known))


async def register(client: HeliostatClient, spec: DeploymentSpec) -> Registered:
    """Make or update the deployment on the client's server; see `plan` for what is raised."""
    return await carry_out(client, await plan(client, spec))


async def carry_out(client: HeliostatClient, todo: Plan) -> Registered:
    """Do what was planned."""
    spec, package = todo.spec, todo.package
    uploaded = 0 if package is None else await _upload(client, package)
    if todo.known is not None and not todo.changes:
        deployment_id = todo.known.id
    else:
        flow_id = await client.create_flow_from_name(spec.flow_name)
        deployment_id = await client.create_deployment(flow_id, spec.name, **todo.body)
    revision = None if package is None else package.revision
    return Registered(deployment_id, spec.full_name, todo.changes, revision, uploaded)


def _body(spec: DeploymentSpec, package: CodePackage | None, known: Deployment | None) -> dict[str, Any]:
    """The fields that are sent. What is paused stays so unless the author says otherwise."""
    body: dict[str, Any] = dict(spec.fields)
    if body.get("paused") is None:
        body["paused"] = known is not None and known.paused
    steps = [dict(step) for step in spec.pull_steps or ()]
    if package is not None:
        steps = [{CODE_STEP: {"revision": package.revision}}]
        body["version"] = body.get("version") or package.revision[:12]
    body["pull_steps"] = steps or None
    body["entrypoint"] = spec.entrypoint
    body["schedules"] = with_known_anchors(spec.schedules, known.schedules if known else [])
    return body


async def _upload(client: HeliostatClient, package: CodePackage) -> int:
    """Send the package unless the server has it; gives the bytes that were sent."""
    if await client.has_code_package(package.revision):
        return 0
    await client.put_code_package(package.revision, package.content)
    return len(package.content)


async def _known(client: HeliostatClient, full_name: str) -> Deployment | None:
    try:
        return await client.read_deployment_by_name(full_name)
    except NotFound:
        return None
