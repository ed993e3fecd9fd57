"""`WorkPool` on Ray: one actor for each pool of type `ray`, on the head node, rebuilt from the database when
it restarts.
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
    """An asynchronous actor that begins to work as soon as it is made."""

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
        """The pool's processes with the runs that they execute, for people."""
        carried = self._pool.carried if self._pool is not None else {}
        of_process: dict[str | None, list[str]] = {}
        for run_id, name in carried.items():
            of_process.setdefault(name, []).append(str(run_id))
        return [
            {
                "name": host.process.name,
                "node": host.node,
                "isolation": host.spec.isolation,
                "runs": host.runs,
                "active": host.active,
                "node_id": host.node_id,
                "pid": host.pid,
                "memory_bytes": host.rss_bytes,
                "run_ids": of_process.get(host.process.name, []),
            }
            for host in (self._hosts.all if self._hosts is not None else [])
        ]

    async def _start(self) -> None:
        """Begin to work; try again while the database or Ray is away."""
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
            left_over = await asyncio.to_thread(launcher.left_over)  # before any new ones start
            cpus = max(2, int(_ray.cluster_resources().get("CPU", 2)))
            hosts = Hosts(launcher, HostLimits(enough=cpus, starting=cpus))
            # The owner's id outlives a restart: runs claimed before and not begun still belong to the pool.
            owner = replace(owner_of_this_process(), id=uuid5(self._pool_id, "work pool"))
            feed = await Feed.open(db)
            pool = WorkPool(db, feed, row, hosts, owner, settings.lease_s)
            pool.grows = ray_cluster.grows
            await pool.recover()
        except BaseException:  # nothing of this attempt may go on when the next one begins
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
        """Watch the runs of a supervisor that an earlier actor of the pool started, and use it again when
        they have ended.

        It answers between two runs (a shared one at any time), unless it is dead.
        """
        try:
            while (described := await process.describe()).active:
                await asyncio.sleep(_LOOK_AGAIN_S)
        except RayError:
            later = await _holders()
            for run_id in {*busy.get(process.name, ()), *later.get(process.name, ())}:
                await _carry_on(db, pool, run_id)
            return
        except Exception as error:  # its description is not that of this version
            _log.warning("supervisor %s is of another version, and is ended: %r", process.name, error)
            process.kill()
            return
        if described.mark != self._mark:
            process.kill()  # of an older version; what it executed has ended
            return
        hosts.adopt(process, described)


async def _carry_on(db: Database, pool: WorkPool, run_id: UUID) -> None:
    """Rescue a run whose supervisor died unwatched, without waiting until its lease lapses."""
    lease = await leases.read(db, run_id)
    if lease is not None:
        await pool.rescue(run_id, lease.epoch)


async def _holders() -> dict[str, list[UUID]]:
    """The runs of each supervisor, as the journal actor knows them."""
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
