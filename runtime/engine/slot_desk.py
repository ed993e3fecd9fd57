"""Slots for calls of tasks whose tags are limited: one process asks for them, holds them and gives them back.

A call of a task with tags needs a slot of each limit on them as long as one of its attempts executes; an
attempt that comes after a delay takes a new one. Calls of limited tags are not packed: a pack has one call
then, and each slot is held for the call that is shown with it. Tasks without tags never come here; while
nobody has limited the tags of a task, its process asks for that once in `KNOWN_FOR_S`.

The desk has two threads, made at the first question. One talks to the database: what was given back and what
is asked for meanwhile goes in one transaction (`task_slots.exchange`), so a slot moves from a call that ended
to the next one with one write. The other one renews what is held and waits for news of slots that others gave
back. Slots belong to the process: when it dies, they lapse within `LEASE_S`. Workers on Ray have no database:
they ask the desk of their driver (`slot_relay`), which takes back what they held when their line is lost.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import ClassVar, Protocol
from uuid import UUID

from ..foundation import clock, ids
from ..foundation.errors import Unavailable
from ..foundation.long_lived import keep_thread, tell
from ..journal.current import current_recording
from ..journal.recording import Recording
from ..store.slot_rows import FREE, GRANTED, WAITS, SlotAnswer, SlotWant

_log = logging.getLogger("heliostat.internal.slots")
LEASE_S = 15.0
KNOWN_FOR_S = 1.0
TOLD_AFTER_S = 1.0  # shorter waits are not reported
_AGAIN_S = 2.0  # waiting calls ask again after that time without news, and held slots are renewed
_SOONEST_AGAIN_S = 0.02
_IDLE_S = 5.0  # how often the threads look whether their recording was closed
_BACKOFF_S = 0.5
_FLUSH_WITHIN_S = 5.0

Told = Callable[[SlotAnswer], None]


class Slots(Protocol):
    """Gives slots to the calls of this process."""

    def are_limited(self, tags: Collection[str]) -> bool | None:
        """Whether calls with these tags need slots; None: that is being asked, `when_known` tells."""
        ...

    def when_known(self, then: Callable[[], None]) -> None:
        """Call `then`, on another thread, when what was asked last is known (it may be so already)."""
        ...

    def ask(self, want: SlotWant, told: Told) -> None:
        """Ask for slots; `told` is called, on another thread, when the call may go on or never will.

        Before that it may be told once that the call has been waiting for `TOLD_AFTER_S`.
        """
        ...

    def give_back(self, want_id: UUID) -> None:
        """Give slots back, or withdraw the request for them."""
        ...

    def let_lapse(self, want_id: UUID) -> None:
        """Stop renewing slots, since the end of their call will not be known."""
        ...

    def flush(self) -> None:
        """Return when everything that was given back is free for others."""
        ...


class SlotDesk:
    """The desk of a process that records to a database, directly or through another process."""

    _current: ClassVar[SlotDesk | None] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._lease_s = min(recording.lease_s, LEASE_S)
        self._again_s = min(_AGAIN_S, self._lease_s / 4)
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)  # for the thread that talks to the database
        self._kept = threading.Condition(self._lock)  # for the one that renews and watches
        self._given = threading.Condition(self._lock)  # for those who flush
        self._known: dict[str, tuple[float, bool]] = {}  # tags: until when, and whether they are limited
        self._asked: set[str] = set()  # tags to ask for
        self._listeners: list[Callable[[], None]] = []
        self._wants: dict[UUID, tuple[SlotWant, Told]] = {}  # not answered, in the order of asking
        self._asked_at: dict[UUID, float] = {}  # of these, whose owners do not know yet that they wait
        self._new = False  # among these are some that were never sent
        self._gives: list[UUID] = []
        self._giving = 0  # of them, under way
        self._held: set[UUID] = set()
        self._again_at = float("inf")  # when those who wait ask again
        self._watcher = ids.uuid7()
        self._started = False

    @classmethod
    def here(cls) -> SlotDesk:
        """The desk of this process, for its present recording."""
        recording = current_recording()
        with cls._making:
            desk = cls._current
            if desk is None or desk.recording is not recording:
                desk = cls._current = SlotDesk(recording)
                atexit.register(desk.flush)
            return desk

    @classmethod
    def existing(cls) -> SlotDesk | None:
        """The last one that was made."""
        return cls._current

    # What calls need: see Slots.

    def are_limited(self, tags: Collection[str]) -> bool | None:
        now = clock.monotonic_s()
        with self._lock:
            unknown = [tag for tag in tags if self._known.get(tag, (0.0, False))[0] <= now]
            if unknown:
                self._asked.update(unknown)
                self._rouse()
                return None
            return any(self._known[tag][1] for tag in tags)

    def when_known(self, then: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.append(then)
            self._rouse()

    def ask(self, want: SlotWant, told: Told) -> None:
        with self._lock:
            self._wants[want.id] = (want, told)
            self._asked_at[want.id] = clock.monotonic_s()
            self._new = True
            self._rouse()

    def give_back(self, want_id: UUID) -> None:
        with self._lock:
            self._wants.pop(want_id, None)
            self._asked_at.pop(want_id, None)
            self._held.discard(want_id)
            self._gives.append(want_id)
            self._rouse()

    def let_lapse(self, want_id: UUID) -> None:
        with self._lock:
            self._held.discard(want_id)

    def flush(self) -> None:
        with self._given:
            if self._started and self.recording.is_usable:
                self._given.wait_for(lambda: not self._gives and not self._giving, _FLUSH_WITHIN_S)

    # The thread that talks to the database.

    def _rouse(self) -> None:
        if not self._started:
            self._started = True
            for work, name in ((self._work, "heliostat-slots"), (self._keep, "heliostat-slots-kept")):
                keep_thread(name, work, _log)
        self._due.notify()

    def _work(self) -> None:
        while self.recording.is_usable:
            with self._due:
                self._due.wait_for(self._has_work, min(_IDLE_S, self._until_again_s()))
                tags, self._asked = sorted(self._asked), set[str]()
                listeners, self._listeners = self._listeners, []
            try:
                self._learn(tags)
                for listener in listeners:
                    tell("a call that asked whether its tags are limited", listener, _log)
                self._exchange()
            except (Unavailable, OSError) as error:
                _log.warning("slots of limits cannot be asked for: %s", error)
                with self._lock:
                    self._asked.update(tags)
                    self._again_at = clock.monotonic_s() + _BACKOFF_S
                clock.sleep(_BACKOFF_S)
            except Exception:  # the thread goes on for the calls that wait
                if not self.recording.is_usable:
                    return
                _log.exception("slots of limits cannot be asked for")
                clock.sleep(_BACKOFF_S)

    def _has_work(self) -> bool:
        return bool(self._asked or self._listeners or self._gives or self._new)

    def _until_again_s(self) -> float:
        return max(0.0, self._again_at - clock.monotonic_s()) if self._wants else _IDLE_S

    def _learn(self, tags: list[str]) -> None:
        if not tags:
            return
        from ..store import task_slots  # here, where the database is: workers do not load its drivers

        limited = set(self.recording.call(task_slots.limited, tags))
        until = clock.monotonic_s() + KNOWN_FOR_S
        with self._lock:
            self._known.update((tag, (until, tag in limited)) for tag in tags)

    def _exchange(self) -> None:
        from ..store import task_slots

        with self._lock:
            is_time = clock.monotonic_s() >= self._again_at
            if not (self._gives or self._new or (self._wants and is_time)):
                return
            gives, self._gives = self._gives, []
            self._giving = len(gives)
            wants = [want for want, _ in self._wants.values()]
            self._new = False
        try:
            answers: list[SlotAnswer] = self.recording.call(task_slots.exchange, gives, wants, self._lease_s)
        except BaseException:
            with self._lock:
                self._gives = gives + self._gives
                self._new = True
                self._giving = 0
            raise
        told = self._take(answers)
        for then, answer in told:
            tell(f"a call that was answered about its slots ({answer.verdict})", partial(then, answer), _log)

    def _take(self, answers: list[SlotAnswer]) -> list[tuple[Told, SlotAnswer]]:
        """Note the answers; returns the callbacks to call."""
        told: list[tuple[Told, SlotAnswer]] = []
        now = clock.monotonic_s()
        with self._lock:
            self._giving = 0
            self._given.notify_all()
            again_s = self._again_s
            for answer in answers:
                if answer.verdict == WAITS:
                    again_s = min(again_s, max(answer.again_s or again_s, _SOONEST_AGAIN_S))
                    waits = self._wants.get(answer.id)
                    if waits is not None and now - self._asked_at.get(answer.id, now) >= TOLD_AFTER_S:
                        del self._asked_at[answer.id]
                        told.append((waits[1], answer))
                    continue
                known = self._wants.pop(answer.id, None)
                self._asked_at.pop(answer.id, None)
                if known is None:  # the request was withdrawn meanwhile, and the store is told of that
                    continue
                want, then = known
                if answer.verdict == GRANTED:
                    self._held.add(answer.id)
                elif answer.verdict == FREE:
                    until = now + KNOWN_FOR_S
                    self._known.update((tag, (until, False)) for tag in want.tags)
                told.append((then, answer))
            self._again_at = now + again_s if self._wants else float("inf")
            self._kept.notify()
        return told

    # The thread that renews and watches.

    def _keep(self) -> None:
        from ..store import slot_watch

        renewed_at = clock.monotonic_s()
        while self.recording.is_usable:
            with self._kept:
                self._kept.wait_for(lambda: bool(self._wants or self._held), _IDLE_S)
                waits = bool(self._wants)
            try:
                if waits:
                    if self.recording.call(slot_watch.wait, self._watcher, self._again_s):
                        with self._lock:
                            self._new = True
                            self._due.notify()
                else:
                    with self._kept:
                        self._kept.wait(self._again_s)
                if clock.monotonic_s() - renewed_at >= self._again_s:
                    renewed_at = clock.monotonic_s()
                    self._renew()
            except (Unavailable, OSError) as error:
                _log.debug("slots of limits were not renewed this time: %s", error)
                clock.sleep(_BACKOFF_S)
            except Exception:  # the thread goes on for the calls that hold slots
                if not self.recording.is_usable:
                    return
                _log.exception("slots of limits were not renewed")
                clock.sleep(_BACKOFF_S)

    def _renew(self) -> None:
        from ..store import task_slots

        with self._lock:
            held = sorted(self._held)
        if not held:
            return
        gone: list[UUID] = self.recording.call(task_slots.renew, held, self._lease_s)
        with self._lock:
            lost = self._held.intersection(gone)
            self._held -= lost
        if lost:
            _log.warning(
                "%d slots of limits on tags are held no more: their limit was deleted or reset, or this "
                "process did not come to renew them in time; the calls that had them go on",
                len(lost),
            )
