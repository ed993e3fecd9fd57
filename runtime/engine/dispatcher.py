"""Sends the calls of a run to a lane in packs and settles what comes back.

One lock guards where calls stand. Producers (`submit`, `map`) queue calls and launch packs themselves while
there is room in the window; a collector thread takes answers, settles calls, lets go what waited for them and
refills the window. The author's code never runs under the lock.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..foundation import clock
from ..foundation.errors import HeliostatError, LeaseLost, NoSlotEver
from . import records_lookup
from .admission import Admission
from .calls import Columns
from .cancelling import Cancelling
from .fanout import IN_FLIGHT, QUEUED, RETRYING, Fanout
from .lane import Answer, Lane, Loss, refused
from .limited_calls import LimitedCalls
from .outcomes import InStore
from .pack_group import Pack, PackGroup, ReadySpan, group_of
from .packing import window
from .run_desk import RunDesk
from .settling import Settling
from .shields import uninterrupted
from .worker_news import WorkerNews

_log = logging.getLogger("heliostat.internal.dispatch")
POLL_S = 0.02
SLOTS_KNOWN_FOR_S = 1.0
_BURST = 64  # packs that are prepared under one hold of the lock
IDLE_S = 0.5
AWAKE_EVERY_S = 0.2
READ_AHEAD = 4_096  # unsettled calls of an iterator's map before the producer waits


class Dispatcher:
    """All fan-outs that go through one lane in this process."""

    def __init__(
        self, make_lane: Callable[[Callable[..., None]], Lane], pack_target_s: float, max_window: int
    ) -> None:
        lock = threading.RLock()
        self.changed = threading.Condition(lock)  # notified when calls have ended
        self._work = threading.Condition(lock)  # notified when the collector has something to wait for
        self.lane = make_lane(WorkerNews(self).take)
        self.admission = Admission(self)
        self.settling = Settling(self, self.admission.ended)
        self.limited = LimitedCalls(self)
        self._cancelling = Cancelling(self, self.limited, self.settling)
        self.packs: dict[str, Pack] = {}
        self.fanouts: weakref.WeakSet[Fanout] = weakref.WeakSet()
        self.failed: BaseException | None = None
        self._pack_target_s = pack_target_s
        self._max_window = max_window
        self._groups: dict[PackGroup, None] = {}  # with calls to send, in the order of their turn
        # Calls to look up in the records; with a message: calls that end with it.
        self._to_look_up: deque[tuple[Fanout, int, int, str | None]] = deque()
        self._retries: list[tuple[float, int, Fanout, int]] = []
        self._tie = itertools.count()
        self._closed = False
        # Inline, the thread that submits or waits does all the work.
        self._is_inline = self.lane.name == "inline"
        self._collector = threading.Thread(target=self._collect, name="heliostat-dispatch", daemon=True)
        if not self._is_inline:
            self._collector.start()

    # For producers.

    def enqueue(self, fanout: Fanout, start: int, stop: int) -> None:
        """Take new calls and send what there is room for; inline they are run by `run_here`."""
        with self.changed:
            self.check()
            self.fanouts.add(fanout)
            fanout.kind.desk.open_calls += stop - start
            try:
                self.admission.enter(fanout, start, stop)
            except BaseException as error:  # these calls will never end, so nothing may wait for them
                self.fail(error)
                raise
            some_ended = fanout.open_count < fanout.size
            if some_ended:
                self.changed.notify_all()
        if some_ended:
            fanout.kind.desk.journal.wait_for_room()
        if not self._is_inline:
            self.pump()

    def run_here(self, fanout: Fanout) -> None:
        """Inline: run new calls, and only these: the caller may be a call itself, with others behind it."""
        if not self._is_inline:
            return
        self._look_up()
        group = group_of(fanout)
        while True:
            is_limited = bool(group.tags) and self.limited.take_here(group)
            with self.changed:
                size = (
                    1
                    if is_limited
                    else group.estimate.pack_size(group.waiting, 1, self._pack_target_s, group.wanted_size)
                )
                # Calls of a paused run stay queued until a thread waits for them after the run goes on.
                holds = self._closed or group.desk.gate.is_closed
                taken = [] if holds else group.take_of(fanout, size)
                if not taken:
                    return
                spans = [each for span in taken for each in self._without_settled(span)]
                pack = self.start(group, spans) if spans else None
            if pack is not None:
                self._launch_here(pack, is_limited)
                self._take_arrivals(0.0)

    def _launch_here(self, pack: Pack, is_limited: bool) -> None:
        """Inline: run a pack now; a call with limited tags waits for its slot first."""
        if is_limited:
            try:
                self.limited.wait_here(pack)
            except NoSlotEver as error:
                self.launch(pack, refused(pack, error))
                return
            except BaseException:  # the run is being stopped: its calls are cancelled where they stand
                with self.changed:
                    del self.packs[pack.pack_id]
                    pack.group.in_flight -= 1
                    for fanout, position in pack.members():
                        self.queue_again(fanout, position)
                raise
        self.lane.launch(pack)

    def launch(self, pack: Pack, answer: Answer | None = None) -> None:
        """Send a started pack, or take `answer` in its place. Callable from any thread."""
        try:
            if answer is None:
                self.lane.launch(pack)
            else:
                self._settle_arrivals([answer])
                if not self._is_inline:
                    self.pump()
        except BaseException as error:  # threads that wait must learn of it
            self.fail(error)

    def feed(self, fanout: Fanout, rows: Iterator[tuple[Any, ...]]) -> None:
        """Read the calls of an iterator's map as room becomes free; returns when all are sent."""
        assert isinstance(fanout.calls, Columns)
        with self.changed:
            self.fanouts.add(fanout)
        try:
            while taken := list(itertools.islice(rows, READ_AHEAD // 4)):
                if self.lane.taker is not None:
                    taken = self.lane.taker.entries(taken)
                self.wait_until(lambda: fanout.open_count < READ_AHEAD, None)
                with uninterrupted():
                    with self.changed:
                        fanout.calls.append(taken)
                        start, stop = fanout.grow(len(taken))
                        self.admission.check_for_cycle(fanout, start, stop)
                    self.enqueue(fanout, start, stop)
                self.run_here(fanout)
        finally:
            with self.changed:
                fanout.closed = True
                self.changed.notify_all()

    def wait_until(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Block until `done()`; False after `timeout_s`. Raises the error that ended this dispatcher."""
        if done():
            return True
        until = float("inf") if timeout_s is None else clock.monotonic_s() + timeout_s
        with self.lane.yielding():
            if self._is_inline:
                self.pump()
            else:
                with uninterrupted():
                    self.pump()
            while not done():
                with self.changed:
                    self.check()
                    left_s = until - clock.monotonic_s()
                    if left_s <= 0:
                        return False
                    if not done():
                        self.changed.wait(self._pause_s(left_s))
                if self._is_inline:
                    self._work_here()
        return True

    def _pause_s(self, left_s: float) -> float | None:
        if self._is_inline:
            return min(left_s, self._until_next_retry())
        if threading.current_thread() is not threading.main_thread():
            # A time limit can interrupt a thread only while it is awake.
            left_s = min(left_s, AWAKE_EVERY_S)
        return None if left_s == float("inf") else left_s

    def wake(self) -> None:
        """Let waiting threads check their condition again."""
        with self.changed:
            self.changed.notify_all()

    def go_on(self) -> None:
        """Let calls begin that were held back while their run was paused."""
        self.wake()
        if not self._is_inline:
            try:
                self.pump()
            except BaseException as error:  # threads that wait must learn of it
                self.fail(error)

    def drain(self, desk: RunDesk) -> None:
        """Wait until every call of that run has ended and its late log lines are in."""
        self.wait_until(lambda: desk.open_calls == 0, None)
        self.lane.settle()

    def fetch(self, place: InStore) -> Any:
        """A large value from the lane's store."""
        return self.lane.fetch(place)

    def check(self) -> None:
        """Raise what made dispatching impossible, if anything did."""
        if self.failed is not None:
            raise self.failed
        if self._closed:
            raise HeliostatError("the flow run that these calls belong to is over")

    # Cancelling.

    def cancel_call(self, fanout: Fanout, position: int) -> bool:
        """Drop a call that waits, or stop the pack of one that runs alone; False when it has ended."""
        return self._cancelling.call(fanout, position)

    def cancel_run(self, desk: RunDesk, timeout_s: float = 10.0) -> bool:
        """Cancel every call of a run; returns whether all of them are known to have stopped."""
        return self._cancelling.run(desk, timeout_s)

    # For admission and settling, under the lock.

    def look_up_later(self, fanout: Fanout, start: int, stop: int) -> bool:
        """Whether the journal or the cache may answer calls. If so, they are asked once the lock is free,
        because the author's key function may be slow.
        """
        if fanout.matching is None and fanout.kind.cache is None:
            return False
        self._to_look_up.append((fanout, start, stop, None))
        return True

    def end_not_ready(self, fanout: Fanout, start: int, stop: int, message: str) -> None:
        """End calls whose upstream failed; in a replay once the lock is free, since the journal is asked for
        their index.
        """
        if fanout.matching is None:
            self.settling.not_ready(fanout, start, stop, message)
        else:
            self._to_look_up.append((fanout, start, stop, message))

    def has_work(self, group: PackGroup) -> None:
        """Note that the group has calls to send."""
        self._groups[group] = None

    def queue_again(self, fanout: Fanout, position: int, *, alone: bool = False, first: bool = True) -> None:
        """Send a call once more."""
        fanout.standing[position] = QUEUED
        group = group_of(fanout)
        group.add(ReadySpan(fanout, position, position + 1, alone), first=first)
        self.has_work(group)

    def retry_later(self, fanout: Fanout, position: int, delay_s: float) -> None:
        """Send a call once more after a pause."""
        fanout.standing[position] = RETRYING
        due = clock.monotonic_s() + delay_s
        heapq.heappush(self._retries, (due, next(self._tie), fanout, position))
        self._work.notify()

    # Sending.

    def pump(self) -> None:
        """Launch packs while there are calls and room."""
        self._look_up()
        while packs := self._next_packs():
            for pack in packs:
                if self._is_inline:
                    self._launch_here(pack, bool(pack.group.tags) and self.limited.take_here(pack.group))
                else:
                    self.lane.launch(pack)
            if self._is_inline:
                self._take_arrivals(0.0)
                self._look_up()

    def _look_up(self) -> None:
        """Answer ready calls that the journal or the cache knows, and queue the others."""
        while self._to_look_up:
            with self.changed:
                if not self._to_look_up:
                    return
                fanout, start, stop, failed = self._to_look_up.popleft()
            try:
                if failed is not None:
                    records_lookup.place_unstarted(fanout, range(start, stop))
                    with self.changed:
                        self.settling.not_ready(fanout, start, stop, failed)
                    continue
                found = records_lookup.find(fanout, start, stop)
                with self.changed:
                    self.settling.from_records(fanout, found)
                    self.admission.queue(fanout, start, stop)
                    self.changed.notify_all()
                fanout.kind.desk.journal.wait_for_room()
            except BaseException as error:  # these calls will never end, so nothing may wait for them
                self.fail(error)
                raise

    def _work_here(self) -> None:
        """Inline: do the collector's work in this thread."""
        self._take_arrivals(0.0)
        self._wake_retries()
        self.pump()

    def _next_packs(self) -> list[Pack]:
        """The next packs of one group, as many as there is room for (a burst at most)."""
        with self.changed:
            if self._closed:
                return []
            for group in list(self._groups):
                if group.desk.gate.is_closed:
                    continue
                packs = self._packs_of(group)
                # The group's turn is over: others come first next time.
                del self._groups[group]
                if group.waiting:
                    self._groups[group] = None
                if packs:
                    if len(self.packs) == len(packs):
                        self._work.notify()
                    return packs
        return []

    def _packs_of(self, group: PackGroup) -> list[Pack]:
        packs: list[Pack] = []
        burst = 1 if self._is_inline else _BURST
        if group.tags and not self._is_inline:
            slots = self._slots_for(group)
            if self.limited.holds_back(group, 2 * slots - group.in_flight):
                return []
        while group.waiting and len(packs) < burst:
            size, room = self._room_for(group)
            if room <= 0:
                break
            if self._is_inline and group.tags:
                size = 1
            if size == 1:  # the packs behind the next one are like it
                for taken in group.take(min(room, burst - len(packs))):
                    for span in self._without_settled(taken):
                        packs += self._start_singly(group, span)
                continue
            spans = [each for taken in group.take(size) for each in self._without_settled(taken)]
            if spans:
                packs.append(self.start(group, spans))
        return packs

    def _room_for(self, group: PackGroup) -> tuple[int, int]:
        """How many calls the next pack of a group may have, and how many packs its window has room for."""
        slots = self._slots_for(group)
        estimate = group.estimate
        size = estimate.pack_size(group.waiting, slots, self._pack_target_s, group.wanted_size)
        if self._is_inline:
            return size, 1
        # The first call in each worker pays for imports, so estimates before the second are too high.
        unknown = estimate.answered < 2 * slots and group.wanted_size is None
        if group.is_long and not group.resources.are_limited:
            unknown = False  # these calls may wait for each other, and nothing else bounds how many run
        usual = estimate.usual_size(self._pack_target_s, group.wanted_size)
        return size, window(usual, slots, unknown, self._max_window) - group.in_flight

    def _slots_for(self, group: PackGroup) -> int:
        """How many calls of that kind can run at a time."""
        now = clock.monotonic_s()
        if now >= group.slots[0]:
            group.slots = (now + SLOTS_KNOWN_FOR_S, self.lane.slots(group.resources))
        return group.slots[1]

    def start(self, group: PackGroup, spans: list[ReadySpan]) -> Pack:
        """Note that calls are under way in one pack, which is to be launched. Under the lock."""
        pack = Pack(group, spans)
        for span in spans:
            span.fanout.standing[span.start : span.stop] = bytes([IN_FLIGHT]) * len(span)
        group.in_flight += 1
        self.packs[pack.pack_id] = pack
        if len(self.packs) == 1:
            self._work.notify()
        return pack

    def _start_singly(self, group: PackGroup, span: ReadySpan) -> list[Pack]:
        fanout, alone = span.fanout, span.alone
        packs = [
            Pack(group, [ReadySpan(fanout, position, position + 1, alone)])
            for position in range(span.start, span.stop)
        ]
        fanout.standing[span.start : span.stop] = bytes([IN_FLIGHT]) * len(span)
        group.in_flight += len(packs)
        self.packs.update((pack.pack_id, pack) for pack in packs)
        return packs

    def _without_settled(self, span: ReadySpan) -> list[ReadySpan]:
        """The span without calls that were cancelled while they waited."""
        fanout = span.fanout
        if fanout.open_count == fanout.size or not any(map(fanout.is_settled, range(span.start, span.stop))):
            return [span]
        return [
            ReadySpan(fanout, position, position + 1, span.alone)
            for position in range(span.start, span.stop)
            if not fanout.is_settled(position)
        ]

    # Collecting.

    def _collect(self) -> None:
        while True:
            with self.changed:
                while not self.packs and not self._retries and not self._closed:
                    self._work.wait(IDLE_S)
                if self._closed:
                    return
                timeout_s = self._until_next_retry() if not self.packs else POLL_S
            try:
                if not self.packs:
                    with self.changed:
                        self._work.wait(timeout_s)
                self._take_arrivals(POLL_S)
                self._wake_retries()
                self._cancelling.enforce_limits()
                self.pump()
            except BaseException as error:  # threads that wait must learn of it
                self.fail(error)
                return

    def fail(self, error: BaseException) -> None:
        """End dispatching: every waiting thread gets `error`."""
        if not isinstance(error, LeaseLost):
            _log.error("dispatching ended", exc_info=error)
        with self.changed:
            if self.failed is None:
                self.failed = error
            self.changed.notify_all()

    def _take_arrivals(self, timeout_s: float) -> None:
        arrivals = self.lane.poll(timeout_s)
        if arrivals:
            self._settle_arrivals(arrivals)

    def _settle_arrivals(self, arrivals: Sequence[Answer | Loss]) -> None:
        with self.changed:
            for arrival in arrivals:
                group = arrival.pack.group
                self.packs.pop(arrival.pack.pack_id, None)
                group.in_flight -= 1
                self._groups[group] = None
        self.settling.take(arrivals)
        for arrival in arrivals:
            if arrival.pack.slot is not None:
                self.limited.ended(arrival.pack)
        with self.changed:
            self.changed.notify_all()

    def _until_next_retry(self) -> float:
        if not self._retries:
            return IDLE_S
        return min(IDLE_S, max(0.0, self._retries[0][0] - clock.monotonic_s()))

    def _wake_retries(self) -> None:
        with self.changed:
            now = clock.monotonic_s()
            while self._retries and self._retries[0][0] <= now:
                _, _, fanout, position = heapq.heappop(self._retries)
                if not fanout.is_settled(position):
                    self.queue_again(fanout, position, first=False)

    def close(self) -> None:
        """Stop; packs in flight are abandoned."""
        with self.changed:
            self._closed = True
            self.limited.close(list(self.packs.values()))
            self.changed.notify_all()
            self._work.notify_all()
        if not self._is_inline:
            self._collector.join(timeout=5)
        self.lane.close()
