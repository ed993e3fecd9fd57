"""The journal's far end for processes that hold no database connection: supervisors and, through them,
workers.

`JournalHost` is the plain class; `JournalActor` gives it a name on the cluster. It answers store verbs,
commits what supervisors append (many supervisors in one transaction), renews their leases, and sends them
the commands for their runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from ..runtime.foundation import clock
from ..runtime.foundation.long_lived import Tasks
from ..runtime.journal.transport import StoreTransport
from ..runtime.records import Ack, FlowRunTransition, HeldLease, RunAppend
from ..runtime.store import commands, flow_runs, leases
from ..runtime.store.commands import Command
from ..runtime.store.database.database import Database
from ..runtime.store.database.feed import COMMANDS, Feed
from ..runtime.store.database.gathering import Gathering
from ..runtime.store.database.rows import Adopted
from ..runtime.store.leases import Taking
from . import names
from .surroundings import settle_in

_log = logging.getLogger("heliostat.actors")
_LOOK_EVERY_S = 2.0  # at the states of live runs, when nothing is announced
_AGAIN_S = 5.0  # a command that is not obeyed by then is sent once more
_FORGOTTEN_AFTER_S = 60.0  # a supervisor that asks for no commands this long is gone


class _Audience:
    """One supervisor: its runs, and the commands that it has not heard yet."""

    def __init__(self) -> None:
        self.runs: set[UUID] = set()
        self.told: dict[UUID, tuple[str, float]] = {}
        self.untold: list[Command] = []
        self.news = asyncio.Event()
        self.heard_s = clock.monotonic_s()


class JournalHost:
    """Serves supervisors on one event loop."""

    def __init__(self, db: Database, feed: Feed, lease_s: float) -> None:
        self._db = db
        self._transport = StoreTransport(db, lease_s)
        self._commits = Gathering(self._commit_together, _runs_of)
        self._audiences: dict[str, _Audience] = {}
        self._asked = feed.subscribe(COMMANDS)
        self._tasks = Tasks(_log)
        self._tasks.keep("what is asked of runs", self._wait_and_look)

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        """See Transport."""
        acks = await self._commits.do(appends)
        for append in appends:
            if any(isinstance(each, FlowRunTransition) and each.release for each in append.records):
                self._end(append.run_id)
        return acks

    async def _commit_together(self, several: Sequence[list[RunAppend]]) -> list[list[Ack] | Exception]:
        """The appends of many processes in one transaction."""
        acks = iter(await self._transport.commit([append for appends in several for append in appends]))
        return [[next(acks) for _ in appends] for appends in several]

    async def renew(self, leases: Sequence[HeldLease]) -> set[UUID]:
        """See Transport."""
        return await self._transport.renew(leases)

    async def call(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a store verb."""
        return await verb(self._db, *args, **kwargs)

    async def adopt(self, takings: Sequence[Taking], supervisor: str | None) -> list[tuple[bool, Any]]:
        """`flow_runs.adopt` for several runs of one process at once. The answer for each is `(True, Adopted)`
        or `(False, error)`. The supervisor holds the runs whose leases it gets.
        """
        return await asyncio.gather(*(answer(self._adopt(each, supervisor)) for each in takings))

    async def _adopt(self, taking: Taking, supervisor: str | None) -> Adopted:
        if supervisor is None:
            return await flow_runs.adopt(self._db, *taking)
        self.hold(supervisor, taking.run_id)
        try:
            return await flow_runs.adopt(self._db, *taking)
        except BaseException:
            self._end(taking.run_id)
            raise

    async def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
        """`leases.release`; no supervisor holds the run any more."""
        was_held = await leases.release(self._db, run_id, epoch, owner_id)
        self._end(run_id)
        return was_held

    def hold(self, supervisor: str, run_id: UUID) -> None:
        """Note that a supervisor executes the run from now on."""
        audience = self._audience(supervisor)
        audience.runs.add(run_id)
        audience.told.pop(run_id, None)

    def let_go(self, supervisor: str, run_id: UUID) -> None:
        """Note that a supervisor no longer executes the run."""
        self._audience(supervisor).runs.discard(run_id)

    def _end(self, run_id: UUID) -> None:
        for audience in self._audiences.values():
            audience.runs.discard(run_id)

    def holders(self) -> dict[UUID, str]:
        """The supervisor of each run, sub-flow runs included, as far as supervisors have reported."""
        return {run_id: name for name, each in self._audiences.items() for run_id in each.runs}

    async def commands(self, supervisor: str, runs: Sequence[UUID], timeout_s: float) -> list[Command]:
        """New commands for the supervisor's runs; waits up to `timeout_s` seconds for one."""
        audience = self._audience(supervisor)
        audience.runs |= set(runs)
        if not audience.untold:
            with suppress(TimeoutError):
                await asyncio.wait_for(audience.news.wait(), timeout_s)
        audience.heard_s = clock.monotonic_s()
        audience.news.clear()
        told, audience.untold = audience.untold, []
        return told

    async def close(self) -> None:
        await self._tasks.close()

    def _audience(self, supervisor: str) -> _Audience:
        known = self._audiences.get(supervisor)
        if known is None:
            known = self._audiences[supervisor] = _Audience()
        return known

    async def _wait_and_look(self) -> None:
        await self._asked.wait(_LOOK_EVERY_S)
        await self._look()

    async def _look(self) -> None:
        silent_since = clock.monotonic_s() - _FORGOTTEN_AFTER_S
        for name in [name for name, each in self._audiences.items() if each.heard_s < silent_since]:
            del self._audiences[name]
        holders, now = self.holders(), clock.monotonic_s()
        asked = {each.run_id: each for each in await commands.pending(self._db, list(holders))}
        for run_id, name in holders.items():
            audience, command = self._audiences.get(name), asked.get(run_id)
            if audience is None:
                continue
            if command is None:
                audience.told.pop(run_id, None)
                continue
            kind, at = audience.told.get(run_id, ("", 0.0))
            if kind != command.kind or now - at >= _AGAIN_S:
                audience.told[run_id] = (command.kind, now)
                audience.untold.append(command)
                audience.news.set()


