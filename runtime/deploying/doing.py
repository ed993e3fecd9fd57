"""`deploy(...)` for code with and without a running event loop."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ..errors import BadDeployment
from .register import register
from .spec import DEFAULT_WORK_POOL, DeploymentSpec


def deploy(*deployments: DeploymentSpec, work_pool_name: str | None = None) -> list[UUID]:
    """Let the server know these deployments; gives their ids.

    Those that name no pool of their own run in `work_pool_name`, or in the default one. Raises
    ServerUnavailable, NotFound for an unknown pool, PackageTooLarge, BadPackage.
    """
    from ..client.client import get_client

    checked = _in_pools(deployments, work_pool_name)
    with get_client(sync_client=True) as client:
        return [client.wait(register(client.asynchronous, spec)).id for spec in checked]


async def adeploy(*deployments: DeploymentSpec, work_pool_name: str | None = None) -> list[UUID]:
    """`deploy` for asynchronous code."""
    from ..client.client import get_client

    checked = _in_pools(deployments, work_pool_name)
    async with get_client() as client:
        return [(await register(client, spec)).id for spec in checked]


def _in_pools(deployments: Sequence[DeploymentSpec], work_pool_name: str | None) -> list[DeploymentSpec]:
    if not deployments:
        raise BadDeployment("There is nothing to deploy.", hint="deploy(my_flow.to_deployment('name'), ...)")
    return [
        spec if spec.work_pool_name else spec.in_pool(work_pool_name or DEFAULT_WORK_POOL)
        for spec in deployments
    ]
