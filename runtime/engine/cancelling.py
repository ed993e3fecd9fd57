"""Ends calls early: those that are cancelled, and those that outlive their timeout."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from ..foundation import clock
from .fanout import IN_FLIGHT, QUEUED, RETRYING, WAITING, Fanout
from .lane import Lane
from .limited_calls import LimitedCalls
from .outcomes import CANCELLED, Failure, Outcome
from .pack_group import Pack
from .run_desk import RunDesk
from .settling import Settling

FORCE_CANCEL_AFTER_S = 2.0
TIMEOUT_GRACE_S = 5.0  # how long a worker may take to end a call after its timeout


class CallsUnderWay(Protocol):
    """What cancelling asks of the dispatcher."""

    changed: threading.Condition
    packs: dict[str, Pack]
    fanouts: weakref.WeakSet[Fanout]
    lane: Lane

    def pump(self) -> None: ...
    def wait_until(self, done: Callable[[], bool], timeout_s: float | None) -> bool: ...


class Cancelling:
    """Cancels on behalf of a dispatcher: by interrupting first, then by force."""

    def __init__(self, dispatcher: CallsUnderWay, limited: LimitedCalls, settling: Settling) -> None:
        self._dispatcher = dispatcher
        self._limited = limited
        self._settling = settling

    def call(self, fanout: Fanout, position: int) -> bool:
        """Drop a call that waits, or stop the pack of one that runs alone; False when it has ended."""
        with self._dispatcher.changed:
            if fanout.is_settled(position):
                return False
            if fanout.standing[position] != IN_FLIGHT:
                self._settle_cancelled(fanout, [position])
                self._dispatcher.changed.notify_all()
                pack = None
            else:
                pack = next(
                    (
                        pack
                        for pack in self._dispatcher.packs.values()
                        if any(each == (fanout, position) for each in pack.members())
                    ),
                    None,
                )
        if pack is None:
            self._dispatcher.pump()  # calls that waited for it may run although it failed
        if pack is not None and len(pack) == 1:
            self._stop(pack, force=False)
        return True

    def run(self, desk: RunDesk, timeout_s: float) -> bool:
        """Cancel every call of a run: waiting ones at once, running ones by interrupting, then by force.

        Returns whether all of them are known to have stopped.
        """
        with self._dispatcher.changed:
            for fanout in [each for each in self._dispatcher.fanouts if each.kind.desk is desk]:
                fanout.closed = True
                idle = [
                    position
                    for position, standing in enumerate(fanout.standing)
                    if standing in (WAITING, QUEUED, RETRYING)
                ]
                self._settle_cancelled(fanout, idle)
            flying = [pack for pack in self._dispatcher.packs.values() if pack.group.desk is desk]
            self._dispatcher.changed.notify_all()
        for pack in flying:
            self._stop(pack, force=False)
        return self._dispatcher.wait_until(lambda: desk.open_calls == 0, timeout_s)

    def _stop(self, pack: Pack, force: bool) -> None:
        if pack.cancel_asked_s is None:
            pack.cancel_asked_s = clock.monotonic_s()
        self._dispatcher.lane.cancel(pack, force)

    def _settle_cancelled(self, fanout: Fanout, positions: list[int]) -> None:
        outcome = Outcome(CANCELLED, None, clock.epoch_s(), 0, None, None)
        message = "cancelled before it started"
        self._limited.withdraw(fanout, positions)
        self._settling.without_running(fanout, positions, outcome, Failure(CANCELLED, b"", message))

    def enforce_limits(self) -> None:
        """End by force cancelled packs, and calls past their timeout, that did not stop by themselves."""
        now = clock.monotonic_s()
        with self._dispatcher.changed:
            # There may be many packs: look only at those with a limit.
            packs = [
                pack
                for pack in self._dispatcher.packs.values()
                if pack.told or pack.cancel_asked_s is not None
            ]
        for pack in packs:
            timeout_s = pack.group.code.timeout_s
            if pack.cancel_asked_s is not None and now - pack.cancel_asked_s > FORCE_CANCEL_AFTER_S:
                pack.cancel_asked_s = now
                self._dispatcher.lane.cancel(pack, force=True)
            elif timeout_s is not None:
                # Measured by this process's clock, since the worker's may be wrong.
                late = {
                    at
                    for at, heard in pack.news.heard_of_s.copy().items()
                    if now - heard > timeout_s + TIMEOUT_GRACE_S
                }
                if late - pack.news.timed_out:
                    pack.group.desk.tell_overrun(f"task {pack.group.code.name!r}", timeout_s)
                    pack.hear().timed_out |= late
                    self._dispatcher.lane.cancel(pack, force=True)
