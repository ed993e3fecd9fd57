"""One active work pool: claims runs that are due, hands each to a supervisor, and sees that it ends.

`WorkPool` is the plain class; `WorkPoolActor` hosts it on Ray. Its state may be lost at any moment: the
database says what is to be done, and leases keep two pools, or a pool and its earlier self, from doing it
twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ..pools.templates import job_configuration, read_job_template
from ..runtime.foundation import clock
from ..runtime.foundation.errors import (
    BadJobTemplate,
    BadJobVariables,
    HeliostatError,
    LeaseHeld,
    NotFound,
    StaleState,
    Unavailable,
)
from ..runtime.foundation.long_lived import Tasks, about
from ..runtime.foundation.settings import current_settings
from ..runtime.records import LogLine, Owner
from ..runtime.states import Cancelled, Crashed, State
from ..runtime.store import (
    claims,
    deployments,
    flow_run_changes,
    flow_runs,
    leases,
    logs,
    losses,
    scheduled_runs,
    set_aside,
    work_queues,
    workers,
)
from ..runtime.store import work_pools as pool_verbs
from ..runtime.store.database.database import Database
from ..runtime.store.database.feed import POOLS, RUNS, Feed
from ..runtime.store.database.rows import FlowRunRow, Lease
from ..runtime.store.deployment_rows import DeploymentRow, WorkPoolRow
from ..runtime.store.fences import Fence
from .assignments import Assignment, CodeSource, Ended, ProcessSpec
from .hosts import Host, HostLost, Hosts, Unplaceable

_log = logging.getLogger("heliostat.actors")
_DIED = "its process died: the run goes on in another one"
_LOOK_EVERY_S = 1.0  # for runs that became due, which is not announced
_TIDY_EVERY_S = 5.0
_HEARTBEAT_EVERY_S = 10
_AS_WORKER = "ray"  # the pool's name in its list of workers
_AT_ONCE = 32  # runs that one claim takes
_AHEAD = 8  # claimed runs that wait for a process
_PLACE_AGAIN_S = 10.0
_CANCEL_WITHIN_S = 10.0  # from being told to cancel until the process is killed
_CANCEL_OTHERS_WITHIN_S = 40.0  # when the supervisor has the run executed by another program


@dataclass(slots=True)
class _Carried:
    """A run that this pool brings to its end."""

    assignment: Assignment
    epoch_owner: UUID | None  # the owner of the lease while no supervisor holds it
    host: Host | None = None
    cancel_seen_s: float | None = None


class WorkPool:
    """Runs on one event loop until `close`."""

    def __init__(
        self, db: Database, feed: Feed, pool: WorkPoolRow, hosts: Hosts, owner: Owner, lease_s: float
    ) -> None:
        self._db = db
        self._pool = pool
        self._hosts = hosts
        self._owner = owner
        self._lease_s = lease_s
        self._changes = feed.subscribe(RUNS, POOLS)
        self._room = asyncio.Event()
        self._carried: dict[UUID, _Carried] = {}
        self._unplaced: dict[UUID, float] = {}  # by run: since when (monotonic) no process can be had for it
        self.grows: Callable[[], bool] = lambda: False  # whether the cluster adds nodes by itself
        self._hosts.on_room = self._room.set
        self._tasks = Tasks(_log)
        for name, take in (
            ("claims", self._claim_or_wait),
            ("housekeeping", self._tidy),
            ("heartbeats", self._beat),
            ("leases of waiting runs", self._renew),
        ):
            self._tasks.keep(f"pool {pool.name}: {name}", take)

    @property
    def carried(self) -> dict[UUID, str | None]:
        """The runs under way, with the names of their supervisors."""
        return {
            run_id: each.host.process.name if each.host is not None else None
            for run_id, each in self._carried.items()
        }

    async def close(self) -> None:
        """Stop; processes and runs are left to the next actor of the pool."""
        await self._tasks.close()

    def carry(self, assignment: Assignment, host: Host | None = None) -> None:
        """See that a run whose lease this pool holds ends; `host` is the process that executes it already."""
        carried = _Carried(assignment, self._owner.id if host is None else None, host)
        self._carried[assignment.run_id] = carried
        self._tasks.start(f"run {assignment.run_id}", self._carry(carried))

    # Claiming.

    async def _claim_or_wait(self) -> None:
        if not await self._claim():
            await self._wait()

    async def _wait(self) -> None:
        """Wait until a run may be due, or a process is free again."""
        if self._hosts.waiting >= _AHEAD:
            self._room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), _LOOK_EVERY_S)
            return
        await self._changes.wait(_LOOK_EVERY_S)

    async def _claim(self) -> int:
        room = _AT_ONCE - self._hosts.waiting if self._hosts.waiting < _AHEAD else 0
        if room <= 0:
            return 0
        claimed = await claims.claim(self._db, self._pool.id, room, self._owner, self._lease_s)
        if not claimed:
            return 0
        if claimed[0].pool_updated != self._pool.updated:
            with suppress(NotFound):  # the pool was deleted meanwhile; its claimed runs go on
                self._pool = await self._retrying(pool_verbs.read_by_id, self._pool.id)
        for run in claimed:
            try:
                code = _code_of(run.code_revision, run.path, run.pull_steps)
                self.carry(
                    self._assignment(run.run_id, run.epoch, code, run.deployment_variables, run.job_variables)
                )
            except HeliostatError as error:
                _log.warning("run %s cannot be set up: %s", run.run_id, error)
                await self._finish(run.run_id, run.epoch, Crashed(str(error)))
            except Exception as error:
                await self._set_aside(run.run_id, "it could not be set up", error)
        return len(claimed)

    def _assignment(
        self, run_id: UUID, epoch: int, code: CodeSource, *variables: dict[str, Any] | None
    ) -> Assignment:
        """Raises BadJobVariables when the run cannot be set up."""
        template = read_job_template(self._pool.base_job_template)
        configuration = job_configuration(template, *variables)
        try:
            retries = configuration.get("crash_retries")
            crash_retries = 3 if retries is None else int(retries)
            spec = ProcessSpec.of(configuration)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadJobVariables(
                f"What the pool's template makes of the job variables is no job: {error}",
                hint=f"heliostat work-pool inspect {self._pool.name} shows the template",
            ) from error
        if code.pull_steps is not None:  # pull steps may bring other code each time
            spec = replace(spec, isolation="fresh")
        return Assignment(run_id, epoch, code, spec, crash_retries)

    # Runs that another process has begun.

    async def rescue(self, run_id: UUID, dead_epoch: int, *, is_loss: bool = True) -> None:
        """Go on with a run whose owner is dead; harmless when the run has a new owner.

        `is_loss`: a process that executed it died; a run may lose only so many processes.
        """
        try:
            await self._rescue(run_id, dead_epoch, is_loss)
        except HeliostatError as error:
            _log.info("run %s is not taken over: %s", run_id, error)
        except Exception as error:
            await self._set_aside(run_id, "it could not be taken over", error)

    async def _rescue(self, run_id: UUID, dead_epoch: int, is_loss: bool) -> None:
        if run_id in self._carried:
            return
        run = await self._retrying(flow_runs.read, run_id)
        if run.work_pool_id != self._pool.id:
            return  # a sub-flow run: the run that called it runs it again
        taken, lost = await self._take_from(run_id, dead_epoch, is_loss)
        try:
            deployment = await self._deployment_of(run)
            path, steps = (None, None) if deployment is None else (deployment.path, deployment.pull_steps)
            layers = (None if deployment is None else deployment.job_variables, run.job_variables)
            assignment = self._assignment(
                run_id, taken.epoch, _code_of(run.code_revision, path, steps), *layers
            )
        except (BadJobTemplate, BadJobVariables) as error:
            await self._finish(run_id, taken.epoch, Crashed(str(error)))
            return
        if await self._goes_on(run, taken.epoch) and not await self._is_given_up(assignment, lost):
            _log.warning("run %s goes on: its process was lost", run_id)
            self.carry(assignment)

    async def _take_from(self, run_id: UUID, dead_epoch: int, is_loss: bool) -> tuple[Lease, int]:
        """The lease of a run whose owner is dead, and how often the run has lost its process."""
        if is_loss:
            return await self._retrying(
                losses.take_over, run_id, self._owner, self._lease_s, dead_epoch, _DIED
            )
        taken = await self._retrying(leases.take, run_id, self._owner, self._lease_s, dead_epoch=dead_epoch)
        return taken, 0

    async def _is_given_up(self, assignment: Assignment, lost: int) -> bool:
        """Crash a run that has lost its process too often; whether it was."""
        if lost <= assignment.crash_retries:
            return False
        await self._finish(assignment.run_id, assignment.epoch, Crashed(f"its process died {lost} times"))
        return True

    async def _deployment_of(self, run: FlowRunRow) -> DeploymentRow | None:
        if run.deployment_id is not None:
            with suppress(NotFound):  # it was deleted; its run is not
                return await self._retrying(deployments.read, run.deployment_id)
        return None

    async def _goes_on(self, run: FlowRunRow, epoch: int) -> bool:
        """Whether a run that was taken over is to be executed; ends it otherwise."""
        if run.state_type == "CANCELLING":
            await self._finish(run.id, epoch, Cancelled("its process was lost while it was being cancelled"))
        elif run.state_type not in ("PENDING", "RUNNING"):
            await self._retrying(leases.release, run.id, epoch, self._owner.id)
        else:
            return True
        return False

    async def recover(self) -> None:
        """Take up the runs that an earlier actor of the pool had claimed and not handed over."""
        for run_id, epoch in await leases.held_by(self._db, self._owner.id):
            await self.rescue(run_id, epoch, is_loss=False)

    # Carrying a run.

    async def _carry(self, carried: _Carried) -> None:
        run_id = carried.assignment.run_id
        try:
            while not await self._execute(carried):
                if not await self._take_over(carried):
                    return
        except Unplaceable as error:
            await self._put_back(carried, error)
        except (LeaseHeld, NotFound) as gone:
            _log.info("run %s has another owner by now, or was deleted: %s", run_id, gone)
        except Exception as error:
            await self._set_aside(run_id, "it could not be brought to its end", error)
        finally:
            self._carried.pop(run_id, None)

    async def _execute(self, carried: _Carried) -> bool:
        """Have the run executed; False when the process was lost."""
        host = carried.host
        if host is None:
            host = await self._hosts.take(carried.assignment)
            carried.host, carried.epoch_owner = host, None
            self._unplaced.pop(carried.assignment.run_id, None)
        try:
            ended: Ended = await host.process.execute(carried.assignment)
        except HostLost as lost:
            _log.warning("run %s: %s", carried.assignment.run_id, lost)
            self._hosts.discard_dead(host)
            await self._record_loss(carried.assignment.run_id, lost)
            return False
        except Exception as error:  # the process is not trusted with another run
            self._hosts.give_back(host, Ended(None, None, repr(error)))
            raise
        finally:
            carried.host = None
        self._hosts.give_back(host, ended)
        if ended.error is not None:
            _log.warning("run %s was not executed to its end: %s", carried.assignment.run_id, ended.error)
            if not ended.is_elsewhere:
                await self._crash(carried.assignment.run_id, ended.error, ended.owner)
        return True

    async def _crash(self, run_id: UUID, reason: str, supervisor: UUID | None) -> None:
        """Crash a run that its process, though alive, no longer executes, unless the run has ended or has
        another owner by now.
        """
        run = await self._retrying(flow_runs.read, run_id)
        if _is_final(run.state_type):
            return
        fence = Fence(frozenset({self._owner.id, supervisor, None}), is_at_work=True, releases=True)
        if await self._written(run_id, Crashed(reason), fence):
            line = LogLine(clock.epoch_s(), logging.ERROR, "heliostat.engine", reason, None)
            await self._retrying(logs.create, [(run_id, line)])

    async def _take_over(self, carried: _Carried) -> bool:
        """Take the lease of a run whose process died; False when the run is over or given up."""
        run_id, assignment = carried.assignment.run_id, carried.assignment
        lease = await self._retrying(leases.read, run_id)
        run = await self._retrying(flow_runs.read, run_id)
        if _is_final(run.state_type):
            return False
        dead_epoch = lease.epoch if lease is not None else None
        taken, lost = await self._retrying(
            losses.take_over, run_id, self._owner, self._lease_s, dead_epoch, _DIED
        )
        carried.assignment, carried.epoch_owner = replace(assignment, epoch=taken.epoch), self._owner.id
        return await self._goes_on(run, taken.epoch) and not await self._is_given_up(carried.assignment, lost)

    async def _put_back(self, carried: _Carried, reason: HeliostatError) -> None:
        """Let a run for which no process can be had wait, with the reason in its state."""
        assignment, now, limit_s = carried.assignment, clock.monotonic_s(), current_settings().unplaceable_s
        since = self._unplaced.setdefault(assignment.run_id, now)
        if limit_s and now - since >= limit_s and not self.grows():
            del self._unplaced[assignment.run_id]
            why = f"{reason}, and no process could be had within {limit_s:g} s"
            return await self._finish(assignment.run_id, assignment.epoch, Crashed(why))
        text = f"{reason}: it waits until such a node joins"
        put_back = await self._retrying(
            scheduled_runs.release,
            assignment.run_id,
            assignment.epoch,
            self._owner.id,
            delay_s=_PLACE_AGAIN_S,
            message=text,
        )
        if put_back:
            line = LogLine(clock.epoch_s(), logging.WARNING, "heliostat.engine", text, None)
            await self._retrying(logs.create, [(assignment.run_id, line)])

    async def _finish(self, run_id: UUID, epoch: int, final: State) -> None:
        """Write the final state of a run whose lease this pool holds, unless it has another owner by now."""
        await self._written(run_id, final, Fence(frozenset({self._owner.id}), epoch, releases=True))

    async def _set_aside(self, run_id: UUID, doing: str, error: Exception) -> None:
        """End a run that makes the pool's own code fail, unless it has another owner by now."""
        fence = Fence(frozenset({self._owner.id, None}), is_at_work=True, releases=True)
        await self._retrying(set_aside.flow_run, run_id, doing, error, fence)

    async def _written(self, run_id: UUID, final: State, fence: Fence) -> bool:
        try:
            await self._retrying(flow_run_changes.propose, run_id, final, force=True, fence=fence)
        except (StaleState, NotFound) as gone:
            _log.info("run %s is not recorded as %s: %s", run_id, final.name, gone)
            return False
        return True

    async def _record_loss(self, run_id: UUID, lost: HostLost) -> None:
        at = clock.epoch_s()
        lines = [LogLine(at, logging.ERROR, "heliostat.engine", str(lost), None)]
        lines += [LogLine(at, logging.INFO, "stderr", text, None) for text in lost.last_lines]
        with suppress(Unavailable, OSError):
            await logs.create(self._db, [(run_id, line) for line in lines])

    async def _retrying(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a store verb, and try again while the database is away."""
        backoff_s = 0.05
        while True:
            try:
                return await verb(self._db, *args, **kwargs)
            except (Unavailable, OSError) as error:
                _log.debug("pool %s: %s", self._pool.name, error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, 2.0)

    # Housekeeping.

    async def _tidy(self) -> None:
        self._hosts.warm_up()
        self._hosts.shrink()
        await self._kill_overdue()
        await asyncio.sleep(_TIDY_EVERY_S if not self._carried else 1.0)

    async def _beat(self) -> None:
        """Record that the pool and its queues are being served."""
        with suppress(NotFound):  # the pool was deleted: this actor ends in a moment
            await workers.heartbeat(self._db, self._pool.name, _AS_WORKER, _HEARTBEAT_EVERY_S)
            queues = await work_queues.list(self._db, self._pool.name)
            await work_queues.polled(self._db, [queue.id for queue in queues])
        await asyncio.sleep(_HEARTBEAT_EVERY_S)

    async def _kill_overdue(self) -> None:
        """Kill the processes of runs that were told to cancel and did not end in time."""
        from ..runtime.store import commands

        executed = {run_id: each for run_id, each in self._carried.items() if each.host is not None}
        asked = {each.run_id: each.kind for each in await commands.pending(self._db, list(executed))}
        now = clock.monotonic_s()
        for run_id, carried in executed.items():
            if asked.get(run_id) not in ("cancel", "stop"):
                carried.cancel_seen_s = None
            elif carried.cancel_seen_s is None:
                carried.cancel_seen_s = now
            elif (late_s := now - carried.cancel_seen_s) > _CANCEL_WITHIN_S and carried.host is not None:
                with about(f"flow run {run_id}"), suppress(NotFound):
                    if not await self._has_time(run_id, late_s):
                        self._kill(run_id, carried.host, asked)

    async def _has_time(self, run_id: UUID, late_s: float) -> bool:
        """Whether the supervisor of a run that was told to end still has time to end it."""
        lease = await leases.read(self._db, run_id)
        if lease is None or lease.owner is None:
            return True  # the supervisor has let go of the run, but its hooks may still run
        run = await flow_runs.read(self._db, run_id)
        return run.infrastructure_pid is not None and late_s <= _CANCEL_OTHERS_WITHIN_S

    def _kill(self, run_id: UUID, host: Host, asked: Mapping[UUID, str]) -> None:
        """Kill a process; one with other runs takes no new ones, and is killed when those have ended."""
        host.retiring = True
        inside = [each for each, carried in self._carried.items() if carried.host is host]
        if all(asked.get(each) in ("cancel", "stop") for each in inside):
            _log.warning("run %s does not stop: its process is killed", run_id)
            host.process.kill()

    async def _renew(self) -> None:
        """Keep the leases of runs that wait for a process."""
        await asyncio.sleep(self._lease_s / 3)
        held = [
            (each.assignment.run_id, each.assignment.epoch, each.epoch_owner)
            for each in self._carried.values()
            if each.epoch_owner is not None
        ]
        if held:
            await leases.renew(self._db, held, self._lease_s)


def _code_of(
    revision: str | None, path: str | None, pull_steps: Sequence[Mapping[str, Any]] | None
) -> CodeSource:
    if revision is not None and len(revision) == 64:
        return CodeSource(revision)
    return CodeSource(path=path, pull_steps=json.dumps(pull_steps) if pull_steps else None)


def _is_final(state_type: str | None) -> bool:
    return state_type in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
