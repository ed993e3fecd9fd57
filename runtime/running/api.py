"""The runner's calls to a server: routes of the standard, and the lease of a run whose process is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from ..client.client import HeliostatClient
from ..client.records import FlowRun
from ..engine.owner import is_dead
from ..foundation import clock
from ..journal.remote_verbs import remote_verb
from ..states import State
from ..store import leases, losses, seen_runs
from ..store.recorded_states import transition_of
from ..store.seen_runs import Told


class ClientApi:
    """See RunnerApi."""

    def __init__(self, client: HeliostatClient) -> None:
        self._client = client

    async def read(self, run_id: UUID) -> FlowRun:
        return await self._client.read_flow_run(run_id)

    async def propose(self, run_id: UUID, seen: UUID, state: State, *, is_unheld: bool = False) -> Told:
        return await self._ask(seen_runs.propose, run_id, seen, transition_of(state), is_unheld)

    async def started(self, run_id: UUID, infrastructure_pid: str) -> None:
        await self._client.update_flow_run(run_id, infrastructure_pid=infrastructure_pid)

    async def cancelling(self, run_ids: Iterable[UUID]) -> set[UUID]:
        wanted = {
            "id": {"any_": [str(run_id) for run_id in run_ids]},
            "state": {"type": {"any_": ["CANCELLING"]}},
        }
        return {run.id for run in await self._client.read_flow_runs(flow_run_filter=wanted)}

    async def let_go(self, run_id: UUID) -> None:
        lease = await self._ask(leases.read, run_id)
        if lease is not None and lease.owner is not None and is_dead(lease):
            await self._ask(leases.release, run_id, lease.epoch, lease.owner)

    async def losses(self, run_id: UUID) -> int:
        return await self._ask(losses.count, run_id)

    async def log(self, run_id: UUID, lines: Iterable[str]) -> None:
        at = clock.now().isoformat()
        body = [
            {
                "name": "heliostat.runner",
                "level": logging.ERROR,
                "message": line,
                "timestamp": at,
                "flow_run_id": str(run_id),
            }
            for line in lines
        ]
        await self._client.http.json("POST", "/logs/", body, repeatable=True)

    async def _ask(self, verb: Callable[..., Any], *args: Any) -> Any:
        remote = remote_verb(verb)
        path = f"/heliostat/recording/{remote.name}"
        answer = await self._client.http.send("POST", path, remote.dump_question(args, {}), repeatable=True)
        return remote.load_answer(answer.content)
