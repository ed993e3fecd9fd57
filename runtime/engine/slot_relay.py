"""Slots for the calls made inside a worker: asked of the driver's desk over the line.

The driver answers when the call may go on, however long that takes; what a worker holds or waits for is given
back by the driver when the line to it is lost.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID
from weakref import WeakKeyDictionary

from ..foundation import clock
from ..foundation.long_lived import keep_thread
from ..store.slot_rows import FREE, WAITS, SlotAnswer, SlotWant
from .slot_desk import KNOWN_FOR_S, SlotDesk

if TYPE_CHECKING:
    from .line import LineToDriver

SLOTS = "slots"
_LIMITED, _ASK, _GIVE = "limited", "ask", "give"


class RelayedSlots:
    """The `slot_desk.Slots` of a worker."""

    _by_line: ClassVar[WeakKeyDictionary[LineToDriver, RelayedSlots]] = WeakKeyDictionary()

    def __init__(self, line: LineToDriver) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._known: dict[frozenset[str], tuple[float, bool]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._asking: set[frozenset[str]] = set()
        self._to_tell: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        keep_thread("heliostat-slots", self._tell)

    @classmethod
    def through(cls, line: LineToDriver) -> RelayedSlots:
        """The slots of the driver at the other end of that line."""
        slots = cls._by_line.get(line)
        return slots if slots is not None else cls._by_line.setdefault(line, cls(line))

    def are_limited(self, tags: Collection[str]) -> bool | None:
        key = frozenset(tags)
        with self._lock:
            until, limited = self._known.get(key, (0.0, False))
            if clock.monotonic_s() < until:
                return limited
            if key in self._asking:
                return None
            self._asking.add(key)

        def learn(answered: Any) -> None:
            with self._lock:
                self._asking.discard(key)
                listeners, self._listeners = self._listeners, []
                # Without a driver nothing is recorded, and nothing that is asked here will be answered.
                limited = answered.exception() is None and answered.result()
                self._known[key] = (clock.monotonic_s() + KNOWN_FOR_S, limited)
            for listener in listeners:
                self._to_tell.put(listener)

        self._line.ask(SLOTS, (_LIMITED, list(tags))).add_done_callback(learn)
        return None

    def when_known(self, then: Callable[[], None]) -> None:
        with self._lock:
            if self._asking:
                self._listeners.append(then)
                return
        self._to_tell.put(then)

    def ask(self, want: SlotWant, told: Callable[[SlotAnswer], None]) -> None:
        def take(answered: Any) -> None:
            if answered.exception() is None:
                answer: SlotAnswer = answered.result()
            else:  # the driver is gone: what the call does is recorded nowhere, and ends with this process
                answer = SlotAnswer(want.id, FREE)
            self._to_tell.put(lambda: told(answer))

        self._line.ask(SLOTS, (_ASK, want)).add_done_callback(take)

    def give_back(self, want_id: UUID) -> None:
        self._line.ask(SLOTS, (_GIVE, want_id))

    def let_lapse(self, want_id: UUID) -> None:
        self.give_back(want_id)

    def flush(self) -> None:
        """Nothing to do: the driver flushes."""

    def _tell(self) -> None:
        # Not on the line's own thread: a listener may ask something over the line and wait.
        while True:
            self._to_tell.get()()


def _pass_on(answer: SlotAnswer, reply: Callable[[bool, Any], None]) -> None:
    if answer.verdict != WAITS:  # one answer a question goes over the line
        reply(True, answer)


class SlotRelayHost:
    """The driver's side: answers workers, and keeps their slots by connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._theirs: dict[Any, set[UUID]] = {}

    def answer(self, request: Any, reply: Callable[[bool, Any], None], connection: Any) -> None:
        """Answer a request of a worker; never blocks."""
        what, subject = request
        desk = SlotDesk.here()
        if what == _LIMITED:
            self._say_whether_limited(desk, subject, reply)
        elif what == _ASK:
            with self._lock:
                self._theirs.setdefault(connection, set()).add(subject.id)
            desk.ask(subject, lambda answer: _pass_on(answer, reply))
        else:
            with self._lock:
                self._theirs.get(connection, set()).discard(subject)
            desk.give_back(subject)
            reply(True, None)

    def lost(self, connection: Any) -> None:
        """Free the slots that a worker, whose line is lost, held or waited for."""
        with self._lock:
            theirs = self._theirs.pop(connection, set())
        for each in theirs:
            SlotDesk.here().give_back(each)

    def _say_whether_limited(
        self, desk: SlotDesk, tags: list[str], reply: Callable[[bool, Any], None]
    ) -> None:
        limited = desk.are_limited(tags)
        if limited is None:
            desk.when_known(lambda: self._say_whether_limited(desk, tags, reply))
        else:
            reply(True, limited)
