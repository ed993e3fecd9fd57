"""`WorkPool` on Ray: one actor a pool of type `ray`, on the head, rebuilt from the database when it is made
anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import ray
from ray.exceptions import RayError

from ..runtime.engine import ray_cluster
from ..runtime.engine.owner import owner_of_this_process
from ..runtime.foundation.long_lived import Failures, Tasks
from ..runtime.foundation.settings import current_settings
from ..runtime.store import leases, work_pools
from ..runtime.store.database.database import Database
from ..runtime.store.database.feed import Feed
from . import names
from .hosts import HostLimits, Hosts
from .ray_processes import RayLauncher, RayProcess
from .surroundings import for_runs, settle_in
from .work_pool import WorkPool

_ray: Any = ray
_log = logging.getLogger("heliostat.actors")
_LOOK_AGAIN_S = 1.0


class WorkPoolActor:
    """An asynchronous actor. It begins to work as soon as it is made."""

    def __init__(self, pool_id: UUID, environment: dict[str, str]) -> None:
        settle_in(environment)
        self._mark = names.mark_of(environment)
        self._pool_id = pool_id
        self._environment = environment
        self._pool: WorkPool | None = None
        self._hosts: Hosts | None = None
        self._tasks = Tasks(_log)
        self._tasks.start("start of a work pool", self._start())

    def version(self) -> str:
        return self._mark

    def pid(self) -> int:
        return os.getpid()

    async def carried(self) -> dict[UUID, str | None]:
        """The runs under way, with the names of their supervisors."""
        return self._pool.carried if self._pool is not None else {}

    async def supervisors(self) -> list[dict[str, Any]]:
        """What `heliostat ray status` shows of the pool's processes."""
        return [
            {
                "name": host.process.name,
                "node": host.node,
                "isolation": host.spec.isolation,
                "runs": host.runs,
                "active": host.active,
            }
            for host in (self._hosts.all if self._hosts is not None else [])
        ]

    async def _start(self) -> None:
        """Begin to work; while the database or Ray are away, again and again."""
        failures = Failures(f"the start of work pool {self._pool_id}", _log)
        while True:
            try:
                return await self._begin()
            except Exception as error:
                await asyncio.sleep(failures.note(error))

    async def _begin(self) -> None:
        settings = current_settings()
        db = await Database.open(settings.database_url)
        feed: Feed | None = None
        pool: WorkPool | None = None
        try:
            row = await work_pools.read_by_id(db, self._pool_id)
            launcher = RayLauncher(row.name, self._mark, for_runs(self._environment))
            left_over = await asyncio.to_thread(launcher.left_over)  # before new ones are made
            cpus = max(2, int(_ray.cluster_resources().get("CPU", 2)))
            hosts = Hosts(launcher, HostLimits(enough=cpus, starting=cpus))
            # The owner's id outlives a restart: what was claimed before and not begun is still the pool's.
            owner = replace(owner_of_this_process(), id=uuid5(self._pool_id, "work pool"))
            feed = await Feed.open(db)
            pool = WorkPool(db, feed, row, hosts, owner, settings.lease_s)
            pool.grows = ray_cluster.grows
            await pool.recover()
        except BaseException:  # begun anew in a moment: nothing of this attempt may be at work then
            if pool is not None:
                await pool.close()
            if feed is not None:
                await feed.close()
            await db.close()
            raise
        self._hosts, self._pool = hosts, pool
        busy = await _holders()
        for process in left_over:
            self._tasks.start(
                f"supervisor {process.name} found again", self._attach(db, pool, hosts, process, busy)
            )

    async def _attach(
        self, db: Database, pool: WorkPool, hosts: Hosts, process: RayProcess, busy: dict[str, list[UUID]]
    ) -> None:
        """A supervisor of this actor's past: the runs that it executes are watched, and it is used again when
        they have ended.

        It answers between two runs (a shared one at any time), or is dead.
        """
        try:
            while (described := await process.describe()).active:
                await asyncio.sleep(_LOOK_AGAIN_S)
        except RayError:
            later = await _holders()
            for run_id in {*busy.get(process.name, ()), *later.get(process.name, ())}:
                await _carry_on(db, pool, run_id)
            return
        except Exception as error:  # it does not describe itself as this version does
            _log.warning("supervisor %s is of another version, and is ended: %r", process.name, error)
            process.kill()
            return
        if described.mark != self._mark:
            process.kill()  # of an older version; what it executed has ended
            return
        hosts.adopt(process, described)


async def _carry_on(db: Database, pool: WorkPool, run_id: UUID) -> None:
    """The supervisor of a run died while nobody watched: its lease need not be waited for."""
    lease = await leases.read(db, run_id)
    if lease is not None:
        await pool.rescue(run_id, lease.epoch)


async def _holders() -> dict[str, list[UUID]]:
    """Who executes what, as the journal actor knows it."""
    journal = names.find(names.JOURNAL)
    if journal is None:
        return {}
    try:
        holders: dict[UUID, str] = await journal.holders.remote()
    except RayError:
        return {}
    held: dict[str, list[UUID]] = {}
    for run_id, name in holders.items():
        held.setdefault(name, []).append(run_id)
    return held
