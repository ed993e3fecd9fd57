"""Finds runs whose executor went silent: pools claim theirs anew, runs of scripts are marked Crashed."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from ...runtime.foundation import clock
from ...runtime.foundation.settings import current_settings
from ...runtime.states import Cancelled, Crashed, Scheduled, State
from ...runtime.store import losses, rescues
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import Feed
from ...runtime.store.deployment_rows import LapsedLease, StrandedClaim
from ...runtime.store.fences import Fence
from ...runtime.store.set_aside import alone
from .loop import Loop

_log = logging.getLogger("heliostat.services")

MOST_RESCUES = 10
"""A run that has lost its executor more often ends as Crashed: it probably kills them."""

CLAIM_PATIENCE_S = 60.0
"""Seconds from a worker's claim, which has no lease, until it must have started the run's process."""

PROCESS_PATIENCE_S = 600.0
"""Seconds from the start of a run's process, which fetches the code first, until it must hold a lease."""

_SCRIPT_PATIENCE_S = 60.0  # a script may record to a server that was away: its lease may lapse meanwhile
_LONGEST_BACKOFF_S = 60.0


class Reaper(Loop):
    """Acts only after the database has answered for the whole duration of a lease: while it was away nobody
    could renew, so every owner gets that long to come back.
    """

    name: ClassVar[str] = "reaper"
    interval_s: ClassVar[float] = 2.0

    def __init__(self, db: Database, feed: Feed | None = None, lease_s: float | None = None) -> None:
        super().__init__(db, feed)
        self._lease_s = current_settings().lease_s if lease_s is None else lease_s
        self._healthy_since: float | None = None
        self._last_seen = 0.0

    def failed(self, error: Exception) -> None:
        self._healthy_since = None

    async def step(self) -> float | None:
        await self.db.ping()
        now = clock.monotonic_s()
        # A process that was suspended does not know whether the database answered meanwhile.
        slept = now - self._last_seen > max(self._lease_s, 3 * self.interval_s)
        self._last_seen = now
        if self._healthy_since is None or slept:
            self._healthy_since = now
        if now - self._healthy_since >= self._lease_s:
            for lapsed in await rescues.lapsed(self.db, script_patience_s=_SCRIPT_PATIENCE_S):
                at_work = Fence(epoch=lapsed.epoch, is_at_work=True, releases=True)
                async with alone(self.db, lapsed.run_id, "it could not be given to another process", at_work):
                    await rescue(self.db, lapsed)
            stranded = await rescues.stranded(
                self.db, patience_s=CLAIM_PATIENCE_S, process_patience_s=PROCESS_PATIENCE_S
            )
            for claim in stranded:
                unbegun = Fence(state_id=claim.state_id)
                async with alone(self.db, claim.run_id, "it could not be given out again", unbegun):
                    await _give_out_again(self.db, claim)
        return None


async def rescue(db: Database, lapsed: LapsedLease, *, proven_dead: bool = False) -> bool:
    """Give a run whose executor is gone a state from which it goes on or ends; False if it is not gone.

    `proven_dead`: its executor is known to have died, so the lease need not have lapsed.
    """
    state, fence = await _state_after(db, lapsed)
    done = await rescues.overrule(
        db, lapsed.run_id, lapsed.epoch, state, proven_dead=proven_dead, fence=fence
    )
    if done:
        _log.warning("flow run %s: %s", lapsed.run_id, state.message)
    return done


async def _give_out_again(db: Database, claim: StrandedClaim) -> None:
    """Let a claimed run be claimed again, as its worker or the process that it started is gone."""
    who = f"its process {claim.infrastructure_pid}" if claim.infrastructure_pid else "its worker"
    state = await _given_up_or_again(
        db, claim.run_id, f"{who} has not started it since {claim.claimed_at:%H:%M:%S} UTC"
    )
    if await rescues.give_out_again(db, claim, state):
        _log.warning("flow run %s: %s", claim.run_id, state.message)


async def _state_after(db: Database, lapsed: LapsedLease) -> tuple[State, bool]:
    who = f"process {lapsed.pid} on {lapsed.host}"
    if lapsed.state_type == "CANCELLING":
        return Cancelled(f"{who} ended while the run was being cancelled"), True
    if lapsed.deployment_id is None:
        return Crashed(f"{who} has been silent since {lapsed.until:%H:%M:%S} UTC"), False
    return await _given_up_or_again(db, lapsed.run_id, f"{who} ended"), True


async def _given_up_or_again(db: Database, run_id: UUID, why: str) -> State:
    if await rescues.is_orphaned(db, run_id):
        return Crashed(f"{why}, and its deployment was deleted: nobody can start it again")
    lost = await losses.count(db, run_id)
    if lost >= MOST_RESCUES:
        return Crashed(f"{why}. The run has lost {lost + 1} processes and is given up")
    # The first loss is probably the machine's fault; from the second on it may be the run's own.
    delay_s = 0.0 if lost == 0 else min(2.0 ** (lost - 1), _LONGEST_BACKOFF_S)
    when = await db.time() + timedelta(seconds=delay_s)
    return Scheduled(when, f"{why}: the run goes on in another one", name="AwaitingRetry")
