"""Two runners that see one run: each looks first and proposes later, over HTTP.

Seen: the second runner had the run in view while the first took it and brought it to its end. Then the second
one's claim was accepted, since an ended run may begin again, and the run was executed twice. And a runner
whose process had died put a run that somebody had resumed meanwhile back to AwaitingRetry. A proposal now
names the state that was seen, and holds only while the run is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from waiting import wait_until

from heliostat import HeliostatClient
from heliostat.runtime.client.records import FlowRun
from heliostat.runtime.records import Owner
from heliostat.runtime.running.api import ClientApi
from heliostat.runtime.running.runner import Job, Runner, RunnerTimes
from heliostat.runtime.states import Pending, Running
from heliostat.runtime.store import flow_run_changes, leases
from heliostat.runtime.store.database.database import Database

PATIENCE_S = 60.0
TIMES = RunnerTimes(watch_s=0.05, retry_s=0.0)


@pytest.fixture
async def run(client: HeliostatClient) -> FlowRun:
    """A run of a deployment that is due, as whoever polls for it sees it."""
    deployment = await client.create_deployment(await client.create_flow_from_name("etl"), "nightly")
    return await client.create_flow_run_from_deployment(deployment)


def a_runner(api: Any, *words: str) -> Runner:
    async def job_of(run: FlowRun) -> Job:
        return Job(words, stream_output=False)

    return Runner(api, job_of, times=TIMES)


async def carried_out(runner: Runner, run: FlowRun) -> None:
    runner.offer([run])
    await asyncio.wait_for(runner.idle(), PATIENCE_S)
    await runner.stop()


async def test_a_run_that_another_runner_has_brought_to_its_end_is_not_executed_again(
    client: HeliostatClient, run: FlowRun, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    both = [a_runner(ClientApi(client), "sh", "-c", f"echo began >> {began}") for _ in range(2)]
    for runner in both:
        await carried_out(runner, run)
    assert began.read_text().split() == ["began"]
    states = [state.name for state in await client.read_flow_run_states(run.id)]
    assert states == ["Scheduled", "Pending", "Submitting", "Crashed"]  # its process said nothing


async def test_of_runners_that_claim_at_once_one_gets_the_run(
    client: HeliostatClient, run: FlowRun, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    runners = [a_runner(ClientApi(client), "sh", "-c", f"echo began >> {began}") for _ in range(5)]
    await asyncio.gather(*(carried_out(runner, run) for runner in runners))
    assert began.read_text().split() == ["began"]


class InTheGap(ClientApi):
    """Somebody resumes the run between the runner's look at it and what the runner says of it."""

    def __init__(self, client: HeliostatClient, database_url: str) -> None:
        super().__init__(client)
        self._url = database_url
        self.is_over = False

    async def losses(self, run_id: UUID) -> int:
        if not self.is_over:
            self.is_over = True
            db = await Database.open(self._url)
            await leases.take(db, run_id, Owner(uuid4(), "elsewhere", 7, 1.5), 60.0, force=True)
            await flow_run_changes.propose(db, run_id, Running(), force=True)
            await db.close()
        return await super().losses(run_id)

    async def log(self, run_id: UUID, lines: Iterable[str]) -> None: ...


async def test_a_run_that_is_resumed_while_its_loss_is_told_goes_on(
    client: HeliostatClient, run: FlowRun, database_url: str, tmp_path: Path
) -> None:
    api, go = InTheGap(client, database_url), tmp_path / "go"
    runner = a_runner(api, "sh", "-c", f"while [ ! -e {go} ]; do sleep 0.01; done; kill -9 $$")
    runner.offer([run])
    await wait_until(lambda: client.read_flow_run(run.id), lambda read: read.infrastructure_pid is not None)
    await client.set_flow_run_state(run.id, Running())
    go.touch()
    await asyncio.wait_for(runner.idle(), PATIENCE_S)
    await runner.stop()
    assert api.is_over
    assert (await client.read_flow_run(run.id)).state_name == "Running"


async def test_a_claim_that_is_sent_again_since_its_answer_was_lost_is_accepted_again(
    client: HeliostatClient, run: FlowRun
) -> None:
    api, claim = ClientApi(client), Pending()
    assert run.state is not None
    answers = [await api.propose(run.id, run.state.id, claim) for _ in range(2)]
    assert answers == ["accepted", "accepted"]
    assert await api.propose(run.id, run.state.id, Pending()) == "stale"
    states = [state.name for state in await client.read_flow_run_states(run.id)]
    assert states == ["Scheduled", "Pending"]
