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

from ..runtime.engine.owner import owner_of_this_process
from ..runtime.settings import current_settings
from ..runtime.store import leases, work_pools
from ..runtime.store.database import Database
from ..runtime.store.feed import Feed
from . import names
from .hosts import HostLimits, Hosts
from .jobs import Setting
from .ray_processes import RayLauncher, RayProcess
from .surroundings import settle_in, without_database
from .work_pool import WorkPool

_ray: Any = ray
_log = logging.getLogger("heliostat.actors")


class WorkPoolActor:
    """An asynchronous actor; `start` is called by the keeper and again does nothing."""

    def __init__(self, pool_id: UUID, environment: dict[str, str]) -> None:
        settle_in(environment)
        self._mark = names.mark_of(environment)
        self._pool_id = pool_id
        self._environment = environment
        self._pool: WorkPool | None = None
        self._hosts: Hosts | None = None
        self._starting = asyncio.get_event_loop().create_task(self._start())

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
                "isolation": host.setting.isolation,
                "runs": host.runs,
                "active": host.active,
            }
            for host in (self._hosts.all if self._hosts is not None else [])
        ]

    async def _start(self) -> None:
        """Begin to work; while the database or Ray are away, again and again."""
        while True:
            try:
                return await self._begin()
            except Exception as error:
                _log.warning("the work pool does not start: %s", error)
                await asyncio.sleep(1.0)

    async def _begin(self) -> None:
        settings = current_settings()
        db = await Database.open(settings.database_url)
        row = await work_pools.read_by_id(db, self._pool_id)
        launcher = RayLauncher(row.name, self._mark, without_database(self._environment))
        left_over = await asyncio.to_thread(launcher.left_over)  # before new ones are made
        cpus = max(2, int(_ray.cluster_resources().get("CPU", 2)))
        hosts = self._hosts = Hosts(launcher, HostLimits(enough=cpus, starting=cpus))
        # The same owner before and after a restart: what it had claimed and not begun is still its own.
        owner = replace(owner_of_this_process(), id=uuid5(self._pool_id, "work pool"))
        pool = self._pool = WorkPool(db, await Feed.open(db), row, hosts, owner, settings.lease_s)
        await pool.recover()
        await self._find_supervisors(db, pool, hosts, left_over)

    async def _find_supervisors(
        self, db: Database, pool: WorkPool, hosts: Hosts, left_over: list[RayProcess]
    ) -> None:
        """Those of this actor's past: idle ones are used again, the runs of busy ones are watched."""
        busy = await _holders()
        for process in left_over:
            asyncio.get_running_loop().create_task(self._attach(db, pool, hosts, process, busy))

    async def _attach(
        self, db: Database, pool: WorkPool, hosts: Hosts, process: RayProcess, busy: dict[str, list[UUID]]
    ) -> None:
        """Wait until a supervisor answers, which it does between two runs, or is dead."""
        try:
            described = await process.describe()
            if described.mark != self._mark:
                process.kill()  # of an older version; what it executed has ended
                return
        except RayError:
            for run_id in busy.get(process.name, ()):
                await _carry_on(db, pool, run_id)
            return
        isolation = process.name.split(":")[-2]
        if isolation == "pooled":
            hosts.adopt(process, Setting(), described)
        elif isolation == "fresh":
            process.kill()
        else:
            hosts.adopt(process, Setting(isolation="shared"), described)


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
