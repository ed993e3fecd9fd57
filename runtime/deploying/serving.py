"""`serve`: deployments whose runs this process executes, each run in a child process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..client.client import HeliostatClient
from ..engine.owner import is_gone_process, owner_of_this_process
from ..foundation import clock
from ..foundation.errors import BadDeployment, HeliostatError
from ..foundation.long_lived import Tasks
from ..foundation.standard_streams import say
from .mistakes import Mistakes
from .register import register_all
from .spec import DeploymentSpec

if TYPE_CHECKING:
    from ..client.records import FlowRun
    from ..running.child import Job
    from ..running.run_access import RunAccess

_log = logging.getLogger("heliostat.runner")

_PAUSE_WITHIN_S = 8.0
POLL_S = 1.0
_LEASE_S = 30.0  # a process killed on another machine counts as serving for this long
_AHEAD_S = 10.0  # runs are fetched this long before they are due


def serve(*deployments: DeploymentSpec, pause_on_shutdown: bool = True, limit: int | None = None) -> None:
    """Deploy, then execute scheduled and requested runs, each in a child process on this machine, until
    Ctrl-C.

    The code is used from where it is; nothing is packed. On Ctrl-C no more runs are taken, the schedules are
    paused unless `pause_on_shutdown` is False, and running ones are waited for; a second Ctrl-C ends them,
    too. `limit` is the maximum of runs at once. All deployments are checked before the first is made. Raises
    ServerUnavailable, BadDeployment.
    """
    if not deployments:
        raise BadDeployment("There is nothing to serve.", hint="serve(my_flow.to_deployment('name'), ...)")
    mistakes, local = Mistakes(), list[DeploymentSpec]()
    for spec in deployments:
        with mistakes.of(spec.full_name):
            local.append(_local(spec))
    mistakes.tell(len(deployments))
    asyncio.run(_serve(local, pause_on_shutdown, limit))


def _local(spec: DeploymentSpec) -> DeploymentSpec:
    """The deployment changed to run in this process's children, from the project's folder."""
    if spec.work_pool_name is not None:
        raise BadDeployment(
            f"{spec.full_name} has a work pool, which runs it.", hint="use deploy, or give no pool"
        )
    check_variables(spec.fields.get("job_variables") or {}, spec.full_name)
    path = None if spec.project is None else str(spec.project)
    return replace(spec, project=None, fields={**spec.fields, "work_pool_name": None, "path": path})


async def _serve(specs: Sequence[DeploymentSpec], pause_on_shutdown: bool, limit: int | None) -> None:
    async with HeliostatClient() as client:
        made = [each async for each in register_all(client, specs)]
        names = ", ".join(each.full_name for each in made)
        known = {each.id: (await client.read_deployment(each.id)).job_variables for each in made}
        serving = Serving(client, known, limit)
        serving.stop_on_signals()
        say(f"Serving {names} through {client.api_url}. Ctrl-C ends it.")
        say(f"Run one with: heliostat deployment run {made[0].full_name}")
        for deployment_id in await serving.hold():
            name = next(each.full_name for each in made if each.id == deployment_id)
            say(f"{name} is paused by hand: heliostat deployment resume {name} lets its schedules run.")
        try:
            await serving.poll()
            if serving.runner.run_ids:
                say(f"Waiting for {len(serving.runner.run_ids)} run(s). Ctrl-C again ends them at once.")
        finally:
            try:
                paused = await serving.end(pause_on_shutdown)
                if paused:
                    say("The schedules are paused until it is served again.")
                elif pause_on_shutdown and paused is not None:
                    say("Another process serves it: the schedules go on.")
            finally:  # even then, running ones are waited for
                await serving.runner.drain()


@dataclass(frozen=True, slots=True)
class _Jobs:
    """Makes the specification of the process that executes a run."""

    api_url: str
    access: RunAccess
    variables: Mapping[UUID | None, Mapping[str, Any]] = field(default_factory=dict[UUID | None, Any])

    async def job_of(self, run: FlowRun) -> Job:
        from ..running.child import Job
        from ..running.runner import python_command

        env: dict[str, str | None] = {}
        for variables in (self.variables.get(run.deployment_id), run.job_variables):
            check_variables(variables or {}, run.name)
            env |= _env(variables or {})
        return Job(
            python_command(run.id),
            {
                **await self.access.variables(run.id),
                **env,
                "HELIOSTAT_API_URL": self.api_url,
                "HELIOSTAT_FLOW_RUN_ID": str(run.id),
                "PYTHONUNBUFFERED": "1",
            },
        )


def check_variables(variables: Mapping[str, Any], what: str) -> None:
    """Check job variables for serving, which only knows `env`; raises BadDeployment for others."""
    unknown = sorted(set(variables) - {"env"})
    if unknown:
        raise BadDeployment(
            f"{what}: the job variable {unknown[0]!r} has no effect on a served deployment.",
            hint="serve knows `env`; deploy it to a work pool for more",
        )
    if not isinstance(variables.get("env") or {}, Mapping):
        raise BadDeployment(f"{what}: env is not a mapping of names.", hint='"env": {"STAGE": "prod"}')


def _is_gone(server: Mapping[str, Any]) -> bool:
    """Whether another serving process was killed; only its own machine can tell before its lease ends."""
    return is_gone_process(server["host"], server["pid"], server["process_started"])


def _env(variables: Mapping[str, Any]) -> dict[str, str | None]:
    env: Mapping[str, Any] = variables.get("env") or {}
    return {str(name): None if value is None else str(value) for name, value in env.items()}


class Serving:
    """Finds the runs of some deployments and has them executed. Use on one event loop."""

    def __init__(
        self, client: HeliostatClient, deployments: Mapping[UUID, Mapping[str, Any]], limit: int | None
    ) -> None:
        """`deployments` maps the id of each deployment to its job variables."""
        from ..running.api import ClientApi
        from ..running.run_access import RunAccess
        from ..running.runner import Runner

        self._client = client
        self._ids = list(deployments)
        self._owner = owner_of_this_process()
        self._held_at = 0.0
        self._stopping = asyncio.Event()
        self._ending: set[asyncio.Future[None]] = set()
        jobs = _Jobs(client.api_url, RunAccess(client), {**deployments})
        self.runner = Runner(ClientApi(client), jobs.job_of, limit=limit)

    async def poll(self) -> None:
        """Take runs until `stop`. While the server is away, waits for it."""
        tasks = Tasks(_log)
        tasks.keep("polling", self._poll_and_wait)
        await self._stopping.wait()
        tasks.cancel()  # a server that does not answer must not keep this process from ending

    async def hold(self) -> list[UUID]:
        """Tell the server that this process serves; returns the deployments that are paused."""
        self._held_at = clock.monotonic_s()
        return await self._client.hold_served(self._owner, self._ids, _LEASE_S)

    async def _poll_and_wait(self) -> None:
        if clock.monotonic_s() - self._held_at >= _LEASE_S / 3:
            await self.hold()
        before = clock.now() + timedelta(seconds=_AHEAD_S)
        self.runner.offer(await self._client.get_scheduled_flow_runs_for_deployments(self._ids, before))
        await asyncio.sleep(POLL_S)

    def stop(self) -> None:
        """Take no more runs; called again, end the running ones, which continue when another process takes
        them.
        """
        if self._stopping.is_set():
            self._ending.add(asyncio.ensure_future(self.runner.stop()))
        self._stopping.set()

    async def end(self, pause: bool) -> list[UUID] | None:
        """Stop serving, and pause schedules that no other process serves: no process would take their runs.

        Returns the deployments that were paused; None when the server does not answer.
        """
        try:
            async with asyncio.timeout(_PAUSE_WITHIN_S):
                others = await self._client.read_other_servers(self._owner, self._ids)
                gone = [str(each["process_id"]) for each in others if _is_gone(each)]
                return await self._client.end_served(self._owner, self._ids, gone, pause)
        except (HeliostatError, TimeoutError) as error:
            _log.warning("The schedules could not be paused: %s", str(error) or "no answer")
            return None

    def stop_on_signals(self) -> None:
        """Call `stop` on Ctrl-C and SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
