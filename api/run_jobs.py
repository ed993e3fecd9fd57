"""Carries out jobs, changes of many flow runs, in the background of an API process.

Of several processes one works on a job at a time; when it dies, another goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..runtime.foundation.errors import NotFound, StaleState
from ..runtime.foundation.long_lived import Tasks, about
from ..runtime.states import AwaitingRetry, State, StateType
from ..runtime.store import flow_run_changes, flow_runs, run_jobs
from ..runtime.store.database.database import Database
from ..runtime.store.fences import Fence
from ..runtime.store.run_jobs import Item, Job, Outcome

_log = logging.getLogger("heliostat.api.jobs")

_LOOK_EVERY_S = 1.0
_AT_ONCE = 8
_Told = tuple[int, Outcome, str | None]


class RunJobs:
    """Works on jobs, one after the other, for the life of the application."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._tasks = Tasks(_log)
        self._wake = asyncio.Event()

    def start(self) -> None:
        self._tasks.keep("changing many runs", self._round)

    async def stop(self) -> None:
        await self._tasks.close()

    def look(self) -> None:
        """Tell it that there may be a new job."""
        self._wake.set()

    async def _round(self) -> None:
        self._wake.clear()
        job = await run_jobs.take(self._database())
        if job is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY_S)
            return
        with about(f"job {job.id}"):
            await carry_out(self._database(), job)


async def carry_out(db: Database, job: Job) -> None:
    """Give every run of a job that has not had its turn its turn, until the job is cancelled."""
    while items := await run_jobs.items(db, job.id, None, _AT_ONCE):
        told = await asyncio.gather(*(_change(db, job, item) for item in items))
        if not await run_jobs.note(db, job.id, told):
            return
    await run_jobs.finish(db, job.id)


async def _change(db: Database, job: Job, item: Item) -> _Told:
    try:
        if job.verb == "delete":
            await flow_runs.delete(db, item.flow_run_id)
            return item.number, "done", None
        fence = Fence(state_id=item.state_id)
        force = bool(job.asked.get("force"))
        became = await flow_run_changes.propose(
            db, item.flow_run_id, _wanted(job.verb, job.asked), force=force, fence=fence
        )
    except NotFound:
        return item.number, "gone", None
    except StaleState:
        return item.number, "changed", "its state has changed since"
    if became.written:
        return item.number, "done", None
    reason: str | None = getattr(became.verdict.decision, "reason", None)  # an Accept has none
    return item.number, "refused", reason or "the rules left it as it is"


def _wanted(verb: str, asked: dict[str, Any]) -> State:
    match verb:
        case "cancel":
            return State(StateType.CANCELLING, message=asked.get("message"))
        case "retry":
            return AwaitingRetry(message=asked.get("message") or "asked for by hand")
        case _:
            state: dict[str, Any] = asked["state"]
            return State(StateType(state["type"]), state.get("name") or "", state.get("message"))
