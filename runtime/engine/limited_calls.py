"""Calls of a dispatcher whose tags are limited: each waits for its slots before it is sent, alone.

A call that waits for slots stays QUEUED and is in no group's queue. What the desk answers comes on its
thread, and the call is sent from there, so a slot that came free is used at once. A call that ended
meanwhile, or whose run is paused, gives its slot back untouched. Asked for at a time are no more slots than
twice the calls that can run: slots are for what runs, not for what waits for a worker.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from ..foundation.errors import NoSlotEver
from ..store.slot_rows import WAITS, SlotAnswer
from . import call_records
from .fanout import Fanout
from .lane import Answer, refused
from .pack_group import Pack, PackGroup, ReadySpan
from .slot_desk import Slots
from .slot_waits import are_limited_now, granted, slots_of, wait_for_slots, want_of

if TYPE_CHECKING:
    from .run_desk import RunDesk


@dataclass(slots=True, eq=False)
class _Asked:
    group: PackGroup
    fanout: Fanout
    position: int
    alone: bool
    want_id: UUID


class SendsLimited(Protocol):
    """What limited calls ask of the dispatcher."""

    changed: threading.Condition

    def go_on(self) -> None: ...
    def start(self, group: PackGroup, spans: list[ReadySpan]) -> Pack: ...
    def launch(self, pack: Pack, answer: Answer | None = None) -> None: ...
    def queue_again(self, fanout: Fanout, position: int, *, alone: bool = False) -> None: ...


class LimitedCalls:
    """Everything here runs under the dispatcher's lock, unless it says otherwise."""

    def __init__(self, dispatcher: SendsLimited) -> None:
        self._dispatcher = dispatcher
        self._slots: dict[RunDesk, Slots] = {}
        self._asked: dict[tuple[Fanout, int], _Asked] = {}
        self._by_group: dict[PackGroup, int] = {}  # how many are asked for

    def holds_back(self, group: PackGroup, room: int) -> bool:
        """Whether calls of that kind are sent from here: asks for slots for up to `room` more of them."""
        slots = self._slots_of(group)
        limited = slots.are_limited(group.tags)
        if limited is None:
            slots.when_known(self._dispatcher.go_on)
            return True
        if limited:
            for span in group.take(room - self._by_group.get(group, 0)):
                for position in range(span.start, span.stop):
                    if not span.fanout.is_settled(position):
                        self._ask(slots, group, ReadySpan(span.fanout, position, position + 1, span.alone))
        return limited

    def withdraw(self, fanout: Fanout, positions: list[int]) -> None:
        """Withdraw requests of calls that have ended without a slot."""
        if self._asked:
            for position in positions:
                asked = self._forget(fanout, position)
                if asked is not None:
                    self._slots_of(asked.group).give_back(asked.want_id)

    def take_here(self, group: PackGroup) -> bool:
        """Inline: whether calls of that kind need slots. Asks the database; not under the lock."""
        return are_limited_now(self._slots_of(group), group.tags)

    def wait_here(self, pack: Pack) -> None:
        """Inline: block until the call of a pack has its slots. Not under the lock. Raises NoSlotEver."""
        [(fanout, position)] = pack.members()
        pack.slot = wait_for_slots(self._slots_of(pack.group), fanout, position)

    def ended(self, pack: Pack) -> None:
        """Free the slots of a pack that is over."""
        if pack.slot is not None:
            self._slots_of(pack.group).give_back(pack.slot)
            pack.slot = None

    def close(self, packs: list[Pack]) -> None:
        """Stop sending; slots of packs under way lapse, since their end will not be known."""
        for asked in list(self._asked.values()):
            self._forget(asked.fanout, asked.position)
            self._slots_of(asked.group).give_back(asked.want_id)
        for pack in packs:
            if pack.slot is not None:
                self._slots_of(pack.group).let_lapse(pack.slot)

    def _slots_of(self, group: PackGroup) -> Slots:
        slots = self._slots.get(group.desk)
        if slots is None:
            slots = self._slots[group.desk] = slots_of(group.desk)
        return slots

    def _ask(self, slots: Slots, group: PackGroup, span: ReadySpan) -> None:
        want = want_of(span.fanout, span.start)
        asked = _Asked(group, span.fanout, span.start, span.alone, want.id)
        self._asked[span.fanout, span.start] = asked
        self._by_group[group] = self._by_group.get(group, 0) + 1
        slots.ask(want, lambda answer: self._answered(asked, answer))

    def _forget(self, fanout: Fanout, position: int) -> _Asked | None:
        asked = self._asked.pop((fanout, position), None)
        if asked is not None:
            self._by_group[asked.group] -= 1
        return asked

    # On the desk's thread, without the lock.

    def _answered(self, asked: _Asked, answer: SlotAnswer) -> None:
        dispatcher, fanout, position = self._dispatcher, asked.fanout, asked.position
        if answer.verdict == WAITS:
            with dispatcher.changed:
                if self._asked.get((fanout, position)) is asked:
                    call_records.waits_for_slot(fanout, position, answer)
            return
        try:
            slot, never = granted(answer), None
        except NoSlotEver as error:
            slot, never = None, error
        pack = None
        with dispatcher.changed:
            if self._asked.get((fanout, position)) is not asked:
                if slot is not None:
                    self._slots_of(asked.group).give_back(slot)
                return
            self._forget(fanout, position)
            if never is not None or (slot is not None and not asked.group.desk.gate.is_closed):
                pack = dispatcher.start(asked.group, [ReadySpan(fanout, position, position + 1, asked.alone)])
                pack.slot = slot
            else:
                if slot is not None:
                    self._slots_of(asked.group).give_back(slot)
                dispatcher.queue_again(fanout, position, alone=asked.alone)
        dispatcher.launch(
            pack, None if never is None else refused(pack, never)
        ) if pack else dispatcher.go_on()
