"""`deploy(...)` for code with and without a running event loop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from ..authoring.terminal import terminal_here
from ..foundation.errors import BadDeployment
from .register import Registered, register_all
from .spec import DeploymentSpec

if TYPE_CHECKING:
    from ..client.client import HeliostatClient


def deploy(*deployments: DeploymentSpec, work_pool_name: str | None = None) -> list[UUID]:
    """Create or update these deployments on the server; returns their ids.

    A deployment that names no pool runs in `work_pool_name`, else in its present pool, else in the default
    pool. The server keeps what the code does not give. All are checked before the first is made. Raises
    ServerUnavailable, NotFound for an unknown pool, PackageTooLarge, BadPackage; for several deployments
    BadDeployments, which lists all mistakes.
    """
    from ..client.client import get_client

    checked = _in_pools(deployments, work_pool_name)
    with get_client(sync_client=True) as client:
        return client.wait(_all(client.asynchronous, checked))


async def adeploy(*deployments: DeploymentSpec, work_pool_name: str | None = None) -> list[UUID]:
    """`deploy` for asynchronous code."""
    from ..client.client import get_client

    checked = _in_pools(deployments, work_pool_name)
    async with get_client() as client:
        return await _all(client, checked)


async def _all(client: HeliostatClient, specs: Sequence[DeploymentSpec]) -> list[UUID]:
    return [_told(done) async for done in register_all(client, specs)]


def _told(done: Registered) -> UUID:
    """Tell the person who runs a deploying script what was done, and how to run it."""
    terminal = terminal_here()
    if terminal.level <= logging.INFO:
        for text in done.notes:
            terminal.write(f"{text}.")
        terminal.write(f"Deployed {done.full_name}. hint: heliostat deployment run {done.full_name!r}")
    return done.id


def _in_pools(deployments: Sequence[DeploymentSpec], work_pool_name: str | None) -> list[DeploymentSpec]:
    if not deployments:
        raise BadDeployment("There is nothing to deploy.", hint="deploy(my_flow.to_deployment('name'), ...)")
    return [
        spec if spec.work_pool_name or work_pool_name is None else spec.in_pool(work_pool_name)
        for spec in deployments
    ]
