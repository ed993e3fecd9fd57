"""The polling worker: finds waiting runs of a pool and has a runner execute them on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from ...runtime.client.client import HeliostatClient
from ...runtime.client.records import FlowRun, WorkPool
from ...runtime.foundation import clock
from ...runtime.foundation.errors import HeliostatError, NotFound, Unavailable, UserError
from ...runtime.foundation.long_lived import Tasks
from ...runtime.running.api import ClientApi
from ...runtime.running.run_access import RunAccess
from ...runtime.running.runner import Job, Runner, RunnerTimes
from ..known_types import find_pool_type
from .jobs import process_job

_log = logging.getLogger("heliostat.worker")

DEFAULT_TYPE = "process"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of a worker. `limit`: runs at once; None: any number. Times are in seconds."""

    pool: str
    name: str = ""  # "": a name made of host and process id
    queues: Sequence[str] = ()  # empty: all queues of the pool
    limit: int | None = None
    create_pool_if_not_found: bool = True
    base_job_template: Mapping[str, Any] | None = None  # of a pool that it makes; None: that of the type
    type: str | None = None  # the type of a pool that it makes, and that an existing pool must have
    prefetch_s: float = 10.0  # runs are fetched this long before they are due
    poll_s: float = 2.0
    heartbeat_s: float = 30.0
    crash_retries: int = 2


class Worker:
    """Polls one pool. `run()` polls until `stop_polling()`, then waits for running runs.

    Two workers may find one run: only one of them can move it to PENDING and execute it.
    """

    def __init__(
        self, client: HeliostatClient, options: WorkerOptions, times: RunnerTimes | None = None
    ) -> None:
        self._client = client
        self._options = options
        self.name = options.name or f"process-{platform.node()}-{os.getpid()}"
        self.runner = Runner(
            ClientApi(client),
            self.job_of,
            limit=options.limit,
            crash_retries=options.crash_retries,
            times=times,
        )
        self._access = RunAccess(client)
        self._pool: WorkPool | None = None
        self._stopping = asyncio.Event()
        self._polled_s: float | None = None

    async def run(self, *, drain_s: float | None = None) -> None:
        """Poll until `stop_polling`; then wait up to `drain_s` seconds (None: for ever) for running runs.

        Raises the errors of `prepare` before the first poll.
        """
        await self.prepare()
        tasks = Tasks(_log)
        tasks.keep("heartbeats", self._keep_beating)
        polling = tasks.keep("polling", self._poll_and_wait)
        try:
            await self._stopping.wait()
            polling.cancel()
            await asyncio.wait([polling])
            await self.runner.drain(drain_s)
        finally:
            await tasks.close()
            await self.runner.stop()

    async def run_once(self) -> int:
        """Execute the runs that are due now, and wait for their end; returns their number. Raises the errors
        of `prepare`.
        """
        await self.prepare()
        found = await self._poll(0.0)
        taken = self.runner.offer(found)
        await self.runner.idle()
        await self.runner.stop()
        return taken

    def stop_polling(self) -> None:
        """Take no more runs; `run` returns when the present ones have ended."""
        self._stopping.set()

    async def prepare(self) -> WorkPool:
        """Find or make the pool, check that this worker can serve it, and send the first heartbeat. Raises
        NotFound (pool, queue), UserError (a pool of another type), ServerUnavailable.
        """
        options = self._options
        try:
            pool = await self._client.read_work_pool(options.pool)
        except NotFound:
            if not options.create_pool_if_not_found:
                raise
            kind = find_pool_type(options.type or DEFAULT_TYPE)
            given = options.base_job_template
            template = kind.default_base_job_template() if given is None else dict(given)
            pool = await self._client.create_work_pool(options.pool, kind.type, base_job_template=template)
            _log.info("made the work pool %r of type %s", options.pool, kind.type)
        if pool.type != (options.type or DEFAULT_TYPE):
            raise UserError(
                f"The work pool {options.pool!r} is of type {pool.type}, not {options.type or DEFAULT_TYPE}.",
                hint="Heliostat runs the jobs of ray pools itself, without workers"
                if pool.type == "ray"
                else "name a pool of type process: heliostat work-pool ls",
            )
        for queue in options.queues:
            await self._client.read_work_queue_by_name(queue, options.pool)
        if not pool.base_job_template:
            template = find_pool_type(pool.type).default_base_job_template()
            await self._client.update_work_pool(options.pool, base_job_template=template)
            pool = await self._client.read_work_pool(options.pool)
        self._pool = pool
        await self._beat()
        return pool

    async def job_of(self, run: FlowRun) -> Job:
        """How to start a run's process: by the pool's template and the variables of the deployment and the
        run.
        """
        deployment_variables: dict[str, Any] = {}
        if run.deployment_id is not None:
            deployment_variables = (await self._client.read_deployment(run.deployment_id)).job_variables
        assert self._pool is not None
        return process_job(
            self._pool.base_job_template,
            deployment_variables,
            run.job_variables,
            run_id=run.id,
            api_url=self._client.api_url,
            access=await self._access.variables(run.id),
        )

    @property
    def run_ids(self) -> set[UUID]:
        """The runs that this worker has taken and that have not ended."""
        return self.runner.run_ids

    def since_poll_s(self) -> float | None:
        """How long ago the server answered a poll; None: it never did."""
        return None if self._polled_s is None else clock.monotonic_s() - self._polled_s

    async def _poll_and_wait(self) -> None:
        try:
            self.runner.offer(await self._poll(0.0))
            if self.runner.room != 0 and self._options.prefetch_s:
                # A separate query: runs that are not due must not displace those that are due.
                self.runner.offer(await self._poll(self._options.prefetch_s))
        except Unavailable:
            raise
        except HeliostatError as error:
            _log.error("cannot poll: %s%s", error, f" ({error.hint})" if error.hint else "")
        await asyncio.sleep(self._options.poll_s)

    async def _poll(self, ahead_s: float) -> list[FlowRun]:
        """Runs that are due within that many seconds."""
        room = self.runner.room
        if room == 0:
            self._polled_s = clock.monotonic_s()  # it has all the runs that it may have: it is well
            return []
        # Runs taken already may still be SCHEDULED, so the query may return them, too.
        asked = None if room is None or ahead_s else min(200, room + len(self.runner.run_ids))
        found = await self._client.get_scheduled_flow_runs_for_work_pool(
            self._options.pool,
            list(self._options.queues) or None,
            clock.now() + timedelta(seconds=ahead_s),
            asked,
        )
        self._polled_s = clock.monotonic_s()
        return found

    async def _keep_beating(self) -> None:
        await asyncio.sleep(self._options.heartbeat_s)
        await self._beat()
        # The pool's template may have changed; a run uses the template at its start.
        self._pool = await self._client.read_work_pool(self._options.pool)

    async def _beat(self) -> None:
        await self._client.send_worker_heartbeat(self._options.pool, self.name, self._options.heartbeat_s)
