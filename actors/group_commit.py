"""Commits of many processes become few transactions: while one is under way, the next gathers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from ..runtime.errors import DatabaseUnavailable
from ..runtime.journal.records import Ack, RunAppend

_log = logging.getLogger("heliostat.actors")
Commit = Callable[[list[RunAppend]], Awaitable[list[Ack]]]
_Waiting = tuple[list[RunAppend], "asyncio.Future[list[Ack]]"]


class GroupCommit:
    """Hands the appends of all callers to `commit` together; belongs to one event loop."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: list[_Waiting] = []
        self._at_work: asyncio.Task[None] | None = None

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        """Make the appends durable; raises what the commit raises for them."""
        done: asyncio.Future[list[Ack]] = asyncio.get_running_loop().create_future()
        self._waiting.append((appends, done))
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            together = [append for appends, _ in batch for append in appends]
            try:
                acks = await self._commit(together)
            except DatabaseUnavailable as error:
                for _, done in batch:
                    _fail(done, error)
            except Exception as error:
                if len(batch) == 1:
                    _fail(batch[0][1], error)
                else:  # one caller's bad append must not fail the others
                    await self._one_by_one(batch)
            else:
                for appends, done in batch:
                    mine, acks = acks[: len(appends)], acks[len(appends) :]
                    if not done.done():
                        done.set_result(mine)

    def _next_batch(self) -> list[_Waiting]:
        """What waits, but each run once: a resend may wait beside the first sending."""
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        runs: set[UUID] = set()
        for entry in self._waiting:
            mine = {append.run_id for append in entry[0]}
            if runs & mine:
                later.append(entry)
            else:
                runs |= mine
                batch.append(entry)
        self._waiting = later
        return batch

    async def _one_by_one(self, batch: list[_Waiting]) -> None:
        for appends, done in batch:
            try:
                acks = await self._commit(appends)
            except Exception as error:
                _fail(done, error)
            else:
                if not done.done():
                    done.set_result(acks)


def _fail(done: asyncio.Future[list[Ack]], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
