"""The default pool, a Ray pool that every server has, for deployments that name no pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..runtime.foundation.errors import NoWorkPool
from ..runtime.store import work_pools
from ..runtime.store.database.database import Database
from ..runtime.store.deployment_rows import NewWorkPool
from .builtin_types import ray

T = TypeVar("T")

_POOL = NewWorkPool(
    work_pools.DEFAULT_POOL,
    ray.type,
    description="Runs flows on the Ray cluster of this server.",
    base_job_template=ray.default_base_job_template(),
)


async def ensure_default_pool(db: Database) -> None:
    """Make the default pool if it does not exist; a changed one is not touched."""
    await work_pools.get_or_create(db, _POOL)


async def placed(db: Database, pool_name: str | None, act: Callable[[], Awaitable[T]]) -> T:
    """The result of `act`, which puts an object into the pool of that name, or into the default pool.

    A deleted default pool is made again when no pool is named. Raises NoWorkPool for an unknown name.
    """
    try:
        return await act()
    except NoWorkPool:
        if pool_name is not None:
            raise
    await ensure_default_pool(db)
    return await act()
