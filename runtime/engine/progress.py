"""Progress of long fan-outs on the terminal: one line a task site, drawn a few times a second.

Nothing here is on the way of a call. A fan-out that begins is put into a queue; one thread of the process
looks at the open ones, adds up what they have done, and hands finished lines to a screen. Calls of one task
within a run share a line however many `submit` made them, and a fan-out that has ended is folded into its
line's totals and let go.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol
from uuid import UUID

from ..authoring.context import FlowRunInfo
from ..foundation import clock
from ..foundation.long_lived import keep_thread
from ..foundation.standard_streams import GONE
from ..records import CallSite

SHOW_AFTER_S = 1.0  # shorter fan-outs are not worth a line
LOOK_EVERY_S = 0.25
_LOOKING_SHARE = 20  # of the time at most one part in so many is spent looking
_RATE_OVER_S = 10.0


class Tally(NamedTuple):
    """The standing of a fan-out in a few numbers."""

    size: int
    done: int  # ended in any way
    failed: int
    not_run: int  # cancelled, or what they wait for failed
    in_flight: int
    is_over: bool


class Counted(Protocol):
    """A fan-out as progress looks at it."""

    closed: bool  # no more calls will be added
    site: CallSite
    submitted_at: float

    def tally(self) -> Tally:
        """How its calls stand now."""
        ...


@dataclass(frozen=True, slots=True)
class ProgressLine:
    """How one task of a run stands."""

    name: str
    done: int  # ended in any way
    total: int | None  # None while the calls come from an iterator that is still being read
    failed: int
    not_run: int  # cancelled, or what they wait for failed
    in_flight: int
    rate_per_s: float
    elapsed_s: float
    ended: bool

    @property
    def left_s(self) -> float | None:
        """Seconds until all are done if they go on at this rate; None where nobody can know."""
        if self.ended or self.total is None or not self.rate_per_s:
            return None
        return (self.total - self.done) / self.rate_per_s


class Screen(Protocol):
    """Where lines are shown."""

    def show(self, lines: Sequence[ProgressLine]) -> None:
        """Replace what is shown."""
        ...

    def keep(self, lines: Sequence[ProgressLine]) -> None:
        """Leave lines in their final form; they are not shown again."""
        ...

    def close(self) -> None:
        """Give the terminal back."""
        ...


@dataclass(slots=True)
class _Site:
    """The calls of one task within a run."""

    run: FlowRunInfo
    task_name: str
    began_s: float
    ended_s: float = 0.0
    shown: bool = False
    open: list[Counted] = field(default_factory=list[Counted])
    past_calls: int = 0  # of fan-outs that have ended
    past_failed: int = 0
    past_not_run: int = 0
    seen: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def look(self, now_s: float) -> ProgressLine:
        """Add up where its calls stand."""
        done = failed = not_run = in_flight = total = 0
        still_open: list[Counted] = []
        for fanout in self.open:
            tally = fanout.tally()
            if tally.is_over:
                self.past_calls += tally.size
                self.past_failed += tally.failed
                self.past_not_run += tally.not_run
                continue
            still_open.append(fanout)
            done += tally.done
            failed += tally.failed
            not_run += tally.not_run
            in_flight += tally.in_flight
            total += tally.size
        if self.open and not still_open:
            self.ended_s = now_s
        self.open = still_open
        done += self.past_calls
        until_s = now_s if still_open else self.ended_s
        return ProgressLine(
            self.task_name,
            done,
            self.past_calls + total if all(fanout.closed for fanout in still_open) else None,
            self.past_failed + failed,
            self.past_not_run + not_run,
            in_flight,
            self._rate(now_s, done) if still_open else done / max(until_s - self.began_s, 0.001),
            max(0.0, until_s - self.began_s),
            not still_open,
        )

    def _rate(self, now_s: float, done: int) -> float:
        """Calls a second over the last while."""
        self.seen.append((now_s, done))
        while now_s - self.seen[0][0] > _RATE_OVER_S:
            self.seen.popleft()
        since_s, before = self.seen[0]
        if now_s - since_s < SHOW_AFTER_S:
            since_s, before = self.began_s, 0
        return (done - before) / max(now_s - since_s, 0.001)


class Progress:
    """The fan-outs under way in this process, and their lines on a screen.

    It looks by itself from the first fan-out on, unless a test wants to do that.
    """

    def __init__(self, screen: Screen, *, by_itself: bool = True) -> None:
        self._screen = screen
        self._by_itself = by_itself
        self._arrived: deque[tuple[FlowRunInfo, Counted]] = deque()
        self._sites: dict[tuple[UUID, str], _Site] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, run: FlowRunInfo, fanout: Counted) -> None:
        """A fan-out of that run begins."""
        self._arrived.append((run, fanout))
        if not self._wake.is_set():
            self._wake.set()
            if self._by_itself:
                self._ensure_thread()

    def leave(self, run: FlowRunInfo) -> None:
        """Leave the lines of a run that is over in their final form, and forget the run."""
        with self._lock:
            now_s = clock.epoch_s()
            self._take_arrivals()
            gone = [key for key in self._sites if key[0] == run.id]
            last = [self._sites[key].look(now_s) for key in gone if self._sites[key].shown]
            for key in gone:
                del self._sites[key]
            with suppress(*GONE):
                if last:
                    self._screen.keep(last)
                if not self._sites:
                    self._screen.close()
            if not self._sites:
                self._wake.clear()
                if self._arrived:  # arrived since the look, while the event was still set
                    self._wake.set()

    def look(self) -> None:
        """Bring the screen up to date."""
        with self._lock:
            now_s = clock.epoch_s()
            self._take_arrivals()
            shown: list[tuple[_Site, ProgressLine]] = []
            for site in self._sites.values():
                line = site.look(now_s)
                site.shown = site.shown or (not line.ended and line.elapsed_s >= SHOW_AFTER_S)
                if site.shown:
                    shown.append((site, line))
            lines = [line for _, line in shown]
            if len({site.run.id for site, _ in shown}) > 1:
                lines = [replace(line, name=f"{site.run.name}/{line.name}") for site, line in shown]
            if lines:
                with suppress(*GONE):
                    self._screen.show(lines)

    def _take_arrivals(self) -> None:
        while self._arrived:
            run, fanout = self._arrived.popleft()
            key = (run.id, fanout.site.task_key)
            site = self._sites.get(key)
            if site is None:
                site = self._sites[key] = _Site(run, fanout.site.task_name, fanout.submitted_at)
            site.open.append(fanout)

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = keep_thread("heliostat-progress", self._keep_looking)

    def _keep_looking(self) -> None:
        while True:
            self._wake.wait()
            began_s = clock.monotonic_s()
            self.look()
            clock.sleep(max(LOOK_EVERY_S, _LOOKING_SHARE * (clock.monotonic_s() - began_s)))