class JournalActor:
    """`JournalHost` as an asynchronous actor. Errors travel as data: Ray would wrap them."""

    def __init__(self, environment: dict[str, str]) -> None:
        settle_in(environment)
        self._mark = names.mark_of(environment)
        self._host: JournalHost | None = None
        self._opening = asyncio.Lock()

    def version(self) -> str:
        return self._mark

    def pid(self) -> int:
        return os.getpid()

    async def commit(self, appends: list[RunAppend]) -> Any:
        return await answer(self._use("commit", appends))

    async def renew(self, leases: list[HeldLease]) -> Any:
        return await answer(self._use("renew", leases))

    async def call(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return await answer(self._use("call", verb, args, kwargs))

    async def adopt(self, takings: list[Taking], supervisor: str | None) -> Any:
        return await answer(self._use("adopt", takings, supervisor))

    async def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> Any:
        return await answer(self._use("release", run_id, epoch, owner_id))

    async def commands(self, supervisor: str, runs: list[UUID], timeout_s: float) -> Any:
        return await answer(self._use("commands", supervisor, runs, timeout_s))

    async def hold(self, supervisor: str, run_id: UUID) -> None:
        (await self._ready()).hold(supervisor, run_id)

    async def let_go(self, supervisor: str, run_id: UUID) -> None:
        (await self._ready()).let_go(supervisor, run_id)

    async def holders(self) -> dict[UUID, str]:
        return (await self._ready()).holders()

    async def _use(self, method: str, *args: Any) -> Any:
        return await getattr(await self._ready(), method)(*args)

    async def _ready(self) -> JournalHost:
        """The host, opened at first use and again while the database is away."""
        from ..runtime.foundation.settings import current_settings

        async with self._opening:
            if self._host is None:
                settings = current_settings()
                db = await Database.open(settings.database_url)
                self._host = JournalHost(db, await Feed.open(db), settings.lease_s)
            return self._host


def _runs_of(appends: list[RunAppend]) -> set[UUID]:
    # A resent append may wait beside the original.
    return {append.run_id for append in appends}


async def answer(work: Any) -> tuple[bool, Any]:
    """Await `work`: `(True, value)`, or `(False, error)` when it raises."""
    try:
        return True, await work
    except Exception as error:
        return False, error
